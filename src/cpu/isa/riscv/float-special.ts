/**
 * What the floating-point routines share: how they are called, which operands are special, and the way to TypeScript.
 *
 * Spec: RISC-V Unprivileged 20240411, 20.3 (NaN), 20.6.
 */
import { type Routine, routine } from "#cpu/engine/routine.ts";
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, F64, I32, I64, type ValueType } from "#cpu/ir/ir.ts";
import { FFLAGS } from "#cpu/isa/riscv/constants.ts";
import { raise, roundingMode } from "#cpu/isa/riscv/float-flags.ts";
import { bitsOf, constant, type Format, type NativeFormat, unbox, valueOf } from "#cpu/isa/riscv/float-format.ts";
import { FloatOp, type FloatOpName } from "#cpu/softfloat/dispatch.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";

/** A routine that rounds: (pc, rounding mode field, whole registers). */
export function rounding(
  name: string,
  format: NativeFormat,
  operands: 1 | 2 | 3,
  build: (b: Builder, mode: Expr, x: Expr, y: Expr, z: Expr) => void,
): Routine {
  const params: ValueType[] = [I64, I32, ...Array.from({ length: operands }, (): ValueType => F64)];
  return routine(`${name}.${format.letter}`, params, format.type, (b, pc, rm, ...registers) => {
    const mode = roundingMode(b, pc, rm, constant(b, format, 0));
    const [x, y, z] = registers.map((register) => unbox(b, format, register));
    build(b, mode, x as Expr, y as Expr, z as Expr);
  });
}

/** The exact operation in TypeScript; `operation` has the format in its second byte. Result bits as i64. */
export const floatExact = routine(
  "floatExact",
  [I64, I32, I32, I64, I64, I64],
  I64,
  (b, pc, rm, operation, x, y, z) => {
    const mode = roundingMode(b, pc, rm, b.i64(0));
    b.set(VCPU.helperA, x);
    b.set(VCPU.helperB, y);
    b.set(VCPU.helperC, z);
    b.effect("floatHelper", [b.cpu(), operation, mode]);
    b.return(b.get(I64, VCPU.helperResult));
  },
);

/** Calls `floatExact`. `rm` is the field, or a mode where it is known. */
export function exactly(b: Builder, op: FloatOpName, format: Format, pc: Expr, rm: Expr, bits: readonly Expr[]): Expr {
  const operation = b.i32(FloatOp[op] | (format.index << 8));
  const [x, y, z] = bits;
  return b.call("floatExact", I64, [b.cpu(), pc, rm, operation, x ?? b.i64(0), y ?? b.i64(0), z ?? b.i64(0)]);
}
/** The same in a routine that has its mode, for native values. */
export function returnExactly(
  b: Builder,
  op: FloatOpName,
  format: NativeFormat,
  mode: Expr,
  values: readonly Expr[],
): void {
  const bits = values.map((value) => bitsOf(b, value));
  b.return(valueOf(b, format, exactly(b, op, format, b.i64(0), mode, bits)));
}

export const isNan = (b: Builder, x: Expr): Expr => b.ne(x, x);
export const isInfinite = (b: Builder, format: NativeFormat, x: Expr): Expr =>
  b.eq(b.abs(x), constant(b, format, Number.POSITIVE_INFINITY));
export const isFinite = (b: Builder, x: Expr): Expr => b.lt(b.abs(x), b.f64(Number.POSITIVE_INFINITY));
export const isSignalling = (b: Builder, format: NativeFormat, x: Expr): Expr =>
  b.and(isNan(b, x), b.eqz(b.and(bitsOf(b, x), b.i64(format.quietBit))));
export const any = (b: Builder, conditions: readonly Expr[]): Expr => conditions.reduce((all, one) => b.or(all, one));

/** Returns the canonical NaN; invalid unless it comes from quiet NaNs, or when `invalid` says so. */
export function returnNan(b: Builder, format: NativeFormat, operands: readonly Expr[], invalid = b.i32(0)): void {
  const isNew = b.eqz(
    any(
      b,
      operands.map((x) => isNan(b, x)),
    ),
  );
  const signalling = operands.map((x) => isSignalling(b, format, x));
  b.if(any(b, [invalid, isNew, ...signalling]), () => raise(b, b.i32(FFLAGS.NV)));
  b.return(constant(b, format, Number.NaN));
}

export const isZero = (b: Builder, x: Expr): Expr => b.eq(x, constantLike(b, x, 0));
export const constantLike = (b: Builder, x: Expr, value: number): Expr =>
  x.type === F64 ? b.f64(value) : b.f32(value);
