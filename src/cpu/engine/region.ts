/**
 * A region: what can be reached from one entry by direct jumps within one guest page, as far as it has run. A loop that
 * goes on in the next page takes that along.
 *
 *   entry -> blocks -> reverse postorder -> dominators -> live and dirty registers
 *
 * Calls fall through to their return sites. Everything that is not in the region is an exit.
 */
import type { CodeSpan } from "#cpu/engine/code-span.ts";
import { findQuietLoops, type QuietLoop } from "#cpu/engine/loop-pages.ts";
import type { RegisterSet, Translated, Translations } from "#cpu/engine/translated.ts";
import { findWords } from "#cpu/engine/words.ts";
import { JumpHint, StmtKind } from "#cpu/ir/ir.ts";

export type Block = {
  /** Byte offset in the span. */
  readonly offset: number;
  readonly instructions: Translated[];
  /** Offset behind the last instruction. */
  end: number;
  /** Blocks that control may go to within the region, calls as if they returned at once. */
  readonly successors: Block[];
  readonly predecessors: Block[];
  /** Position in reverse postorder; -1 before it is known. */
  order: number;
  /** Immediate dominator; the entry is its own. */
  dominator: Block | undefined;
  /** Blocks that this one dominates immediately, in reverse postorder. */
  readonly dominated: Block[];
  isLoopHeader: boolean;
  /** A jump table branches to it. */
  needsLabel: boolean;
  /** It is emitted behind a block of its own that edges branch out of: more than one forward edge comes in. */
  isMerge: boolean;
  /** Registers whose values must be in their locals at the start. */
  readonly live: RegisterSet;
  /** Registers that may be newer in their locals than in memory at the start. */
  readonly dirty: RegisterSet;
  /** Floating point has been found to be on, on every path to the start. */
  floatReady: boolean;
  /** Registers known to hold 32-bit words at the start, and those of them that are kept as i32; see `words.ts`. */
  knownWords: number;
  words: number;
  /** The outermost loop around it in which pages are kept, and registers that may be wild; see `loop-pages.ts`. */
  quietLoop: QuietLoop | undefined;
  wild: number;
};

export type Region = {
  /** Where it lies; `next` only when some of its blocks do. */
  readonly span: CodeSpan;
  readonly takesNext: boolean;
  readonly entry: Block;
  /** In reverse postorder. */
  readonly blocks: readonly Block[];
  readonly byOffset: ReadonlyMap<number, Block>;
  readonly instructionCount: number;
  /** Offsets that the computed jumps in the region may go to, ascending. */
  readonly jumpTargets: readonly number[];
  /** Offsets that are called directly. */
  readonly callees: readonly number[];
};

/** True when the block ends in a call that comes back to the next instruction. */
export const isCall = (last: Translated): boolean =>
  (last.end?.kind === StmtKind.Jump || last.end?.kind === StmtKind.JumpReg) && last.end.op === JumpHint.Call;

/** True when the block ends in a computed jump that is neither call nor return. */
export const isComputedJump = (last: Translated): boolean =>
  last.end?.kind === StmtKind.JumpReg && last.end.op === JumpHint.None;

/** Computed jumps go to no more places than this, and no farther, within a region. */
const MAX_JUMP_TARGETS = 128;
const JUMP_REACH_BYTES = 2048;
/**
 * Code with more computed jumps is an interpreter each of whose instructions ends in one. With their targets each
 * instruction that is come to from another page would be a region of all those in its page.
 */
const MOST_COMPUTED_JUMPS = 4;

/** Instructions of a region in two pages: V8's work on a long one costs a boot more than there is to gain. */
const TWO_PAGES_LIMIT = 100;

/** Finds the region at `entry` (byte offset in the page); undefined when there is nothing to translate there. */
export function findRegion(
  translations: Translations,
  span: CodeSpan,
  entry: number,
  limit: number,
): Region | undefined {
  const region = findIn(translations, span, entry, limit);
  const isTooLong = region?.takesNext && region.instructionCount > TWO_PAGES_LIMIT;
  return isTooLong ? findIn(translations, span.firstPage(), entry, limit) : region;
}

function findIn(translations: Translations, span: CodeSpan, entry: number, limit: number): Region | undefined {
  if (span.isBeyond(entry)) return undefined;
  const found = new Discovery(translations, span, limit);
  found.scan(entry);
  const byOffset = found.blocks();
  const first = byOffset.get(entry);
  if (!first || first.instructions.length === 0) return undefined;
  for (const block of byOffset.values()) {
    for (const target of targetsOf(block, found.jumpTargets)) {
      const successor = byOffset.get(target);
      if (successor && !block.successors.includes(successor)) block.successors.push(successor);
    }
  }
  if (span.next !== undefined) dropUnlooped(byOffset, span);
  const callees: number[] = [];
  let instructionCount = 0;
  for (const block of byOffset.values()) {
    const last = block.instructions.at(-1) as Translated;
    instructionCount += block.instructions.length;
    if (last.end?.kind === StmtKind.Jump && isCall(last)) callees.push(block.end - last.lengthBytes + last.imm);
  }
  const blocks = reversePostorder(first);
  for (const block of blocks) for (const next of block.successors) next.predecessors.push(block);
  for (const target of found.jumpTargets) {
    const block = byOffset.get(target);
    // A jump table needs a label to branch to.
    if (block && block.order >= 0) block.needsLabel = true;
  }
  findDominators(blocks);
  findDirty(blocks);
  findLive(blocks);
  findWords(blocks, keepsLocals);
  findQuietLoops(blocks, isQuiet, dominates);
  const takesNext = blocks.some((block) => span.isBeyond(block.offset));
  return { span, takesNext, entry: first, blocks, byOffset, instructionCount, jumpTargets: found.jumpTargets, callees };
}

/** Offsets that control may go to from the end of a block, calls as if they returned at once. */
function targetsOf(block: Block, jumpTargets: readonly number[]): number[] {
  const last = block.instructions.at(-1) as Translated;
  const at = block.end - last.lengthBytes;
  const targets = [];
  if (last.end?.kind === StmtKind.Branch) targets.push(at + last.imm);
  if (last.end?.kind === StmtKind.Jump && !isCall(last)) targets.push(at + last.imm);
  if (!last.end || last.end.kind === StmtKind.Branch || isCall(last)) targets.push(block.end);
  if (isComputedJump(last)) targets.push(...jumpTargets);
  return targets;
}

/** Drops blocks of the next page that are in no loop with one of the first: the rest is not worth its translation. */
function dropUnlooped(byOffset: Map<number, Block>, span: CodeSpan): void {
  const blocks = [...byOffset.values()];
  const first = blocks.filter(({ offset }) => !span.isBeyond(offset));
  const looped = new Set(first);
  for (const from of first) {
    for (const to of from.successors.filter(({ offset }) => span.isBeyond(offset))) {
      const behind = reachable(to);
      if (behind.has(from)) for (const block of behind) if (reachable(block).has(from)) looped.add(block);
    }
  }
  for (const block of blocks) {
    if (!looped.has(block)) byOffset.delete(block.offset);
    const { successors } = block;
    successors.splice(0, successors.length, ...successors.filter((to) => looped.has(to)));
  }
}

function reachable(from: Block): Set<Block> {
  const found = new Set([from]);
  for (const block of found) for (const next of block.successors) found.add(next);
  return found;
}

class Discovery {
  readonly #translations: Translations;
  readonly #span: CodeSpan;
  readonly #limit: number;
  readonly #instructions = new Map<number, Translated>();
  readonly #leaders = new Set<number>();
  jumpTargets: readonly number[] = [];

  constructor(translations: Translations, span: CodeSpan, limit: number) {
    this.#translations = translations;
    this.#span = span;
    this.#limit = limit;
  }

  scan(entry: number): void {
    if (this.#reach(entry, true)) return;
    this.#instructions.clear();
    this.#leaders.clear();
    this.jumpTargets = [];
    this.#reach(entry, false);
  }

  /** False when targets of computed jumps are to be followed, and there are too many of these jumps. */
  #reach(entry: number, followsComputed: boolean): boolean {
    let computedJumps = 0;
    const work = [entry];
    this.#leaders.add(entry);
    const target = (offset: number): void => {
      if (this.#leaders.has(offset) || !this.#span.canStart(offset)) return;
      this.#leaders.add(offset);
      work.push(offset);
    };
    for (let at = work.shift(); at !== undefined; at = work.shift()) {
      while (this.#instructions.size < this.#limit && this.#span.canStart(at)) {
        if (this.#instructions.has(at)) break;
        const instruction = this.#translations.of(this.#span.wordAt(at));
        this.#instructions.set(at, instruction);
        const next: number = at + instruction.lengthBytes;
        if (instruction.end) {
          const { kind } = instruction.end;
          if (kind === StmtKind.Branch || isCall(instruction)) target(next);
          if (kind === StmtKind.Branch || (kind === StmtKind.Jump && !isCall(instruction)))
            target(at + instruction.imm);
          if (isComputedJump(instruction) && followsComputed) {
            if (++computedJumps > MOST_COMPUTED_JUMPS) return false;
            this.#findJumpTargets(at);
            for (const to of this.jumpTargets) target(to);
          }
          break;
        }
        // A block lies on one side of the boundary.
        if (this.#span.isBeyond(next) && !this.#span.isBeyond(at)) {
          target(next);
          break;
        }
        at = next;
      }
    }
    return true;
  }

  /** All computed jumps of a region share their targets: those that the first of them can reach. */
  #findJumpTargets(from: number): void {
    if (this.jumpTargets.length > 0) return;
    this.jumpTargets = this.#span
      .jumpTargets()
      .filter((offset) => Math.abs(offset - from) <= JUMP_REACH_BYTES && this.#span.canStart(offset))
      .slice(0, MAX_JUMP_TARGETS);
  }

  blocks(): Map<number, Block> {
    const blocks = new Map<number, Block>();
    for (const offset of this.#leaders) {
      const block = newBlock(offset);
      let at = offset;
      for (;;) {
        const instruction = this.#instructions.get(at);
        if (!instruction) break;
        block.instructions.push(instruction);
        at += instruction.lengthBytes;
        if (instruction.end || this.#leaders.has(at)) break;
      }
      block.end = at;
      if (block.instructions.length > 0) blocks.set(offset, block);
    }
    return blocks;
  }
}

function newBlock(offset: number): Block {
  return {
    offset,
    instructions: [],
    end: offset,
    successors: [],
    predecessors: [],
    order: -1,
    dominator: undefined,
    dominated: [],
    isLoopHeader: false,
    needsLabel: false,
    isMerge: false,
    live: { x: 0, f: 0 },
    dirty: { x: 0, f: 0 },
    floatReady: false,
    knownWords: 0,
    words: 0,
    quietLoop: undefined,
    wild: 0,
  };
}

function reversePostorder(entry: Block): Block[] {
  const postorder: Block[] = [];
  const seen = new Set<Block>([entry]);
  const stack: { block: Block; next: number }[] = [{ block: entry, next: 0 }];
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const successor = top.block.successors[top.next++];
    if (!successor) {
      postorder.push(top.block);
      stack.pop();
    } else if (!seen.has(successor)) {
      seen.add(successor);
      stack.push({ block: successor, next: 0 });
    }
  }
  postorder.reverse();
  postorder.forEach((block, i) => {
    block.order = i;
  });
  return postorder;
}

export function dominates(a: Block, b: Block): boolean {
  let at = b;
  while (at.order > a.order) at = at.dominator as Block;
  return at === a;
}

/** Cooper, Harvey and Kennedy, "A simple, fast dominance algorithm"; also marks loop headers and merges. */
function findDominators(blocks: readonly Block[]): void {
  const entry = blocks[0] as Block;
  entry.dominator = entry;
  const meet = (a: Block, b: Block): Block => {
    let [x, y] = [a, b];
    while (x !== y) {
      while (x.order > y.order) x = x.dominator as Block;
      while (y.order > x.order) y = y.dominator as Block;
    }
    return x;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of blocks) {
      if (block === entry) continue;
      let best: Block | undefined;
      for (const p of block.predecessors) if (p.dominator) best = best ? meet(best, p) : p;
      if (best !== block.dominator) {
        block.dominator = best;
        changed = true;
      }
    }
  }
  for (const block of blocks) {
    if (block !== entry) block.dominator?.dominated.push(block);
    const forward = block.predecessors.filter((p) => p.order < block.order).length;
    block.isMerge = forward > 1 || (block.needsLabel && forward > 0);
    block.isLoopHeader = block.predecessors.some((p) => p.order >= block.order && dominates(block, p));
  }
}

/** True for an edge back to a block that does not dominate its source: no loop can be made of it. */
export const isIrreducible = (from: Block, to: Block): boolean => to.order <= from.order && !dominates(to, from);

/** Nothing in the block goes elsewhere and comes back. */
const isQuiet = (block: Block): boolean =>
  !isCall(block.instructions.at(-1) as Translated) && !block.instructions.some((i) => i.resumes);

/** Forward: what may be dirty, and whether floating point is known to be on. */
function findDirty(blocks: readonly Block[]): void {
  const [entry, ...others] = blocks as [Block, ...Block[]];
  for (const block of others) block.floatReady = true;
  entry.floatReady = false;
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of blocks) {
      const out = { ...block.dirty };
      let ready = block.floatReady;
      for (const instruction of block.instructions) {
        if (instruction.resumes) {
          out.x = 0;
          out.f = 0;
          ready = false;
        }
        out.x |= instruction.writes.x;
        out.f |= instruction.writes.f;
        if (instruction.requiresFloat) ready = true;
      }
      if (isCall(block.instructions.at(-1) as Translated)) {
        out.x = 0;
        out.f = 0;
        ready = false;
      }
      for (const next of block.successors) {
        if (isIrreducible(block, next)) continue;
        const { dirty } = next;
        if ((dirty.x | out.x) !== dirty.x || (dirty.f | out.f) !== dirty.f || (next.floatReady && !ready)) {
          dirty.x |= out.x;
          dirty.f |= out.f;
          next.floatReady &&= ready;
          changed = true;
        }
      }
    }
  }
}

/** Blocks that control goes to with the registers in their locals: not what a call returns to. */
const keepsLocals = (block: Block, next: Block): boolean =>
  !isIrreducible(block, next) && !isCall(block.instructions.at(-1) as Translated);

/** Backward: what must be in locals. A dirty register must be, since any exit writes it to memory. */
function findLive(blocks: readonly Block[]): void {
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = blocks.length - 1; i >= 0; i--) {
      const block = blocks[i] as Block;
      let x = 0;
      let f = 0;
      // What a call returns to is loaded anew.
      if (!isCall(block.instructions.at(-1) as Translated)) {
        for (const next of block.successors) {
          if (isIrreducible(block, next)) continue;
          x |= next.live.x;
          f |= next.live.f;
        }
      }
      for (let n = block.instructions.length - 1; n >= 0; n--) {
        const { kills, uses } = block.instructions[n] as Translated;
        x = (x & ~kills.x) | uses.x;
        f = (f & ~kills.f) | uses.f;
      }
      x |= block.dirty.x;
      f |= block.dirty.f;
      if (x !== block.live.x || f !== block.live.f) {
        block.live.x = x;
        block.live.f = f;
        changed = true;
      }
    }
  }
}
