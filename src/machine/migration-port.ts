/**
 * What a migration needs of a machine: its memory, its sections, its run state.
 * Thread: machine.
 */
import type { SharedLock } from "#core/shared-lock.ts";
import { settleHart } from "#cpu/isa/riscv/hart-state.ts";
import { type MemoryLayout, Request, VCPU } from "#cpu/vcpu/layout.ts";
import { vcpuBlock } from "#machine/interrupt-lines.ts";
import { MigrationMemory } from "#machine/migration-memory.ts";
import type { RunStateName } from "#machine/run-states.ts";
import type { MachineClock } from "#machine/shared-words.ts";
import type { BoardSection, BoardSections } from "#machine/virt/migration-sections.ts";

export type MigrationPlace = {
  readonly memory: WebAssembly.Memory;
  readonly layout: MemoryLayout;
  readonly clock: MachineClock;
  readonly lock: SharedLock;
  /** Names of the RAM blocks that files have filled. */
  readonly filledBlocks: readonly string[];
};

export class MigrationPort {
  readonly ram: MigrationMemory;
  /** True while a machine is expected to come in: it has no state that input could reach. */
  isLoading = false;
  /** Resolves when no page is missing any more; rejects when pages cannot come. */
  allPagesHere: Promise<void> = Promise.resolve();
  readonly #place: MigrationPlace;
  readonly #words: Int32Array;
  readonly #vcpus: readonly number[];
  readonly #board: BoardSections;
  readonly #drain: () => Promise<void>;
  readonly #loaded: () => void;

  constructor(place: MigrationPlace, board: BoardSections, drain: () => Promise<void>, loaded: () => void) {
    this.#place = place;
    this.ram = new MigrationMemory(place.memory, place.layout);
    this.#words = new Int32Array(place.memory.buffer);
    this.#vcpus = Array.from({ length: place.layout.vcpuCount }, (_, i) => vcpuBlock(place.layout, i));
    this.#board = board;
    this.#drain = drain;
    this.#loaded = loaded;
  }

  /** Names of the RAM blocks that are zero as long as a machine is waited for: all but flash that a file fills. */
  get emptyBlocks(): readonly string[] {
    return this.ram.blocks.map(({ name }) => name).filter((name) => !this.#place.filledBlocks.includes(name));
  }
  /** In the order in which they are sent. */
  get sections(): readonly BoardSection[] {
    return this.#board.sections;
  }
  /** Bytes of a section that other boards have and this one does without; undefined for one that is not known. */
  bytesToSkip(name: string): number | undefined {
    return this.#board.skipped.get(name);
  }
  /** The run state in the section "globalstate": what it will be saved as, or what was loaded. */
  get runState(): RunStateName {
    return this.#board.runState.value;
  }
  set runState(value: RunStateName) {
    this.#board.runState.value = value;
  }

  /** Machine time. */
  get nowNs(): number {
    return this.#place.clock.nowNs();
  }
  get layout(): MemoryLayout {
    return this.#place.layout;
  }

  /** Resolves when no request of a device is in the host's hands. The machine is stopped. */
  drain(): Promise<void> {
    return this.#drain();
  }

  /** The lock under which sections are saved and loaded. */
  locked<T>(body: () => T): T {
    return this.#place.lock.with(body);
  }

  /** All sections and all pages are in place; the machine is stopped, and may be started then. */
  finishLoad(): void {
    this.locked(() => {
      for (const block of this.#vcpus) settleHart(this.ram.memory, block);
    });
    for (const block of this.#vcpus) {
      const request = (block + VCPU.request) >>> 2;
      Atomics.and(this.#words, request, ~Request.Reset);
      Atomics.or(this.#words, request, Request.Loaded);
    }
    this.isLoading = false;
    this.#loaded();
  }
}
