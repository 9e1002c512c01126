/**
 * The contract between devices and the board, on one screen.
 *
 * A device sees offsets only, never its address; it gets ports (lines, DMA, sinks), never the machine or the CPU.
 * It never throws on what a guest does. It does throw `PageMissing`, and has done nothing then.
 */
import type { ByteReader } from "#core/bytes.ts";
import type { Fields, SectionDescription, State, VmState } from "#core/vmstate.ts";

/** A guest physical address. Exact below 2^53; a larger one is never backed by anything. */
export type Gpa = number & { readonly __kind?: "gpa" };

/** Registers of a device. */
export type MmioRegion = {
  readonly sizeBytes: number;
  /** Sizes that the device answers; others are an access fault. */
  readonly accessSizes: readonly (1 | 2 | 4 | 8)[];
  /** Returns the value zero-extended (unsigned). Unknown registers read 0. */
  read(offset: number, size: 1 | 2 | 4): number;
  write(offset: number, size: 1 | 2 | 4, value: number): void;
  /** 8-byte accesses; absent: the bus makes two of 4, low half first. */
  read64?(offset: number): bigint;
  write64?(offset: number, value: bigint): void;
};

/** A level-triggered interrupt input of somebody else. Setting the same level twice is harmless. */
export type IrqLine = { set(level: boolean): void };

/** Access to guest memory by device. */
export type Dma = {
  /**
   * A view of guest RAM, or undefined when the range is not wholly inside one RAM block (the device then reports an error).
   * `toGuest` says that the device will write: the pages are marked dirty.
   * Throws `PageMissing`, with nothing marked, when a page of it has not come yet.
   */
  view(address: Gpa, lengthBytes: number, direction: "toGuest" | "fromGuest"): Uint8Array | undefined;
  /** Whether `view` may throw: false once all pages are here. */
  isIncomplete(): boolean;
  /** Resolves when these pages are there. */
  present(pages: readonly number[]): Promise<void>;
};

/**
 * A device on a board.
 * `shared` devices run on every thread, over state in shared memory, under their lock; the others run on the machine thread.
 */
export type Device = {
  /** QEMU's type name, for example "serial" or "virtio-blk-device". */
  readonly typeName: string;
  readonly regions: readonly MmioRegion[];
  /** Brings the device to its power-on state. Thread: machine, while no vCPU runs. */
  reset(): void;
  /** The machine runs from now on, or has stopped: told when others are told, not at every halt. */
  machineRuns?(isRunning: boolean): void;
  /** Resolves when nothing of the device is in the host's hands; its state may then be saved. */
  drain?(): Promise<void>;
  /** What migrates, in QEMU's section layout. */
  readonly migration: readonly MigrationSection[];
};

/** One section of the migration stream. */
export type MigrationSection = {
  readonly name: string;
  readonly version: number;
  save(): Uint8Array;
  /** The fields that `save` writes, for the stream's description of itself. */
  describe(): SectionDescription;
  /** Takes the state from the front of what is left. Throws `StateError` or `TruncatedError`. */
  take(from: ByteReader, version: number): void;
  /** Takes a body that ends with the state. Throws as `take` does. */
  load(body: Uint8Array, version: number): void;
};

/** Where a device's state lies in shared memory. */
export type StatePlace = { readonly memory: ArrayBufferLike; readonly offset: number };

/** A state bound to its place, with its section; what most devices hold. */
export type BoundState<F extends Fields> = {
  readonly state: State<F>;
  readonly section: MigrationSection;
  reset(): void;
  readonly schema: VmState<F>;
};
