/**
 * Pages of a postcopy that have not come from the source yet, and who waits for them.
 *
 *   vCPU: time, page -> its word; counts CONTROL.pageFaults -> waits on the word
 *   migration: page in place -> byte 0 -> words of those who wait 0 -> wakes them
 *
 * Each side stores first and looks then, so that a page which comes meanwhile is not waited for. Nothing is paid once
 * all pages are here: the byte is looked at only when a page enters a TLB.
 * Thread: vCPUs wait; one migration places.
 */
import { CONTROL, type MemoryLayout, PAGE_BYTES, VCPU } from "#cpu/vcpu/layout.ts";
import { vcpuBlock } from "#machine/interrupt-lines.ts";

/** A vCPU that waits: for which page, and since when in nanoseconds of machine time. */
export type PageFault = { readonly vcpu: number; readonly page: number; readonly sinceNs: number };

export class PageFaults {
  readonly #missing: Uint8Array;
  readonly #words: Int32Array;
  readonly #times: DataView;
  readonly #blocks: readonly number[];
  readonly #ramStart: number;

  constructor(memory: ArrayBufferLike, layout: MemoryLayout) {
    this.#missing = new Uint8Array(memory, layout.missingMap, (layout.totalBytes - layout.ramStart) / PAGE_BYTES);
    this.#words = new Int32Array(memory);
    this.#times = new DataView(memory);
    this.#blocks = Array.from({ length: layout.vcpuCount }, (_, i) => vcpuBlock(layout, i));
    this.#ramStart = layout.ramStart;
  }

  /** The page at `host`, as an index. */
  pageOf(host: number): number {
    return Math.floor((host - this.#ramStart) / PAGE_BYTES);
  }
  isMissing(page: number): boolean {
    return Atomics.load(this.#missing, page) !== 0;
  }
  /** `count` pages from `first` on are still at the source. The machine is stopped, its TLBs are dropped before it runs. */
  expect(first: number, count: number): void {
    this.#missing.fill(1, first, first + count);
  }

  /** Blocks until the page is there. Thread: the vCPU's. */
  wait(vcpu: number, page: number, nowNs: number): void {
    const block = this.#blocks[vcpu] as number;
    const word = (block + VCPU.faultPage) >>> 2;
    this.#times.setFloat64(block + VCPU.faultSince, nowNs, true);
    Atomics.store(this.#words, word, page + 1);
    Atomics.add(this.#words, CONTROL.pageFaults, 1);
    Atomics.notify(this.#words, CONTROL.pageFaults);
    while (this.isMissing(page)) Atomics.wait(this.#words, word, page + 1);
    Atomics.store(this.#words, word, 0);
  }

  /** Who waits now. Thread: migration, which waits on `CONTROL.pageFaults` for more. */
  waiting(): readonly PageFault[] {
    const faults: PageFault[] = [];
    this.#blocks.forEach((block, vcpu) => {
      const page = Atomics.load(this.#words, (block + VCPU.faultPage) >>> 2) - 1;
      if (page >= 0) faults.push({ vcpu, page, sinceNs: this.#times.getFloat64(block + VCPU.faultSince, true) });
    });
    return faults;
  }

  /** The page is in place: whoever waits for it goes on. Returns them. Thread: migration. */
  placed(page: number): readonly PageFault[] {
    Atomics.store(this.#missing, page, 0);
    const served = this.waiting().filter((fault) => fault.page === page);
    for (const { vcpu } of served) {
      const word = ((this.#blocks[vcpu] as number) + VCPU.faultPage) >>> 2;
      if (Atomics.compareExchange(this.#words, word, page + 1, 0) === page + 1) Atomics.notify(this.#words, word);
    }
    return served;
  }
}
