/** The thread that brings a snapshot's pages in while the machine runs. */
import type { PageRuns } from "#control/snapshot/snapshot-format.ts";
import type { MemoryLayout } from "#cpu/vcpu/layout.ts";

/** What it works on; it can be sent to a thread. */
export type PageWork = {
  readonly memory: ArrayBufferLike;
  readonly layout: MemoryLayout;
  readonly descriptor: number;
  /** Where in the file the pages begin, which they are in the missing map, and how many of the first are wanted soon. */
  readonly offset: number;
  readonly runs: PageRuns;
  readonly recentPages: number;
};
export type PageThread = {
  /** Resolves when all pages are in place. Rejects when a page cannot be read: the machine cannot go on. */
  serve(work: PageWork): Promise<void>;
};
