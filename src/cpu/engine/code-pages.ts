/**
 * Code pages: the predecoded image of guest pages, one pool a vCPU.
 *
 * A page is looked at again whenever it enters the fetch TLB: if its bytes are not those that were decoded, it is
 * decoded anew. So self-modifying code is right after fence.i, sfence.vma or a change of address space, with no cost
 * to stores (`docs/decisions/`).
 *
 * Thread: the vCPU's own.
 */
import { CROSSING_RECORD, HANDLER, type HandlerTable, Variant } from "#cpu/engine/interpreter.ts";
import { Kind, RecordTemplates } from "#cpu/engine/record-templates.ts";
import type { Isa } from "#cpu/isa/isa.ts";
import {
  CODE_PAGE,
  FETCH_TLB,
  JUMP_GENERATION_STEP,
  JUMP_TARGET,
  type MemoryLayout,
  MMU_MODES,
  PAGE_BYTES,
  Record,
  RECORD_BYTES,
  VCPU,
  VCPU_FETCH_TLBS,
} from "#cpu/vcpu/layout.ts";

/** A block is decoded this far at most before it is run. */
const MAX_BLOCK = 256;
const PAGE_END_RECORDS = [2048, CROSSING_RECORD + 2];

export class CodePages {
  readonly #isa: Isa;
  readonly #bytes: Uint8Array;
  readonly #halves: Uint16Array;
  readonly #words: Int32Array;
  readonly #view: DataView;
  readonly #jumpGeneration: number;
  readonly #first: number;
  readonly #codeIndex: number;
  readonly #ramStart: number;
  readonly #fetchTlbs: number;
  readonly #pageCount: number;
  readonly #templates: RecordTemplates;
  /** Told of every region slot that no longer stands in a code page. */
  onSlotFreed: (slot: number) => void = () => {};
  /** Told of every code page that is made. */
  onCreated: (page: number) => void = () => {};
  /** Next page of the pool to hand out; it is taken from whoever has it. */
  #nextPage = 0;
  /** Told of every instruction that is decoded, for a log. */
  onDecode: ((word: number) => void) | undefined;

  constructor(isa: Isa, handlers: HandlerTable, memory: ArrayBufferLike, layout: MemoryLayout, cpu: number) {
    this.#isa = isa;
    this.#bytes = new Uint8Array(memory);
    this.#halves = new Uint16Array(memory);
    this.#words = new Int32Array(memory);
    this.#view = new DataView(memory);
    this.#jumpGeneration = cpu + VCPU.jumpGeneration;
    this.#first = cpu + layout.codePages;
    this.#codeIndex = cpu + layout.codeIndex;
    this.#ramStart = layout.ramStart;
    this.#fetchTlbs = cpu + VCPU_FETCH_TLBS;
    this.#pageCount = layout.codePageCount;
    this.#templates = new RecordTemplates(isa, handlers);
  }

  /** Makes a code page for the guest page at `host`. */
  create(host: number): number {
    const page = this.#first + this.#nextPage * CODE_PAGE.bytes;
    this.#nextPage = (this.#nextPage + 1) % this.#pageCount;
    const previous = this.hostOf(page);
    if (previous !== 0) {
      this.#setIndex(previous, 0);
      this.#forget(page);
      this.#clear(page);
    }
    this.#setIndex(host, page);
    this.#words[(page + CODE_PAGE.host) >>> 2] = host | 0;
    this.#begin(page, host);
    this.onCreated(page);
    return page;
  }

  /** Takes the page out of the fetch TLBs: what they map is no longer what it holds. */
  #forget(page: number): void {
    for (let entry = 0; entry < MMU_MODES * FETCH_TLB.entries; entry++) {
      const at = (this.#fetchTlbs + entry * FETCH_TLB.entryBytes) >>> 2;
      if (this.#words[at + (FETCH_TLB.page >>> 2)] !== (page | 0)) continue;
      this.#words[at] = -1;
      this.#words[at + 1] = -1;
    }
  }

  /** The guest page's bytes are not those that were decoded: start over. */
  changed(page: number): void {
    this.#clear(page);
    this.#begin(page, this.hostOf(page));
  }

  /** Host address of the guest page, 0 for a free code page. */
  hostOf(page: number): number {
    return (this.#words[(page + CODE_PAGE.host) >>> 2] as number) >>> 0;
  }
  /** The code page of the guest page at `host`; 0 for none. */
  pageAt(host: number): number {
    return (this.#words[(this.#codeIndex >>> 2) + (host - this.#ramStart) / PAGE_BYTES] as number) >>> 0;
  }
  /** The bytes of the guest page as they were when it was decoded; shared memory. */
  content(page: number): Uint8Array {
    return this.#bytes.subarray(page + CODE_PAGE.copy, page + CODE_PAGE.copy + PAGE_BYTES);
  }
  holds(page: number, content: Uint8Array): boolean {
    const copy = page + CODE_PAGE.copy;
    for (let i = 0; i < PAGE_BYTES; i++) if (this.#bytes[copy + i] !== content[i]) return false;
    return true;
  }
  #setIndex(host: number, page: number): void {
    const hostPage = (host - this.#ramStart) / PAGE_BYTES;
    this.#words[(this.#codeIndex >>> 2) + hostPage] = page | 0;
  }

  #clear(page: number): void {
    this.#freeSlots(page);
    this.#bytes.fill(0, page, page + CODE_PAGE.copy);
  }

  /** Starts over with the bytes of the guest page at `host`. */
  #begin(page: number, host: number): void {
    this.#bytes.copyWithin(page + CODE_PAGE.copy, host, host + PAGE_BYTES);
    for (const record of PAGE_END_RECORDS) this.#halves[(page + record * RECORD_BYTES) >>> 1] = HANDLER.PageEnd;
    const version = (page + CODE_PAGE.version) >>> 2;
    this.#words[version] = (this.#words[version] as number) + 1;
  }

  /** Byte offsets that computed jumps (no calls, no returns) have come to, ascending. */
  jumpTargets(page: number): number[] {
    const targets: number[] = [];
    for (let offset = 0; offset < PAGE_BYTES; offset += 2) {
      const count = this.#halves[(page + offset * 8 + Record.count) >>> 1] as number;
      if (count & JUMP_TARGET && this.isDecoded(page, offset)) targets.push(offset);
    }
    return targets;
  }

  /** Slot of the region that starts at a byte offset; 0 for none. */
  slotAt(page: number, offset: number): number {
    return this.#halves[(page + CODE_PAGE.slots + offset) >>> 1] as number;
  }
  setSlot(page: number, offset: number, slot: number): void {
    this.#halves[(page + CODE_PAGE.slots + offset) >>> 1] = slot;
  }
  /** Frees every slot of every page. */
  dropSlots(): void {
    for (let i = 0; i < this.#pageCount; i++) this.#freeSlots(this.#first + i * CODE_PAGE.bytes);
  }
  #freeSlots(page: number): void {
    this.#newJumpGeneration();
    const first = (page + CODE_PAGE.slots) >>> 1;
    for (let at = first; at < first + PAGE_BYTES / 2; at++) {
      const slot = this.#halves[at] as number;
      if (slot === 0) continue;
      this.#halves[at] = 0;
      this.onSlotFreed(slot);
    }
  }

  /** The jump cache may name slots that are free. */
  #newJumpGeneration(): void {
    const generation = this.#view.getBigUint64(this.#jumpGeneration, true);
    this.#view.setBigUint64(this.#jumpGeneration, generation + BigInt(JUMP_GENERATION_STEP), true);
  }

  /** Version of the decoded image; crossing records remember its low half. */
  version(page: number): number {
    return this.#words[(page + CODE_PAGE.version) >>> 2] as number;
  }

  halfAt(page: number, offset: number): number {
    return this.#halves[(page + CODE_PAGE.copy + offset) >>> 1] as number;
  }

  /** The word at a byte offset of the page, whole in the page; a 2-byte instruction alone. */
  wordAt(page: number, offset: number): number {
    const low = this.halfAt(page, offset);
    return this.#isa.lengthOf(low) === 2 ? low : low | (this.halfAt(page, offset + 2) << 16);
  }

  /** Byte offsets in the page that the instruction at `offset` may go to, but for itself and computed ones. */
  successors(page: number, offset: number): number[] {
    const template = this.#templates.of(this.wordAt(page, offset));
    const kind = this.#templates.kinds[template] as number;
    const offsets = [offset + (kind & Kind.LengthBytes)];
    if ((kind & Kind.HasTarget) !== 0) offsets.push(offset + (this.#templates.immediates[template] as number));
    return offsets.filter((to) => to !== offset && to >= 0 && to < PAGE_BYTES);
  }

  /** True when an instruction starts in the page's last halfword and ends in the next page. */
  crossesPage(page: number): boolean {
    return this.#isa.lengthOf(this.halfAt(page, PAGE_BYTES - 2)) === 4;
  }

  /** True when the record at a byte offset has been decoded, which means that it ran. */
  isDecoded(page: number, offset: number): boolean {
    return this.#halves[(page + offset * 8) >>> 1] !== HANDLER.Undecoded;
  }

  /**
   * Decodes from `offset` to the end of the basic block. Returns false when the instruction there crosses into the
   * next page: then `crossing` must be given that page.
   */
  decodeBlock(page: number, offset: number): boolean {
    for (let at = offset, n = 0; at < PAGE_BYTES && n < MAX_BLOCK; n++) {
      const low = this.halfAt(page, at);
      if (at === PAGE_BYTES - 2 && this.#isa.lengthOf(low) === 4) return at !== offset;
      if (this.isDecoded(page, at)) return true;
      const word = this.wordAt(page, at);
      this.onDecode?.(word);
      const template = this.#templates.of(word);
      this.#write(page + at * 8, template, at);
      const { kinds } = this.#templates;
      if (((kinds[template] as number) & Kind.EndsBlock) !== 0) return true;
      at += (kinds[template] as number) & Kind.LengthBytes;
    }
    return true;
  }

  /** Decodes the instruction that starts in the last halfword of `page` and ends in `next`. */
  crossing(page: number, next: number): void {
    const low = this.halfAt(page, PAGE_BYTES - 2);
    const high = this.halfAt(next, 0);
    this.onDecode?.(low | (high << 16));
    const template = this.#templates.of(low | (high << 16));
    // Far variants only: the record is not where its instruction is.
    this.#write(page + CROSSING_RECORD * RECORD_BYTES, template, -1);
    const record = page + 2047 * RECORD_BYTES;
    this.#words[(record + Record.imm) >>> 2] = next | 0;
    this.#halves[(record + Record.rd) >>> 1] = this.version(next);
    this.#halves[(record + Record.handler) >>> 1] = HANDLER.Crossing;
  }

  /** Writes the record at address `record`; `offset` is its instruction's offset in the page, -1 for none. */
  #write(record: number, template: number, offset: number): void {
    const words = this.#words;
    const at = record >>> 2;
    const kind = this.#templates.kinds[template] as number;
    let operands = this.#templates.operands[template] as number;
    let imm = this.#templates.immediates[template] as number;
    if ((kind & Kind.HasTarget) !== 0) {
      const target = offset + imm;
      if (offset < 0 || target < 0 || target >= PAGE_BYTES) operands += Variant.Far;
      else {
        operands += imm <= 0 || (kind & Kind.Links) !== 0 ? Variant.Counted : Variant.Forward;
        imm *= 8;
      }
    }
    words[at + 1] = this.#templates.sources[template] as number;
    words[at + 2] = imm;
    words[at + 3] = 0;
    words[at] = operands;
  }
}
