/**
 * Comparisons, minimum and maximum, and classification in full, as routines.
 *
 * Spec: RISC-V Unprivileged 20240411, 20.6, 20.8, 20.9, chapter 25 (Zfa).
 */
import { type Routine, routine } from "#cpu/engine/routine.ts";
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, F64, I64 } from "#cpu/ir/ir.ts";
import { FFLAGS } from "#cpu/isa/riscv/constants.ts";
import { raise } from "#cpu/isa/riscv/float-flags.ts";
import { bitsOf, constant, type NativeFormat, unbox } from "#cpu/isa/riscv/float-format.ts";
import { isInfinite, isNan, isSignalling, isZero } from "#cpu/isa/riscv/float-special.ts";

export const COMPARISONS = {
  feq: { isQuiet: true, native: (b: Builder, x: Expr, y: Expr) => b.eq(x, y) },
  flt: { isQuiet: false, native: (b: Builder, x: Expr, y: Expr) => b.lt(x, y) },
  fle: { isQuiet: false, native: (b: Builder, x: Expr, y: Expr) => b.le(x, y) },
  fltq: { isQuiet: true, native: (b: Builder, x: Expr, y: Expr) => b.lt(x, y) },
  fleq: { isQuiet: true, native: (b: Builder, x: Expr, y: Expr) => b.le(x, y) },
} as const;
export type ComparisonName = keyof typeof COMPARISONS;

/** Any NaN is invalid, but for the quiet comparisons: there a signalling one (20.8). */
const comparison = (name: ComparisonName, format: NativeFormat): Routine =>
  routine(`${name}.${format.letter}`, [F64, F64], I64, (b, registerX, registerY) => {
    const { isQuiet, native } = COMPARISONS[name];
    const x = unbox(b, format, registerX);
    const y = unbox(b, format, registerY);
    const invalid = (v: Expr): Expr => (isQuiet ? isSignalling(b, format, v) : isNan(b, v));
    b.if(b.or(invalid(x), invalid(y)), () => raise(b, b.i32(FFLAGS.NV)));
    b.return(b.extU(native(b, x, y)));
  });

export const EXTREMA = {
  fmin: { losesNan: true, native: (b: Builder, x: Expr, y: Expr) => b.min(x, y) },
  fmax: { losesNan: true, native: (b: Builder, x: Expr, y: Expr) => b.max(x, y) },
  fminm: { losesNan: false, native: (b: Builder, x: Expr, y: Expr) => b.min(x, y) },
  fmaxm: { losesNan: false, native: (b: Builder, x: Expr, y: Expr) => b.max(x, y) },
} as const;
export type ExtremumName = keyof typeof EXTREMA;

/** A NaN loses against a number in fmin and fmax, and wins in fminm and fmaxm. */
const extremum = (name: ExtremumName, format: NativeFormat): Routine =>
  routine(`${name}.${format.letter}`, [F64, F64], format.type, (b, registerX, registerY) => {
    const { losesNan, native } = EXTREMA[name];
    const x = unbox(b, format, registerX);
    const y = unbox(b, format, registerY);
    b.if(b.or(isSignalling(b, format, x), isSignalling(b, format, y)), () => raise(b, b.i32(FFLAGS.NV)));
    if (losesNan) {
      b.if(b.and(isNan(b, x), b.eq(y, y)), () => b.return(y));
      b.if(b.and(isNan(b, y), b.eq(x, x)), () => b.return(x));
    }
    b.if(b.or(isNan(b, x), isNan(b, y)), () => b.return(constant(b, format, Number.NaN)));
    b.return(native(b, x, y));
  });

/** The class as a mask with one bit set (20.9). */
const classify = (format: NativeFormat): Routine =>
  routine(`fclass.${format.letter}`, [F64], I64, (b, register) => {
    const x = unbox(b, format, register);
    b.if(isNan(b, x), () => b.return(b.select(isSignalling(b, format, x), b.i64(1 << 8), b.i64(1 << 9))));
    const magnitude = b.let(b.abs(x));
    const isNegative = b.let(b.wrap(b.shrU(bitsOf(b, x), b.i64(format.bits - 1))));
    const returnIf = (condition: Expr, negative: number, positive: number): void =>
      b.if(condition, () => b.return(b.select(isNegative, b.i64(1 << negative), b.i64(1 << positive))));
    returnIf(isInfinite(b, format, x), 0, 7);
    returnIf(b.ge(magnitude, constant(b, format, format.smallest)), 1, 6);
    returnIf(isZero(b, x), 3, 4);
    b.return(b.select(isNegative, b.i64(1 << 2), b.i64(1 << 5)));
  });

export const comparisonRoutines = (format: NativeFormat): Routine[] => [
  ...(Object.keys(COMPARISONS) as ComparisonName[]).map((name) => comparison(name, format)),
  ...(Object.keys(EXTREMA) as ExtremumName[]).map((name) => extremum(name, format)),
  classify(format),
];
