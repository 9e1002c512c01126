/** The pages of a snapshot's file as a source of missing pages: each is read straight to where it belongs. */
import { SNAPSHOT_PAGE_BYTES } from "#control/snapshot/snapshot-format.ts";
import type { PageSource } from "#machine/page-server.ts";

/** Pages read at once: around one that somebody waits for, and otherwise. */
const FETCH_PAGES = 16;
const NEXT_PAGES = 64;

export type SnapshotPagesOptions = {
  readonly memory: ArrayBufferLike;
  /** Where page 0 lies in the memory. */
  readonly ramStart: number;
  /** Where the pages begin in the file, and which they are. */
  readonly offset: number;
  readonly pages: Uint32Array;
  /** Whether a page is still wanted: one that is not may be in use already. */
  readonly isMissing: (page: number) => boolean;
  /** Throws when the file has not that much. */
  readonly read: (offset: number, into: Uint8Array) => void;
};

export class SnapshotPages implements PageSource {
  readonly #options: SnapshotPagesOptions;
  /** By page: its place in the file plus 1. */
  readonly #slots: Uint32Array;
  #next = 0;

  constructor(options: SnapshotPagesOptions) {
    this.#options = options;
    this.#slots = new Uint32Array(options.pages.reduce((most, page) => Math.max(most, page), 0) + 1);
    options.pages.forEach((page, slot) => {
      this.#slots[page] = slot + 1;
    });
  }

  fetch(page: number): Iterable<number> {
    const slot = (this.#slots[page] ?? 0) - 1;
    if (slot < 0) throw new RangeError(`the snapshot has no page ${page}, which is missing`);
    return this.#read(slot, FETCH_PAGES);
  }

  next(): Iterable<number> | undefined {
    const { pages, isMissing } = this.#options;
    while (this.#next < pages.length && !isMissing(pages[this.#next] as number)) this.#next += 1;
    if (this.#next === pages.length) return undefined;
    return this.#read(this.#next, NEXT_PAGES);
  }

  /** Reads the page in `slot` and those that follow it both in the file and in memory, `most` in all. */
  #read(slot: number, most: number): number[] {
    const { memory, ramStart, offset, pages, isMissing, read } = this.#options;
    const first = pages[slot] as number;
    const come = [first];
    while (come.length < most) {
      const page = first + come.length;
      if (pages[slot + come.length] !== page || !isMissing(page)) break;
      come.push(page);
    }
    const host = ramStart + first * SNAPSHOT_PAGE_BYTES;
    read(offset + slot * SNAPSHOT_PAGE_BYTES, new Uint8Array(memory, host, come.length * SNAPSHOT_PAGE_BYTES));
    return come;
  }
}
