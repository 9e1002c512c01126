/** The thread that brings a snapshot's pages in while the machine runs. */
import type { MemoryLayout } from "#cpu/vcpu/layout.ts";

/** What it works on; it can be sent to a thread. */
export type PageWork = {
  readonly memory: ArrayBufferLike;
  readonly layout: MemoryLayout;
  readonly descriptor: number;
  /** Where in the file the pages begin, and their indices in the missing map in the file's order. */
  readonly offset: number;
  readonly pages: Uint32Array;
};
export type PageThread = {
  /** Resolves when all pages are in place. Rejects when a page cannot be read: the machine cannot go on. */
  serve(work: PageWork): Promise<void>;
};
