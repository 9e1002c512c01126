/**
 * The source's side of the section "ram": which pages are still to be sent, and sending them.
 *
 *   dirty map -> collect -> flush of all TLBs -> pages to send -> records
 */
import { MigrationError } from "#control/migration/migration-error.ts";
import type { StreamWriter } from "#control/migration/stream-writer.ts";
import { PAGE_BYTES, RamFlag } from "#control/migration/wire.ts";
import type { RamBlock } from "#cpu/vcpu/layout.ts";
import type { MigrationMemory } from "#machine/migration-memory.ts";

const RECORD_BYTES = 8 + 256 + PAGE_BYTES;
/** The end of a section: EOS and the footer. */
const TAIL_BYTES = 16;

/** Which pages are still to be sent and what was, for each thread that sends some. */
export type RamState = {
  /** By page of the dirty map: 1 when it is to be sent. Who sends a page has taken the 1 away, atomically. */
  readonly pending: SharedArrayBuffer;
  /** By page, 1: has been zero ever since the machine was made. */
  readonly untouched: SharedArrayBuffer;
  /** i32 words by `COUNT`. */
  readonly counts: SharedArrayBuffer;
};
const COUNT = { remaining: 0, normal: 1, duplicate: 2, requests: 3 } as const;

type SavedBlock = RamBlock & {
  readonly nameBytes: Uint8Array;
  readonly bytes: Uint8Array;
  readonly firstPage: number;
  readonly pages: number;
};

export class RamSaver {
  readonly #machine: MigrationMemory;
  readonly #blocks: readonly SavedBlock[];
  /** To be shared with another object over the same machine. */
  readonly state: RamState;
  readonly #pending: Uint8Array;
  readonly #untouched: Uint8Array;
  readonly #counts: Int32Array;
  #looks = 0;
  #block = 0;
  #page = 0;

  constructor(machine: MigrationMemory, state = emptyState(machine.dirty.pages)) {
    this.#machine = machine;
    this.state = state;
    this.#pending = new Uint8Array(state.pending);
    this.#untouched = new Uint8Array(state.untouched);
    this.#counts = new Int32Array(state.counts);
    this.#blocks = machine.blocks.map((block) => ({
      ...block,
      nameBytes: Uint8Array.from(block.name, (c) => c.charCodeAt(0)),
      bytes: new Uint8Array(machine.memory, block.host, block.sizeBytes),
      firstPage: machine.dirty.pageOf(block.host),
      pages: Math.ceil(block.sizeBytes / PAGE_BYTES),
    }));
  }

  /** Pages to send. */
  get remaining(): number {
    return Atomics.load(this.#counts, COUNT.remaining);
  }
  get normal(): number {
    return Atomics.load(this.#counts, COUNT.normal);
  }
  get duplicate(): number {
    return Atomics.load(this.#counts, COUNT.duplicate);
  }
  /** How often the destination wanted pages. */
  get requests(): number {
    return Atomics.load(this.#counts, COUNT.requests);
  }
  countRequest(): void {
    Atomics.add(this.#counts, COUNT.requests, 1);
  }

  get totalBytes(): number {
    return this.#blocks.reduce((sum, block) => sum + block.sizeBytes, 0);
  }

  /** Adds what was written since the last call, all pages in the first; returns how many pages were added. */
  async sync(): Promise<number> {
    let added = 0;
    for (const { firstPage, pages } of this.#blocks) {
      added += this.#machine.dirty.collect(firstPage, pages, this.#pending, this.#untouched);
    }
    if (this.#looks++ === 0) added += this.#addUntouched();
    Atomics.add(this.#counts, COUNT.remaining, added);
    await this.#machine.dirtyMapCleared();
    return added;
  }

  #addUntouched(): number {
    let added = 0;
    for (const { firstPage, pages } of this.#blocks) {
      for (let page = firstPage; page < firstPage + pages; page++) {
        if (this.#pending[page] === 1) continue;
        this.#untouched[page] = 1;
        this.#pending[page] = 1;
        added += 1;
      }
    }
    return added;
  }

  /** The body of START. */
  writeList(out: StreamWriter): void {
    out.u64(this.totalBytes + RamFlag.MemSize);
    for (const block of this.#blocks) {
      out.shortString(block.name);
      out.u64(block.sizeBytes);
    }
    out.u64(RamFlag.Eos);
  }

  /**
   * Writes pages until `out` has no more room, `mostPages` were looked at, `mostBytes` were written (a page more at most),
   * or none is left. The first record of a call names its block.
   */
  writePages(out: StreamWriter, mostPages: number, mostBytes = Infinity): void {
    let named: SavedBlock | undefined;
    const leastRoom = Math.max(RECORD_BYTES + TAIL_BYTES, out.room - mostBytes);
    for (let looked = 0; this.remaining > 0 && looked < mostPages && out.room >= leastRoom; ) {
      const block = this.#blocks[this.#block] as SavedBlock;
      const page = this.#next(block);
      if (page === undefined) continue;
      looked += 1;
      if (!this.#claim(block, page)) continue;
      this.#writePage(out, block, page, named === block);
      named = block;
    }
  }

  /** Where `block` has pages to send: byte offsets and lengths. */
  *pendingRanges(block: {
    readonly name: string;
  }): Generator<{ readonly start: number; readonly lengthBytes: number }> {
    const own = this.#blocks.find(({ name }) => name === block.name);
    if (!own) return;
    const pending = this.#pending.subarray(own.firstPage, own.firstPage + own.pages);
    for (let start = pending.indexOf(1); start >= 0; ) {
      const next = pending.indexOf(0, start);
      const end = next < 0 ? own.pages : next;
      const lengthBytes = Math.min(end * PAGE_BYTES, own.sizeBytes) - start * PAGE_BYTES;
      yield { start: start * PAGE_BYTES, lengthBytes };
      start = next < 0 ? -1 : pending.indexOf(1, end);
    }
  }

  /** Which pages are to be sent now, for {@link sendAgain}. */
  pendingPages(): Uint8Array {
    return this.#pending.slice();
  }
  /** Those pages are to be sent, whatever was sent since. */
  sendAgain(pending: Uint8Array): void {
    this.#pending.set(pending);
    this.#count();
  }
  /** The destination has exactly these pages of a block: bit 0 of byte 0 is the first, words of 8 bytes. Throws `MigrationError`. */
  sendAllBut(name: string, received: Uint8Array): void {
    const block = this.#blocks.find((one) => one.name === name);
    if (!block || received.length !== 8 * Math.ceil(block.pages / 64)) {
      throw new MigrationError(`the destination's map of the RAM block '${name}' has ${received.length} bytes`);
    }
    for (let page = 0; page < block.pages; page++) {
      this.#pending[block.firstPage + page] = ((received[page >>> 3] as number) >>> (page & 7)) & 1 ? 0 : 1;
    }
    this.#count();
  }
  #count(): void {
    const remaining = this.#blocks.reduce((sum, { firstPage, pages }) => {
      for (let page = firstPage; page < firstPage + pages; page++) sum += this.#pending[page] as number;
      return sum;
    }, 0);
    Atomics.store(this.#counts, COUNT.remaining, remaining);
  }

  /**
   * Writes those of the wanted pages that are still to be sent; `out` has room for them. False when there is no such
   * block, or the range is not in it.
   */
  writeWanted(out: StreamWriter, name: string, start: number, lengthBytes: number): boolean {
    const block = this.#blocks.find((one) => one.name === name);
    if (!block || start % PAGE_BYTES !== 0 || lengthBytes % PAGE_BYTES !== 0) return false;
    if (start + lengthBytes > block.sizeBytes) return false;
    const first = start / PAGE_BYTES;
    for (let page = first; page < first + lengthBytes / PAGE_BYTES; page++) {
      // It may have been asked for by several vCPUs, or be on its way.
      if (this.#claim(block, page)) this.#writePage(out, block, page, false);
    }
    return true;
  }

  /** The page is the caller's to send; false: it was sent, or another thread does. */
  #claim({ firstPage }: SavedBlock, page: number): boolean {
    if (Atomics.exchange(this.#pending, firstPage + page, 0) === 0) return false;
    Atomics.sub(this.#counts, COUNT.remaining, 1);
    return true;
  }

  /** The next page of `block` that is to be sent, or undefined after the step to the next block. */
  #next(block: SavedBlock): number | undefined {
    const from = block.firstPage + this.#page;
    // Most often it is the next one.
    const at = this.#pending[from] === 1 ? from : this.#pending.indexOf(1, from);
    if (at >= 0 && at < block.firstPage + block.pages) {
      this.#page = at - block.firstPage + 1;
      return at - block.firstPage;
    }
    this.#block = (this.#block + 1) % this.#blocks.length;
    this.#page = 0;
    return undefined;
  }

  #writePage(out: StreamWriter, block: SavedBlock, page: number, isNamed: boolean): void {
    const isUntouched = this.#untouched[block.firstPage + page] === 1;
    const zero = isUntouched || this.#machine.isZero(block.host + page * PAGE_BYTES, PAGE_BYTES);
    const flags = (zero ? RamFlag.Zero : RamFlag.Page) | (isNamed ? RamFlag.Continue : 0);
    out.u64(page * PAGE_BYTES + flags);
    if (!isNamed) {
      out.u8(block.nameBytes.length);
      out.bytes(block.nameBytes);
    }
    if (zero) {
      out.u8(0);
      Atomics.add(this.#counts, COUNT.duplicate, 1);
    } else {
      out.bytes(block.bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES));
      Atomics.add(this.#counts, COUNT.normal, 1);
    }
  }
}

function emptyState(pages: number): RamState {
  const bytes = (length: number): SharedArrayBuffer => new SharedArrayBuffer(length);
  return { pending: bytes(pages), untouched: bytes(pages), counts: bytes(4 * Object.keys(COUNT).length) };
}
