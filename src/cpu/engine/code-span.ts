/**
 * The code that a region is made of: a code page and, where the hot code was found, the one that follows it in the
 * guest's address space. Offsets count from the start of the first.
 */
import type { CodePages } from "#cpu/engine/code-pages.ts";
import { PAGE_BYTES } from "#cpu/vcpu/layout.ts";

/** A code page as it was: its version says whether it still is. */
export type PageVersion = { readonly page: number; readonly version: number };

/** No farther into the next page: what is worth its translation across the boundary is short. */
const REACH_BYTES = 512;

export class CodeSpan {
  readonly page: number;
  readonly next: PageVersion | undefined;
  readonly #pages: CodePages;
  readonly #crosses: boolean;

  constructor(pages: CodePages, page: number, next: PageVersion | undefined) {
    this.#pages = pages;
    this.page = page;
    this.next = next;
    this.#crosses = pages.crossesPage(page);
  }

  firstPage(): CodeSpan {
    return new CodeSpan(this.#pages, this.page, undefined);
  }

  /** Whether the instruction at `offset` has been decoded (which means that it ran) and lies in the span as a whole. */
  canStart(offset: number): boolean {
    if (offset < 0) return false;
    if (offset < PAGE_BYTES) {
      if (!this.#pages.isDecoded(this.page, offset)) return false;
      return this.next !== undefined || !this.isBeyond(offset);
    }
    if (this.next === undefined) return false;
    const { page } = this.next;
    const inNext = offset - PAGE_BYTES;
    return inNext < REACH_BYTES && this.#pages.isDecoded(page, inNext);
  }

  /** Whether the instruction at `offset` lies in the next page, if only in part. */
  isBeyond(offset: number): boolean {
    return offset >= PAGE_BYTES || (offset === PAGE_BYTES - 2 && this.#crosses);
  }

  /** The word of the instruction at `offset`; a 2-byte instruction alone. */
  wordAt(offset: number): number {
    if (!this.isBeyond(offset)) return this.#pages.wordAt(this.page, offset);
    const { page } = this.next as PageVersion;
    if (offset >= PAGE_BYTES) return this.#pages.wordAt(page, offset - PAGE_BYTES);
    return this.#pages.halfAt(this.page, offset) | (this.#pages.halfAt(page, 0) << 16);
  }

  /** Offsets that computed jumps (no calls, no returns) have come to, ascending. */
  jumpTargets(): number[] {
    const targets = this.#pages.jumpTargets(this.page);
    if (this.next === undefined) return targets;
    return [...targets, ...this.#pages.jumpTargets(this.next.page).map((offset) => PAGE_BYTES + offset)];
  }
}
