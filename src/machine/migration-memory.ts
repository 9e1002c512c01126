/**
 * The part of a machine that a migration reads and writes itself: RAM blocks, the maps of dirty and of missing pages.
 * Thread: any; the migration's as a rule.
 */
import type { Futex } from "#core/host.ts";
import { waitAsync } from "#core/wait-async.ts";
import { CONTROL, type MemoryLayout, type RamBlock, Request, STREAM_AREA_BYTES, VCPU } from "#cpu/vcpu/layout.ts";
import { requestVcpu, vcpuBlock } from "#machine/interrupt-lines.ts";
import { PageFaults } from "#machine/page-faults.ts";
import { type PageCode, pageCode } from "#machine/page-code.ts";
import { DirtyMap } from "#memory/dirty-map.ts";

/** How long it takes at most until somebody who did not answer is asked again. */
const ASK_AGAIN_MS = 5;

export class MigrationMemory {
  readonly memory: ArrayBufferLike;
  readonly blocks: readonly RamBlock[];
  readonly dirty: DirtyMap;
  readonly faults: PageFaults;
  readonly vcpuCount: number;
  readonly #words: Int32Array;
  readonly #vcpus: readonly number[];
  readonly #own: WebAssembly.Memory;
  #code: PageCode | undefined;
  /** For pieces of a stream; who has a machine's memory has the stream. */
  readonly streamRoom: Uint8Array;

  /** `futex` as of `PageFaultsHost`. */
  constructor(own: WebAssembly.Memory, layout: MemoryLayout, futex?: Futex) {
    const memory = own.buffer;
    this.#own = own;
    this.memory = memory;
    this.blocks = layout.blocks;
    this.dirty = new DirtyMap(memory, layout);
    this.faults = new PageFaults(memory, layout, { futex });
    this.vcpuCount = layout.vcpuCount;
    this.streamRoom = new Uint8Array(memory, layout.streamArea, STREAM_AREA_BYTES);
    this.#words = new Int32Array(memory);
    this.#vcpus = Array.from({ length: layout.vcpuCount }, (_, i) => vcpuBlock(layout, i));
  }

  /** A part of the memory is all 0: a page, or several. */
  isZero(host: number, lengthBytes: number): boolean {
    return this.#pageCode.isZero(host, lengthBytes);
  }
  /** As `to.set(from, at)`, and faster within the memory. Throws `RangeError`. */
  readonly copy = (to: Uint8Array, at: number, from: Uint8Array): void => {
    if (to.buffer !== this.memory || from.buffer !== this.memory) return to.set(from, at);
    if (at + from.length > to.length) throw new RangeError("what is copied does not fit");
    this.#pageCode.copy(to.byteOffset + at, from.byteOffset, from.length);
  };
  get #pageCode(): PageCode {
    return (this.#code ??= pageCode(this.#own));
  }

  /** Guest code runs, or is about to stop. */
  get isRunning(): boolean {
    return Atomics.load(this.#words, CONTROL.running) === 1;
  }

  /** Lets vCPUs sleep `percent` of the time, 99 at most; 0: no longer. */
  throttle(percent: number): void {
    Atomics.store(this.#words, CONTROL.throttle, percent);
    Atomics.notify(this.#words, CONTROL.throttle);
  }

  /** Resolves when a vCPU or a device has met a missing page since `seen`, which {@link faultCount} gave. */
  async untilFault(seen: number): Promise<void> {
    const waiting = waitAsync(this.#words, CONTROL.pageFaults, seen);
    if (waiting.async) await waiting.value;
  }
  get faultCount(): number {
    return Atomics.load(this.#words, CONTROL.pageFaults);
  }
  /** Ends every {@link untilFault}. */
  wakeFaultWaiters(): void {
    Atomics.add(this.#words, CONTROL.pageFaults, 1);
    Atomics.notify(this.#words, CONTROL.pageFaults);
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
}
