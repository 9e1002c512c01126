/**
 * The devices of the `virt` board whose registers any thread serves: UART, PLIC, ACLINT. Their state lies in shared
 * memory, so every thread makes these objects around the same state; one lock orders all accesses.
 */
import { ByteRing } from "#core/byte-ring.ts";
import { SharedLock } from "#core/shared-lock.ts";
import { NO_TRACE, type Trace } from "#core/trace.ts";
import { type MemoryLayout } from "#cpu/vcpu/layout.ts";
import { Irq } from "#cpu/isa/riscv/constants.ts";
import { MmioMap } from "#hw/bus/mmio-map.ts";
import { Ns16550a } from "#hw/devices/ns16550a.ts";
import { RiscvMswi, RiscvMtimer, RiscvSswi } from "#hw/devices/riscv-aclint.ts";
import { RiscvPlic } from "#hw/devices/riscv-plic.ts";
import { ringMachine } from "#machine/mmio-mailbox.ts";
import { clampNs, type Deadlines, type MachineClock, MachineRequest } from "#machine/shared-words.ts";
import { vcpuBlock, vcpuLine } from "#machine/interrupt-lines.ts";
import { VIRT_IRQ, VIRT_MEMORY_MAP } from "#machine/virt/memory-map.ts";

/** Places in the device arena. */
const LOCK = 0;
const TRANSMIT_RING = 64;
const TRANSMIT_BYTES = 65_536;
const UART_STATE = 128 * 1024;
const PLIC_STATE = 132 * 1024;
const MTIMER_STATE = 256 * 1024;

export type SharedDevices = {
  readonly map: MmioMap;
  readonly lock: SharedLock;
  readonly uart: Ns16550a;
  readonly plic: RiscvPlic;
  readonly mtimer: RiscvMtimer;
  /** What the UART has sent; the machine thread drains it. */
  readonly transmitted: ByteRing;
};

export function makeSharedDevices(
  memory: ArrayBufferLike,
  layout: MemoryLayout,
  options: { readonly aclint: boolean },
  clock: MachineClock,
  deadlines: Deadlines,
  trace: Trace = NO_TRACE,
): SharedDevices {
  const words = new Int32Array(memory);
  const arena = layout.deviceArena;
  const place = (offset: number): { memory: ArrayBufferLike; offset: number } => ({ memory, offset: arena + offset });
  const harts = Array.from({ length: layout.vcpuCount }, (_, hart) => vcpuBlock(layout, hart));
  const lines = (mask: number): ReturnType<typeof vcpuLine>[] => harts.map((block) => vcpuLine(words, block, mask));

  const plic = new RiscvPlic(place(PLIC_STATE), {
    outputs: harts.flatMap((block) => [
      vcpuLine(words, block, Irq.MachineExternal),
      vcpuLine(words, block, Irq.SupervisorExternal),
    ]),
    trace,
  });
  const transmitted = new ByteRing(memory, arena + TRANSMIT_RING, TRANSMIT_BYTES);
  const uart = new Ns16550a(place(UART_STATE), {
    irq: plic.source(VIRT_IRQ.uart0),
    out: {
      push(byte) {
        const done = transmitted.push(byte);
        // The first byte rings; the machine thread looks once more after it has taken the rest.
        if (transmitted.used <= 1 || !done) ringMachine(words, MachineRequest.Transmit);
        return done;
      },
    },
    roomMade: () => ringMachine(words, MachineRequest.ReceiveRoom),
    trace,
  });
  const mtimer = new RiscvMtimer(place(MTIMER_STATE), {
    time: {
      now: () => BigInt(clock.ticks()),
      shift: (ticks) => clock.set(clampNs(BigInt(Math.floor(clock.nowNs())) + ticks * 100n)),
    },
    timerLines: lines(Irq.MachineTimer),
    deadlineChanged: (hart, timecmp) => deadlines.setMtimecmp(hart, Number(timecmp)),
  });
  const mswi = new RiscvMswi({ softwareLines: lines(Irq.MachineSoftware) });

  const map = new MmioMap();
  const add = (base: number, device: { readonly regions: readonly Parameters<MmioMap["add"]>[1][] }): void => {
    for (const region of device.regions) map.add(base, region);
  };
  add(VIRT_MEMORY_MAP.uart0.base, uart);
  add(VIRT_MEMORY_MAP.plic.base, plic);
  add(VIRT_MEMORY_MAP.aclintMswi.base, mswi);
  add(VIRT_MEMORY_MAP.aclintMtimecmp.base, mtimer);
  if (options.aclint)
    add(VIRT_MEMORY_MAP.aclintSswi.base, new RiscvSswi({ softwareLines: lines(Irq.SupervisorSoftware) }));
  return { map, lock: new SharedLock(words, (arena + LOCK) >>> 2), uart, plic, mtimer, transmitted };
}
