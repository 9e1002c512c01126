/**
 * What a migration needs of a machine: its RAM blocks, the map of dirty pages, its sections.
 * Thread: machine.
 */
import type { SharedLock } from "#core/shared-lock.ts";
import { waitAsync } from "#core/wait-async.ts";
import { settleHart } from "#cpu/isa/riscv/hart-state.ts";
import { CONTROL, type MemoryLayout, type RamBlock, Request, VCPU } from "#cpu/vcpu/layout.ts";
import { requestVcpu, vcpuBlock } from "#machine/interrupt-lines.ts";
import type { MachineClock } from "#machine/shared-words.ts";
import type { BoardSection, BoardSections } from "#machine/virt/migration-sections.ts";
import { DirtyMap } from "#memory/dirty-map.ts";

/** How long it takes at most until somebody who did not answer is asked again. */
const ASK_AGAIN_MS = 5;

export type MigrationPlace = {
  readonly memory: ArrayBufferLike;
  readonly layout: MemoryLayout;
  readonly clock: MachineClock;
  readonly lock: SharedLock;
};

export class MigrationPort {
  readonly memory: ArrayBufferLike;
  readonly blocks: readonly RamBlock[];
  readonly dirty: DirtyMap;
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
    this.memory = place.memory;
    this.blocks = place.layout.blocks;
    this.dirty = new DirtyMap(place.memory, place.layout);
    this.#words = new Int32Array(place.memory);
    this.#vcpus = Array.from({ length: place.layout.vcpuCount }, (_, i) => vcpuBlock(place.layout, i));
    this.#board = board;
    this.#drain = drain;
    this.#loaded = loaded;
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
  get runState(): string {
    return this.#board.runState.value;
  }
  set runState(value: string) {
    this.#board.runState.value = value;
  }

  /** Pages of RAM that have not come. */
  get missingPages(): number {
    return Atomics.load(this.#words, CONTROL.missingPages);
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

  /**
   * Resolves when no vCPU can write a page without marking it, if its byte was cleared before the call.
   * A stopped vCPU need not answer: it does before it runs.
   */
  async dirtyMapCleared(): Promise<void> {
    const words = this.#words;
    const serial = Atomics.add(words, CONTROL.dirtySerial, 1) + 1;
    for (const block of this.#vcpus) requestVcpu(words, block, Request.DirtySync);
    for (;;) {
      const answers = Atomics.load(words, CONTROL.dirtyAnswers);
      const isStopped = Atomics.load(words, CONTROL.stoppedVcpus) === this.#vcpus.length;
      const late = this.#vcpus.filter((block) => Atomics.load(words, (block + VCPU.dirtySerial) >>> 2) !== serial);
      if (isStopped || late.length === 0) return;
      // A reset forgets the answer.
      for (const block of late) requestVcpu(words, block, Request.DirtySync);
      const waiting = waitAsync(words, CONTROL.dirtyAnswers, answers, ASK_AGAIN_MS);
      if (waiting.async) await waiting.value;
    }
  }

  /** All sections and all pages are in place; the machine is stopped, and may be started then. */
  finishLoad(): void {
    this.locked(() => {
      for (const block of this.#vcpus) settleHart(this.memory, block);
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
