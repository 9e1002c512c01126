/**
 * Which accesses of a region look at the page of the last one first (`lastPages` of the vCPU block, by base register): those
 * in short quiet loops whose address is no wild one. A loop is quiet when nothing in it leaves the region and comes back, so a translation that was good at its
 * start stays good.
 *
 *   blocks, dominators -> natural loops -> outermost quiet ones -> forward: wild registers -> base registers of accesses
 *
 * A pointer that walks through an array, or a list that lies in one page, waits for no TLB entry then: that the page is
 * the one of the last access is left to the branch predictor. A wild address is one that data have gone into (a hash, a byte
 * that was loaded); the guess would often be wrong there, which costs more than a TLB entry.
 */
import { type Expr, ExprKind, type Stmt, StmtKind } from "#cpu/ir/ir.ts";
import { BINARY, CONVERT } from "#cpu/ir/ops.ts";

export type QuietLoop = {
  /** Position of its header. */
  readonly order: number;
  /** Base registers as bits: of all accesses that are not wild, and of stores among them. */
  readonly bases: number;
  readonly stores: number;
};

/** What an instruction does to the registers that it writes. */
export type WildEffect = {
  readonly writes: number;
  /** Registers that make the result wild when they are. */
  readonly inputs: number;
  readonly isWild: boolean;
};

/** Instructions of a loop: in a longer one there is more other work, and the code for the pages costs compilation. */
const LOOP_LIMIT = 40;

type LoopInstruction = { readonly statements: readonly Stmt[]; readonly wild: WildEffect };
type LoopBlock<B> = {
  readonly instructions: readonly LoopInstruction[];
  readonly successors: readonly B[];
  readonly predecessors: readonly B[];
  readonly order: number;
  readonly isLoopHeader: boolean;
  /** The outermost quiet loop that the block is in. */
  quietLoop: QuietLoop | undefined;
  /** Registers that may be wild at the start. */
  wild: number;
};

const TAME_BINARY: readonly number[] = [
  BINARY.add,
  BINARY.sub,
  BINARY.shl,
  BINARY.shrU,
  BINARY.shrS,
  BINARY.and,
].flatMap(([i32, i64]) => [i32, i64]);
const TAME_UNARY: readonly number[] = [CONVERT.wrap[0], CONVERT.extS[0], CONVERT.extU[0]];

/** Registers that `e` takes its wildness from; -1 when it is wild whatever they are. */
function wildInputs(e: Expr): number {
  if (e.kind === ExprKind.Const) return 0;
  if (e.kind === ExprKind.Reg) return 1 << (e.operand as number);
  // A pointer: also to elsewhere, but then most likely always.
  if (e.kind === ExprKind.GuestLoad) return e.value === 8 ? 0 : -1;
  if (e.kind === ExprKind.Unary && TAME_UNARY.includes(e.op)) return wildInputs(e.a as Expr);
  if (e.kind !== ExprKind.Binary || !TAME_BINARY.includes(e.op)) return -1;
  const a = wildInputs(e.a as Expr);
  const b = wildInputs(e.b as Expr);
  // Register 0 is not read as one, so that no set of registers is -1.
  return a === -1 || b === -1 ? -1 : a | b;
}

/** The effect of an instruction that may write the registers `writes`. */
export function wildEffect(statements: readonly Stmt[], writes: number): WildEffect {
  const sets = statements.filter((s) => s.kind === StmtKind.SetReg);
  const isSimple = sets.length === 1 && writes === 1 << (sets[0]?.operand as number);
  const inputs = isSimple ? wildInputs(sets[0]?.a as Expr) : -1;
  return { writes, inputs: inputs === -1 ? 0 : inputs, isWild: inputs === -1 };
}

/** Wild registers behind an instruction. */
export function wildAfter(wild: number, { writes, inputs, isWild }: WildEffect): number {
  return (wild & ~writes) | (isWild || (wild & inputs) !== 0 ? writes : 0);
}

/** The register that an address is relative to; 0 when it is not a register and a constant. */
export function baseRegister(address: Expr): number {
  const base = address.kind === ExprKind.Binary && address.b?.kind === ExprKind.Const ? address.a : address;
  return base?.kind === ExprKind.Reg ? (base.operand as number) : 0;
}

/** Blocks in reverse postorder. */
export function findQuietLoops<B extends LoopBlock<B>>(
  blocks: readonly B[],
  isQuiet: (block: B) => boolean,
  dominates: (a: B, b: B) => boolean,
): void {
  for (const header of blocks) {
    // A header comes before the loops in its body, so the first loop that a block is found in is the outermost.
    if (!header.isLoopHeader || header.quietLoop) continue;
    const body = loopBody(header, dominates);
    if (!body.every(isQuiet)) continue;
    if (body.reduce((sum, { instructions }) => sum + instructions.length, 0) > LOOP_LIMIT) continue;
    const loop = { order: header.order, bases: 0, stores: 0 };
    for (const block of body) block.quietLoop = loop;
    findWild(body);
    for (const block of body) {
      let { wild } = block;
      for (const instruction of block.instructions) {
        const found = { bases: 0, stores: 0 };
        addBases(instruction.statements, found);
        loop.bases |= found.bases & ~wild;
        loop.stores |= found.stores & ~wild;
        wild = wildAfter(wild, instruction.wild);
      }
    }
    // Register 0 is no base.
    loop.bases &= ~1;
  }
}

/** In reverse postorder. */
function loopBody<B extends LoopBlock<B>>(header: B, dominates: (a: B, b: B) => boolean): B[] {
  const body = new Set<B>([header]);
  const work = header.predecessors.filter((from) => from.order >= header.order && dominates(header, from));
  for (let block = work.pop(); block; block = work.pop()) {
    if (body.has(block)) continue;
    body.add(block);
    work.push(...block.predecessors);
  }
  return [...body].sort((a, b) => a.order - b.order);
}

/** What has a value from before the loop is not wild. */
function findWild<B extends LoopBlock<B>>(body: readonly B[]): void {
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of body) {
      let { wild } = block;
      for (const instruction of block.instructions) wild = wildAfter(wild, instruction.wild);
      for (const next of block.successors) {
        if (next.quietLoop !== block.quietLoop || (next.wild | wild) === next.wild) continue;
        next.wild |= wild;
        changed = true;
      }
    }
  }
}

function addBases(statements: readonly Stmt[], found: { bases: number; stores: number }): void {
  for (const s of statements) {
    if (s.kind === StmtKind.GuestStore) {
      const bit = 1 << baseRegister(s.a as Expr);
      found.bases |= bit;
      found.stores |= bit;
    } else addLoads(s.a, found);
    addLoads(s.b, found);
    for (const argument of s.args) addLoads(argument, found);
    for (const list of [s.then, s.else, ...s.cases]) addBases(list, found);
  }
}

function addLoads(e: Expr | undefined, found: { bases: number }): void {
  if (!e) return;
  if (e.kind === ExprKind.GuestLoad) found.bases |= 1 << baseRegister(e.a as Expr);
  for (const part of [e.a, e.b, e.c, ...e.args]) addLoads(part, found);
}
