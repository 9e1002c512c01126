/**
 * Which registers hold a sign-extended 32-bit word, so that a region may keep them as i32 and extend them when somebody
 * wants all 64 bits.
 *
 *   instruction -> WordEffect -> forward over the blocks -> known words at each block's start, and those kept as i32
 */
import { type Expr, ExprKind, I32, type Stmt, StmtKind } from "#cpu/ir/ir.ts";
import { BINARY, COMPARE, CONVERT } from "#cpu/ir/ops.ts";

/** What an instruction leaves in the one register that it writes; `bit` 0 when nothing is known of it. */
export type WordEffect = {
  readonly bit: number;
  /** Registers that must be words for the result to be one. */
  readonly inputs: number;
  /** It computes with 32 bits (or copies): worth an i32. Not so a load or a constant. */
  readonly computes: boolean;
};

const NOTHING: WordEffect = { bit: 0, inputs: 0, computes: false };

const BITWISE: readonly number[] = [BINARY.and[1], BINARY.or[1], BINARY.xor[1]];
/** From an i64 operation to that of i32: and, or, xor; comparisons. */
export const BITWISE_STEP = BINARY.and[1] - BINARY.and[0];
export const COMPARE_STEP = COMPARE.eq[1] - COMPARE.eq[0];
const EQZ = { i32: 0x45, i64: 0x50 } as const;

export const isBitwise = (e: Expr): boolean => e.kind === ExprKind.Binary && BITWISE.includes(e.op);
/** A comparison of i64 values. */
export const isCompare = (e: Expr): boolean =>
  e.kind === ExprKind.Binary && e.op >= COMPARE.eq[1] && e.op <= COMPARE.geU[1];
export const isEqz = (e: Expr): boolean => e.kind === ExprKind.Unary && e.op === EQZ.i64;
export const EQZ_I32 = EQZ.i32;

/** The value of a constant that is a word; undefined for anything else. */
export function wordConst(e: Expr): number | undefined {
  if (e.kind !== ExprKind.Const) return undefined;
  const value = Number(e.value);
  return (value | 0) === value ? value : undefined;
}
export const isWordConst = (e: Expr): boolean => wordConst(e) !== undefined;
const isNaturalConst = (e: Expr): boolean => (wordConst(e) ?? -1) >= 0;
export const isSignExtended = (e: Expr): boolean => e.kind === ExprKind.Unary && e.op === CONVERT.extS[0];
export const isWrap = (e: Expr): boolean => e.kind === ExprKind.Unary && e.op === CONVERT.wrap[0];
/** 0 or 1, from a comparison. */
export const isTruth = (e: Expr): boolean => {
  if (e.kind !== ExprKind.Unary || e.op !== CONVERT.extU[0]) return false;
  const test = e.a as Expr;
  return isCompare(test) || isEqz(test);
};
/** A bitwise and with a constant that is not negative: a word whatever the other side is. */
export const isMasked = (e: Expr): boolean =>
  isBitwise(e) && e.op === BINARY.and[1] && (isNaturalConst(e.b as Expr) || isNaturalConst(e.a as Expr));
/** A load whose result is a word. */
export const isWordLoad = (e: Expr): boolean =>
  e.kind === ExprKind.GuestLoad && e.type !== I32 && (e.op === 1 ? (e.value as number) <= 4 : (e.value as number) <= 2);

/** Whether a word is not negative, from its expression alone. */
export function isNatural(e: Expr): boolean {
  if (isTruth(e) || isMasked(e) || isNaturalConst(e)) return true;
  if (e.kind === ExprKind.GuestLoad) return isWordLoad(e) && e.op === 0;
  if (!isSignExtended(e)) return false;
  const word = e.a as Expr;
  if (word.kind !== ExprKind.Binary || word.op !== BINARY.shrU[0]) return false;
  return word.b?.kind === ExprKind.Const && (Number(word.b.value) & 31) !== 0;
}

/** Registers that must be words for `e` to be one; -1 when it need not be one even then. */
export function wordInputs(e: Expr): number {
  if (e.kind === ExprKind.Reg) return 1 << (e.operand as number);
  if (isWordConst(e) || isSignExtended(e) || isTruth(e) || isMasked(e)) return 0;
  if (!isBitwise(e)) return -1;
  const a = wordInputs(e.a as Expr);
  const b = wordInputs(e.b as Expr);
  // Register 0 is no input, so that no set of registers is -1.
  return a === -1 || b === -1 ? -1 : a | b;
}

/** The effect of an instruction: known only for one write, on every path. */
export function wordEffect(statements: readonly Stmt[]): WordEffect {
  let write: Stmt | undefined;
  for (const s of statements) {
    if (s.then.length > 0 || s.else.length > 0 || s.cases.length > 0) return NOTHING;
    if (s.kind !== StmtKind.SetReg) continue;
    if (write) return NOTHING;
    write = s;
  }
  if (!write || write.operand === 0) return NOTHING;
  const bit = 1 << (write.operand as number);
  const value = write.a as Expr;
  if (isWordLoad(value)) return { bit, inputs: 0, computes: false };
  const inputs = wordInputs(value);
  return inputs === -1 ? NOTHING : { bit, inputs, computes: !isWordConst(value) };
}

type WordInstruction = {
  readonly words: WordEffect;
  readonly writes: { readonly x: number };
  readonly kills: { readonly x: number };
};
type WordBlock<B> = {
  readonly instructions: readonly WordInstruction[];
  readonly successors: readonly B[];
  readonly predecessors: readonly B[];
  readonly live: { readonly x: number };
  /** Registers that hold words at the start, whichever way control comes. */
  knownWords: number;
  /** Those of them that are kept as i32 there. */
  words: number;
};

/** Forward; `keepsLocals` is false for an edge behind which the registers are loaded anew. */
export function findWords<B extends WordBlock<B>>(
  blocks: readonly B[],
  keepsLocals: (from: B, to: B) => boolean,
): void {
  let computed = 0;
  for (const [i, block] of blocks.entries()) {
    const isLoaded = i === 0 || block.predecessors.some((from) => !keepsLocals(from, block));
    block.knownWords = isLoaded ? 0 : -1;
    for (const { words } of block.instructions) if (words.computes) computed |= words.bit;
  }
  for (let changed = computed !== 0; changed; ) {
    changed = false;
    for (const block of blocks) {
      let known = block.knownWords;
      for (const { words, writes, kills } of block.instructions) {
        const isWord = words.bit !== 0 && (known & words.inputs) === words.inputs;
        known &= ~(writes.x | kills.x);
        if (isWord) known |= words.bit;
      }
      for (const next of block.successors) {
        if ((next.knownWords & known) === next.knownWords) continue;
        next.knownWords &= known;
        changed = true;
      }
    }
  }
  for (const block of blocks) {
    if (computed === 0) block.knownWords = 0;
    block.words = block.knownWords & computed & block.live.x;
  }
}
