/** The board's memory map in lines, laid out as QEMU's `info mtree`. */
import { hex16 } from "#control/monitor/hmp/examine.ts";
import { VirtBlock } from "#machine/virt/virt-layout.ts";
import type { Machine } from "#machine/machine.ts";
import { VIRT_MEMORY_MAP, VIRT_VIRTIO_COUNT, virtioEntry } from "#machine/virt/memory-map.ts";

type Row = { readonly base: number; readonly sizeBytes: number; readonly kind: string; readonly name: string };

const VIRTIO_BYTES = 0x200;

/** The regions of the board in the order of their addresses. */
function regions({ config, layout }: Machine): Row[] {
  const { mrom, test, rtc, clint, aclintSswi, plic, uart0, fwCfg, flash0, flash1, dram } = VIRT_MEMORY_MAP;
  const swiBytes = 0x4000;
  const rows: Row[] = [
    { ...mrom, kind: "rom", name: "riscv_virt_board.mrom" },
    { ...test, kind: "i/o", name: "riscv.sifive.test" },
    { base: rtc.base, sizeBytes: 0x24, kind: "i/o", name: "goldfish_rtc" },
    { base: clint.base, sizeBytes: swiBytes, kind: "i/o", name: "riscv.aclint.swi" },
    { base: clint.base + swiBytes, sizeBytes: 0x8000, kind: "i/o", name: "riscv.aclint.mtimer" },
    ...(config.machineOptions.aclint ? [{ ...aclintSswi, kind: "i/o", name: "riscv.aclint.sswi" }] : []),
    { ...plic, kind: "i/o", name: "riscv.sifive.plic" },
    { base: uart0.base, sizeBytes: 8, kind: "i/o", name: "serial" },
  ];
  for (let slot = 0; slot < VIRT_VIRTIO_COUNT; slot++) {
    rows.push({ base: virtioEntry(slot).base, sizeBytes: VIRTIO_BYTES, kind: "i/o", name: "virtio-mmio" });
  }
  rows.push(
    { base: fwCfg.base, sizeBytes: 8, kind: "i/o", name: "fwcfg.data" },
    { base: fwCfg.base + 8, sizeBytes: 2, kind: "i/o", name: "fwcfg.ctl" },
    { base: fwCfg.base + 16, sizeBytes: 8, kind: "i/o", name: "fwcfg.dma" },
    { ...flash0, kind: "romd", name: "virt.flash0" },
    { ...flash1, kind: "romd", name: "virt.flash1" },
    {
      base: dram.base,
      sizeBytes: layout.blocks[VirtBlock.Ram]?.sizeBytes ?? 0,
      kind: "ram",
      name: "riscv_virt_board.ram",
    },
  );
  return rows;
}

export function describeMemoryMap(machine: Machine): string {
  const lines = regions(machine).map(({ base, sizeBytes, kind, name }) => {
    const [first, last] = [BigInt(base), BigInt(base) + BigInt(sizeBytes) - 1n];
    return `    ${hex16(first)}-${hex16(last)} (prio 0, ${kind}): ${name}\n`;
  });
  return `address-space: memory\n  ${hex16(0n)}-${hex16(-1n)} (prio 0, i/o): system\n${lines.join("")}\n`;
}
