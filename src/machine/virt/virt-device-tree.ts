/**
 * The device tree of the `virt` board: what QEMU's `-M virt,dumpdtb=` gives, node for node and in its order, but for
 * the PCIe host and the platform bus, which this board does not have.
 *
 * Beside the old `riscv,isa` string it says which extensions there are in the form that Linux reads since 6.7.
 *
 * Spec: Devicetree Specification 0.4, chapter 3; the Linux kernel's bindings named at each node.
 */
import {
  cells,
  cells64,
  type DeviceTree,
  type DeviceTreeNode,
  deviceTree,
  empty,
  node,
  text,
} from "#machine/device-tree.ts";
import { type ChosenConfig, setChosen } from "#machine/virt/chosen.ts";
import {
  type MemoryMapEntry,
  VIRT_IRQ,
  VIRT_MEMORY_MAP,
  VIRT_PLIC_SOURCES,
  VIRT_TEST_POWEROFF,
  VIRT_TEST_RESET,
  VIRT_TIMEBASE_HZ,
  VIRT_UART_CLOCK_HZ,
  VIRT_VIRTIO_COUNT,
  virtioEntry,
} from "#machine/virt/memory-map.ts";

/** What a guest may know of its harts' instruction set. */
export type IsaDescription = {
  /** `riscv,isa`, for example "rv64imafdc_zicsr_zba". */
  readonly isaString: string;
  /** `riscv,isa-extensions`, for example "i", "m", "zicsr". */
  readonly extensions: readonly string[];
  /** "riscv,sv39", "riscv,sv48", "riscv,sv57" or "riscv,none". */
  readonly mmuType: string;
  /** Present exactly when Zicbom (Zicboz) is. */
  readonly cbomBlockBytes?: number | undefined;
  readonly cbozBlockBytes?: number | undefined;
};

export type VirtDeviceTreeConfig = ChosenConfig & {
  /** Harts, numbered from 0. */
  readonly smp: number;
  readonly memoryBytes: number;
  readonly isa: IsaDescription;
  /** ACLINT devices in place of the CLINT (`-M virt,aclint=on`). */
  readonly aclint: boolean;
  /** Counters that can count events, as bits of `mcountinhibit`; default: 3 to 18, as in QEMU's rv64. */
  readonly hpmCounterMask?: number | undefined;
};

/** Interrupts of a hart, as `mip` numbers them. */
const IRQ_S_SOFT = 1;
const IRQ_M_SOFT = 3;
const IRQ_M_TIMER = 7;
const IRQ_S_EXT = 9;
const IRQ_M_EXT = 11;

const DEFAULT_HPM_COUNTER_MASK = 0x7fff8;

export function virtDeviceTree(config: VirtDeviceTreeConfig): DeviceTree {
  const phandles = allocatePhandles(config.smp);
  const chosen = node("chosen", {});
  setChosen(chosen, config);
  chosen.properties.set("stdout-path", text(`/soc/${unitName("serial", VIRT_MEMORY_MAP.uart0)}`));
  return deviceTree(
    node(
      "",
      {
        "#address-cells": cells(2),
        "#size-cells": cells(2),
        compatible: text("riscv-virtio"),
        model: text("riscv-virtio,qemu"),
      },
      [
        pmuNode(config.hpmCounterMask ?? DEFAULT_HPM_COUNTER_MASK),
        fwCfgNode(),
        flashNode(),
        chosen,
        sysconNode("poweroff", VIRT_TEST_POWEROFF, phandles.test),
        sysconNode("reboot", VIRT_TEST_RESET, phandles.test),
        memoryNode(config.memoryBytes),
        cpusNode(config, phandles),
        socNode(config, phandles),
      ],
    ),
  );
}

type HartPhandles = { readonly cpu: number; readonly interruptController: number };
type Phandles = { readonly harts: readonly HartPhandles[]; readonly plic: number; readonly test: number };

/** QEMU's numbers: the last hart's two first, then the PLIC and the test finisher. */
function allocatePhandles(smp: number): Phandles {
  const harts = Array.from({ length: smp }, (_, hart) => {
    const cpu = 2 * (smp - 1 - hart) + 1;
    return { cpu, interruptController: cpu + 1 };
  });
  return { harts, plic: 2 * smp + 1, test: 2 * smp + 2 };
}

/** Which counters can count what, for the SBI's PMU extension. Binding: perf/riscv,pmu.yaml. */
function pmuNode(hpmCounterMask: number): DeviceTreeNode {
  const CYCLE_COUNTER = 1 << 0;
  const INSTRET_COUNTER = 1 << 2;
  // First event, last event, counters. The last row is in QEMU's tree, and firmware skips it.
  const events = [
    [0x00001, 0x00001, hpmCounterMask | CYCLE_COUNTER], // CPU cycles
    [0x00002, 0x00002, hpmCounterMask | INSTRET_COUNTER], // instructions
    [0x10019, 0x10019, hpmCounterMask], // data TLB read misses
    [0x1001b, 0x1001b, hpmCounterMask], // data TLB write misses
    [0x10021, 0x10021, hpmCounterMask], // instruction TLB misses
    [0, 0, 0, 0, 0],
  ];
  return node("pmu", {
    "riscv,event-to-mhpmcounters": cells(...events.flat()),
    compatible: text("riscv,pmu"),
  });
}

/** Binding: firmware/qemu,fw-cfg-mmio.yaml. */
function fwCfgNode(): DeviceTreeNode {
  return node(unitName("fw-cfg", VIRT_MEMORY_MAP.fwCfg), {
    "dma-coherent": empty(),
    reg: reg(VIRT_MEMORY_MAP.fwCfg),
    compatible: text("qemu,fw-cfg-mmio"),
  });
}

/** Binding: mtd/mtd-physmap.yaml. */
function flashNode(): DeviceTreeNode {
  return node(unitName("flash", VIRT_MEMORY_MAP.flash0), {
    "bank-width": cells(4),
    reg: reg(VIRT_MEMORY_MAP.flash0, VIRT_MEMORY_MAP.flash1),
    compatible: text("cfi-flash"),
  });
}

/** Writes `value` to the test finisher. Bindings: power/reset/syscon-poweroff.yaml, syscon-reboot.yaml. */
function sysconNode(name: "poweroff" | "reboot", value: number, regmap: number): DeviceTreeNode {
  return node(name, {
    value: cells(value),
    offset: cells(0),
    regmap: cells(regmap),
    compatible: text(`syscon-${name}`),
  });
}

function memoryNode(memoryBytes: number): DeviceTreeNode {
  const { base } = VIRT_MEMORY_MAP.dram;
  return node(unitName("memory", VIRT_MEMORY_MAP.dram), {
    device_type: text("memory"),
    reg: cells64(base, memoryBytes),
  });
}

/** Bindings: riscv/cpus.yaml, riscv/extensions.yaml, cpu/cpu-topology.txt. */
function cpusNode(config: VirtDeviceTreeConfig, phandles: Phandles): DeviceTreeNode {
  const cores = phandles.harts.map(({ cpu }, hart) => node(`core${hart}`, { cpu: cells(cpu) }));
  return node(
    "cpus",
    {
      "#address-cells": cells(1),
      "#size-cells": cells(0),
      "timebase-frequency": cells(VIRT_TIMEBASE_HZ),
    },
    [
      ...phandles.harts.map((own, hart) => cpuNode(hart, own, config.isa)),
      // One cluster whatever -smp says of sockets: QEMU makes more for NUMA nodes only.
      node("cpu-map", {}, [node("cluster0", {}, cores)]),
    ],
  );
}

function cpuNode(hart: number, phandles: HartPhandles, isa: IsaDescription): DeviceTreeNode {
  const properties: Record<string, Uint8Array> = {
    phandle: cells(phandles.cpu),
    device_type: text("cpu"),
    reg: cells(hart),
    status: text("okay"),
    compatible: text("riscv"),
    "riscv,isa": text(isa.isaString),
    "riscv,isa-base": text("rv64i"),
    "riscv,isa-extensions": text(...isa.extensions),
    "mmu-type": text(isa.mmuType),
  };
  if (isa.cbomBlockBytes !== undefined) properties["riscv,cbom-block-size"] = cells(isa.cbomBlockBytes);
  if (isa.cbozBlockBytes !== undefined) properties["riscv,cboz-block-size"] = cells(isa.cbozBlockBytes);
  // Decimal, as QEMU writes it.
  return node(`cpu@${hart}`, properties, [
    node("interrupt-controller", {
      "#interrupt-cells": cells(1),
      "interrupt-controller": empty(),
      compatible: text("riscv,cpu-intc"),
      phandle: cells(phandles.interruptController),
    }),
  ]);
}

function socNode(config: VirtDeviceTreeConfig, phandles: Phandles): DeviceTreeNode {
  // Highest slot first, as QEMU has them: Linux names disks in this order, and `-device` fills the highest slot first.
  const slots = Array.from({ length: VIRT_VIRTIO_COUNT }, (_, index) => VIRT_VIRTIO_COUNT - 1 - index);
  return node(
    "soc",
    {
      "#address-cells": cells(2),
      "#size-cells": cells(2),
      compatible: text("simple-bus"),
      ranges: empty(),
    },
    [
      deviceNode("rtc", VIRT_MEMORY_MAP.rtc, VIRT_IRQ.rtc, phandles.plic, "google,goldfish-rtc"),
      deviceNode("serial", VIRT_MEMORY_MAP.uart0, VIRT_IRQ.uart0, phandles.plic, "ns16550a", {
        "clock-frequency": cells(VIRT_UART_CLOCK_HZ),
      }),
      node(unitName("test", VIRT_MEMORY_MAP.test), {
        phandle: cells(phandles.test),
        reg: reg(VIRT_MEMORY_MAP.test),
        compatible: text("sifive,test1", "sifive,test0", "syscon"),
      }),
      ...slots.map((slot) =>
        deviceNode("virtio_mmio", virtioEntry(slot), VIRT_IRQ.virtioFirst + slot, phandles.plic, "virtio,mmio"),
      ),
      plicNode(phandles),
      ...(config.aclint ? aclintNodes(phandles) : [clintNode(phandles)]),
    ],
  );
}

/** A device with one register window and one interrupt. */
function deviceNode(
  name: string,
  entry: MemoryMapEntry,
  irq: number,
  plicPhandle: number,
  compatible: string,
  more: Readonly<Record<string, Uint8Array>> = {},
): DeviceTreeNode {
  return node(unitName(name, entry), {
    interrupts: cells(irq),
    "interrupt-parent": cells(plicPhandle),
    ...more,
    reg: reg(entry),
    compatible: text(compatible),
  });
}

/** Binding: interrupt-controller/sifive,plic-1.0.0.yaml. Contexts: M and S of each hart in turn. */
function plicNode(phandles: Phandles): DeviceTreeNode {
  return node(unitName("plic", VIRT_MEMORY_MAP.plic), {
    phandle: cells(phandles.plic),
    "riscv,ndev": cells(VIRT_PLIC_SOURCES),
    reg: reg(VIRT_MEMORY_MAP.plic),
    "interrupts-extended": hartInterrupts(phandles, IRQ_M_EXT, IRQ_S_EXT),
    "interrupt-controller": empty(),
    compatible: text("sifive,plic-1.0.0", "riscv,plic0"),
    "#address-cells": cells(0),
    "#interrupt-cells": cells(1),
  });
}

/** Binding: timer/sifive,clint.yaml. */
function clintNode(phandles: Phandles): DeviceTreeNode {
  return node(unitName("clint", VIRT_MEMORY_MAP.clint), {
    "interrupts-extended": hartInterrupts(phandles, IRQ_M_SOFT, IRQ_M_TIMER),
    reg: reg(VIRT_MEMORY_MAP.clint),
    compatible: text("sifive,clint0", "riscv,clint0"),
  });
}

/** RISC-V ACLINT specification 1.0-rc4; the names are the ones that OpenSBI looks for. */
function aclintNodes(phandles: Phandles): DeviceTreeNode[] {
  const { aclintMswi, aclintMtime, aclintMtimecmp, aclintSswi } = VIRT_MEMORY_MAP;
  const softwareInterrupts = (name: "mswi" | "sswi", entry: MemoryMapEntry, irq: number): DeviceTreeNode =>
    node(unitName(name, entry), {
      "#interrupt-cells": cells(0),
      "interrupt-controller": empty(),
      "interrupts-extended": hartInterrupts(phandles, irq),
      reg: reg(entry),
      compatible: text(`riscv,aclint-${name}`),
    });
  return [
    softwareInterrupts("sswi", aclintSswi, IRQ_S_SOFT),
    node(unitName("mtimer", aclintMtimecmp), {
      "interrupts-extended": hartInterrupts(phandles, IRQ_M_TIMER),
      reg: reg(aclintMtime, aclintMtimecmp),
      compatible: text("riscv,aclint-mtimer"),
    }),
    softwareInterrupts("mswi", aclintMswi, IRQ_M_SOFT),
  ];
}

/** `interrupts-extended` to all harts: the given interrupts of the first, of the second, and so on. */
function hartInterrupts(phandles: Phandles, ...irqs: readonly number[]): Uint8Array {
  return cells(...phandles.harts.flatMap((hart) => irqs.flatMap((irq) => [hart.interruptController, irq])));
}

function reg(...entries: readonly MemoryMapEntry[]): Uint8Array {
  return cells64(...entries.flatMap(({ base, sizeBytes }) => [base, sizeBytes]));
}

function unitName(name: string, entry: MemoryMapEntry): string {
  return `${name}@${entry.base.toString(16)}`;
}
