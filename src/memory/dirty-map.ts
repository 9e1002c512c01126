/**
 * Which pages of the RAM blocks may have been written: a byte a page in shared memory, 1 for dirty.
 *
 *   writer: 1 -> store;   migration: 0 -> flush of all TLBs -> copy of the page
 *
 * From the start of the machine to the first look a 0 says that the page has never been written: RAM is zero there. After a
 * migration all bytes are 1.
 * Thread: any marks; one migration clears.
 */

const PAGE_BYTES = 4096;
const PAGE_BIT = 12;

/** Where the map and the blocks lie in the memory. */
export type DirtyMapPlace = {
  readonly dirtyMap: number;
  readonly ramStart: number;
  readonly totalBytes: number;
};

export class DirtyMap {
  readonly #bytes: Uint8Array;
  readonly #ramStart: number;

  constructor(memory: ArrayBufferLike, place: DirtyMapPlace) {
    this.#bytes = new Uint8Array(memory, place.dirtyMap, (place.totalBytes - place.ramStart) / PAGE_BYTES);
    this.#ramStart = place.ramStart;
  }

  /** Pages that it covers. */
  get pages(): number {
    return this.#bytes.length;
  }
  /** The page at `host`, as an index. */
  pageOf(host: number): number {
    return (host - this.#ramStart) >>> PAGE_BIT;
  }

  /** Marks every page that the bytes from host address `host` on touch. */
  mark(host: number, lengthBytes: number): void {
    if (lengthBytes === 0) return;
    this.#bytes.fill(1, this.pageOf(host), this.pageOf(host + lengthBytes - 1) + 1);
  }
  markAll(): void {
    this.#bytes.fill(1);
  }

  /**
   * Moves what is marked of `count` pages from `first` on into `into`, by page; returns how many were new there. What is
   * marked is cleared in `untouched`.
   */
  collect(first: number, count: number, into: Uint8Array, untouched?: Uint8Array): number {
    let added = 0;
    for (let page = first; page < first + count; page++) {
      if (this.#bytes[page] === 0) continue;
      this.#bytes[page] = 0;
      if (untouched) untouched[page] = 0;
      if (into[page] !== 0) continue;
      into[page] = 1;
      added += 1;
    }
    return added;
  }
}
