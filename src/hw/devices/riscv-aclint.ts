/**
 * The core-local interruptor: software interrupts (MSWI), the timer (MTIMER) and supervisor software interrupts (SSWI).
 * MSWI at +0 and MTIMER at +0x4000 make up the classic CLINT, with `mtime` at +0xbff8.
 *
 * Time runs in the `time` port; a vCPU thread that writes a comparator recomputes the line, and tells the board the new
 * deadline, which calls `update(hart)` when it has come.
 *
 * Spec: RISC-V Advanced Core Local Interruptor 1.0-rc4 ("riscv-aclint"); migration: QEMU section "riscv_mtimer" v1 and v3.
 * MSWI and SSWI have no state of their own: MSIP and SSIP live in the harts' `mip`, which migrates with them.
 * Thread: any, over one state in shared memory, with the device's lock held by the caller.
 */
import { u64, u64Array, vmstate } from "#core/vmstate.ts";
import { bindState } from "#hw/bus/bound-state.ts";
import type { BoundState, Device, IrqLine, MigrationSection, MmioRegion, StatePlace } from "#hw/bus/types.ts";

/** QEMU's section for a number of harts; the names are QEMU's. Version 1 is QEMU 7.2's, 3 is 11.1's. */
export function mtimerState(harts: number) {
  const timers = u64Array(harts, 3);
  return vmstate(
    "riscv_mtimer",
    3,
    // Ticks by which mtime is ahead of the machine's clock; and when QEMU's timers are due, which follows from timecmp.
    {
      time_delta: u64(0n, 3),
      timecmp: u64Array(harts),
      timers: { ...timers, wire: { ...timers.wire, type: "timer" } },
    },
    { minimumVersion: 1 },
  );
}

/** The counter behind `mtime` and the `time` CSR, in ticks (10 MHz on the virt board). */
export type TimeSource = {
  now(): bigint;
  /** Moves the counter; absent: writes to `mtime` are ignored. */
  set?(ticks: bigint): void;
  /** A machine came from elsewhere, where the counter was ahead of the clock by this. */
  shift?(ticks: bigint): void;
};

export type MtimerPorts = {
  readonly time: TimeSource;
  /** MTIP of each hart. */
  readonly timerLines: readonly IrqLine[];
  /** The hart's comparator is now `timecmp` ticks: `update(hart)` is due then. Also called when time was moved. */
  readonly deadlineChanged: (hart: number, timecmp: bigint) => void;
};

/** Of the virt board's 10 MHz. */
const NS_PER_TICK = 100n;
const NEVER = (1n << 64n) - 1n;
/** Beyond it a time in nanoseconds is none that a timer has. */
const LATEST_TICKS = (1n << 63n) / NS_PER_TICK;

// riscv-aclint 2, "MTIMER": comparators first, then the counter, as in the CLINT.
const MTIMER_BYTES = 0x8000;
const MTIME = 0x7ff8;

export class RiscvMtimer implements Device {
  readonly typeName = "riscv.aclint.mtimer";
  readonly regions: readonly MmioRegion[];
  readonly migration: readonly MigrationSection[];
  readonly #ports: MtimerPorts;
  readonly #bound: BoundState<ReturnType<typeof mtimerState>["fields"]>;
  readonly #timecmp: BigUint64Array;

  /** `place` has room for `mtimerState(ports.timerLines.length).sizeBytes`. */
  constructor(place: StatePlace, ports: MtimerPorts) {
    this.#ports = ports;
    this.#bound = bindState(mtimerState(ports.timerLines.length), place, () => this.#afterLoad());
    this.#timecmp = this.#bound.state.timecmp;
    const { section } = this.#bound;
    this.migration = [{ ...section, save: () => this.#save(section) }];
    this.regions = [
      {
        sizeBytes: MTIMER_BYTES,
        accessSizes: [4, 8],
        read: (offset) => {
          const value = this.#read(offset & ~7);
          return Number(offset & 4 ? value >> 32n : value & LOW);
        },
        write: (offset, _size, value) => {
          const old = this.#read(offset & ~7);
          const half = BigInt(value >>> 0);
          this.#write(offset & ~7, offset & 4 ? (half << 32n) | (old & LOW) : (old & ~LOW) | half);
        },
        read64: (offset) => this.#read(offset),
        write64: (offset, value) => this.#write(offset, BigInt.asUintN(64, value)),
      },
    ];
  }

  /** The comparators become 0, so that MTIP is set until the firmware writes them (as in QEMU). */
  reset(): void {
    this.#bound.reset();
    this.#updateAll();
  }

  /** Recomputes the hart's MTIP: 1 from the tick on where `mtime >= mtimecmp` (riscv-aclint 2.3). */
  update(hart: number): void {
    const timecmp = this.#timecmp[hart];
    if (timecmp !== undefined) this.#ports.timerLines[hart]?.set(this.#ports.time.now() >= timecmp);
  }

  /** The hart's comparator in ticks, the deadline of a `wfi`. */
  timecmp(hart: number): bigint {
    return this.#timecmp[hart] ?? 0n;
  }

  #save(section: MigrationSection): Uint8Array {
    const { timers } = this.#bound.state;
    this.#timecmp.forEach((timecmp, hart) => (timers[hart] = timecmp < LATEST_TICKS ? timecmp * NS_PER_TICK : NEVER));
    return section.save();
  }

  #afterLoad(): void {
    const { state } = this.#bound;
    if (state.time_delta !== 0n) this.#ports.time.shift?.(BigInt.asIntN(64, state.time_delta));
    state.time_delta = 0n;
    this.#updateAll();
  }

  #read(offset: number): bigint {
    return offset === MTIME ? this.#ports.time.now() : (this.#timecmp[offset >> 3] ?? 0n);
  }

  #write(offset: number, value: bigint): void {
    const hart = offset >> 3;
    if (offset === MTIME) {
      if (!this.#ports.time.set) return;
      this.#ports.time.set(value);
      this.#updateAll();
    } else if (hart < this.#timecmp.length) {
      this.#timecmp[hart] = value;
      this.#changed(hart, value);
    }
  }

  #updateAll(): void {
    for (let hart = 0; hart < this.#timecmp.length; hart++) this.#changed(hart, this.timecmp(hart));
  }

  #changed(hart: number, timecmp: bigint): void {
    this.update(hart);
    this.#ports.deadlineChanged(hart, timecmp);
  }
}

const LOW = 0xffff_ffffn;

/** A hart's MSIP bit: the line, and its level, which the hart holds. */
export type SoftwareLine = IrqLine & { get(): boolean };

const SWI_BYTES = 0x4000;

/** MSWI: one word a hart whose bit 0 is the hart's MSIP (riscv-aclint 3.2). */
export class RiscvMswi implements Device {
  readonly typeName = "riscv.aclint.swi";
  readonly regions: readonly MmioRegion[];
  readonly migration: readonly MigrationSection[] = [];
  readonly #softwareLines: readonly SoftwareLine[];

  constructor(ports: { readonly softwareLines: readonly SoftwareLine[] }) {
    const lines = ports.softwareLines;
    this.#softwareLines = lines;
    this.regions = [
      {
        sizeBytes: SWI_BYTES,
        accessSizes: [4],
        read: (offset) => (lines[offset >> 2]?.get() ? 1 : 0),
        write: (offset, _size, value) => lines[offset >> 2]?.set((value & 1) !== 0),
      },
    ];
  }

  reset(): void {
    for (const line of this.#softwareLines) line.set(false);
  }
}

/**
 * SSWI: writing 1 sets the hart's SSIP, which software clears in the hart; reads 0 (riscv-aclint 4.2).
 * The lines are only ever set to true.
 */
export class RiscvSswi implements Device {
  readonly typeName = "riscv.aclint.swi";
  readonly regions: readonly MmioRegion[];
  readonly migration: readonly MigrationSection[] = [];

  constructor(ports: { readonly softwareLines: readonly IrqLine[] }) {
    this.regions = [
      {
        sizeBytes: SWI_BYTES,
        accessSizes: [4],
        read: () => 0,
        write: (offset, _size, value) => {
          if (value & 1) ports.softwareLines[offset >> 2]?.set(true);
        },
      },
    ];
  }

  reset(): void {}
}
