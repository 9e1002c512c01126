/** The pages of a snapshot's file as a source of missing pages. */
import { eachRun, type PageRuns, SNAPSHOT_PAGE_BYTES } from "#control/snapshot/snapshot-format.ts";
import type { PageSource } from "#machine/page-server.ts";

/** Pages read at once: with one that somebody waits for, of the recent ones, and of the others. */
const FETCH_PAGES = 16;
const RECENT_PAGES = 16;
const NEXT_PAGES = 64;

export type SnapshotPagesOptions = {
  readonly memory: ArrayBufferLike;
  /** Where page 0 lies in the memory. */
  readonly ramStart: number;
  /** Where the pages begin in the file, which they are, and how many of the first are wanted soon. */
  readonly offset: number;
  readonly runs: PageRuns;
  readonly recentPages: number;
  /** Whether a page is still wanted: one that is not may be in use already. */
  readonly isMissing: (page: number) => boolean;
  /** Throws when the file has not that much. */
  readonly read: (offset: number, into: Uint8Array) => void;
};

/** A run, and its place among the file's pages. */
type Run = { readonly first: number; readonly count: number; readonly slot: number };

export class SnapshotPages implements PageSource {
  readonly #options: SnapshotPagesOptions;
  readonly #inFile: readonly Run[];
  readonly #inMemory: readonly Run[];
  readonly #piece = new Uint8Array(NEXT_PAGES * SNAPSHOT_PAGE_BYTES);
  /** Where `next` goes on: a run of the file, and a page of it. */
  #run = 0;
  #page = 0;

  constructor(options: SnapshotPagesOptions) {
    this.#options = options;
    const inFile: Run[] = [];
    let slot = 0;
    for (const { first, count } of eachRun(options.runs)) {
      inFile.push({ first, count, slot });
      slot += count;
    }
    this.#inFile = inFile;
    this.#inMemory = inFile.toSorted((a, b) => a.first - b.first);
  }

  get isPressing(): boolean {
    const slot = this.#inFile[this.#run]?.slot;
    return slot !== undefined && slot + this.#page < this.#options.recentPages;
  }

  fetch(page: number): number[] {
    const run = this.#runOf(page);
    if (!run) throw new RangeError(`the snapshot has no page ${page}, which is missing`);
    const most = Math.min(run.count - (page - run.first), FETCH_PAGES);
    let count = 1;
    while (count < most && this.#options.isMissing(page + count)) count += 1;
    this.#read(run.slot + page - run.first, this.#bytesOf(page, count));
    return Array.from({ length: count }, (_, index) => page + index);
  }

  next(): number[] | undefined {
    const slot = (this.#inFile[this.#run]?.slot ?? 0) + this.#page;
    const pages = this.#nextPages();
    if (pages.length === 0) return undefined;
    const { isMissing } = this.#options;
    const first = pages[0] as number;
    if (pages.every((page, index) => page === first + index && isMissing(page))) {
      this.#read(slot, this.#bytesOf(first, pages.length));
      return pages;
    }
    if (!pages.some(isMissing)) return [];
    const piece = this.#piece.subarray(0, pages.length * SNAPSHOT_PAGE_BYTES);
    this.#read(slot, piece);
    return pages.filter((page, index) => {
      if (!isMissing(page)) return false;
      const at = index * SNAPSHOT_PAGE_BYTES;
      this.#bytesOf(page, 1).set(piece.subarray(at, at + SNAPSHOT_PAGE_BYTES));
      return true;
    });
  }

  /** Pages that follow each other in the file; in memory, too, but for the recent ones, whose runs are short. */
  #nextPages(): number[] {
    const pages: number[] = [];
    const { isPressing } = this;
    const most = isPressing ? RECENT_PAGES : NEXT_PAGES;
    while (pages.length < most) {
      const run = this.#inFile[this.#run];
      if (!run) break;
      pages.push(run.first + this.#page);
      this.#page += 1;
      if (this.#page < run.count) continue;
      this.#run += 1;
      this.#page = 0;
      if (!isPressing) break;
    }
    return pages;
  }

  /** The last run that begins at `page` or before, if `page` is in it. */
  #runOf(page: number): Run | undefined {
    let [low, high] = [0, this.#inMemory.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#inMemory[middle] as Run).first <= page) low = middle + 1;
      else high = middle;
    }
    const run = this.#inMemory[low - 1];
    return run && page < run.first + run.count ? run : undefined;
  }

  #bytesOf(page: number, count: number): Uint8Array {
    const { memory, ramStart } = this.#options;
    return new Uint8Array(memory, ramStart + page * SNAPSHOT_PAGE_BYTES, count * SNAPSHOT_PAGE_BYTES);
  }
  #read(slot: number, into: Uint8Array): void {
    this.#options.read(this.#options.offset + slot * SNAPSHOT_PAGE_BYTES, into);
  }
}
