/**
 * Brings the missing pages of a machine in while it runs: those first that somebody waits for, the others between them.
 *
 *   fault -> source.fetch(page) -> placed -> who waited goes on;   no fault -> source.next() -> placed
 *
 * Thread: one of its own, which blocks; it is the only one that places.
 */
import { CONTROL } from "#cpu/vcpu/layout.ts";
import type { PageFaults } from "#machine/page-faults.ts";

/** Where pages come from. Both calls put pages into memory that are still missing, and throw when they cannot. */
export type PageSource = {
  /** Brings `page`, and others if that costs little more; returns the pages that have come. */
  fetch(page: number): Iterable<number>;
  /** Brings some more in the order that suits the source; undefined when it has no more. */
  next(): Iterable<number> | undefined;
  /** The machine will soon want what comes next. */
  readonly isPressing: boolean;
};

/** How long the server leaves the processor to the vCPUs between two pieces, unless somebody waits. */
const PAUSE_MS = 1;

/** Returns when all pages of `source` are in place. Throws the source's error: who waits for a page waits for ever then. */
export function servePages(memory: ArrayBufferLike, faults: PageFaults, source: PageSource): void {
  const words = new Int32Array(memory);
  const place = (pages: Iterable<number>): void => {
    for (const page of pages) faults.placed(page);
  };
  for (;;) {
    const seen = Atomics.load(words, CONTROL.pageFaults);
    for (let fault = faults.take(); fault; fault = faults.take()) place(source.fetch(fault.page));
    const pages = source.next();
    if (!pages) return;
    place(pages);
    if (!source.isPressing && Atomics.load(words, CONTROL.running) === 1)
      Atomics.wait(words, CONTROL.pageFaults, seen, PAUSE_MS);
  }
}
