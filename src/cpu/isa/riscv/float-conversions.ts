/**
 * Conversions between formats, to and from integers, and to integral values in full, as routines.
 *
 * Spec: RISC-V Unprivileged 20240411, 20.7, 21.5, chapter 25 (Zfa).
 */
import { type Routine, routine } from "#cpu/engine/routine.ts";
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, F64, I32, I64 } from "#cpu/ir/ir.ts";
import { FFLAGS } from "#cpu/isa/riscv/constants.ts";
import { returnNarrowed, returnRounded, roundToOdd } from "#cpu/isa/riscv/float-exact.ts";
import { raise, Rounding, roundingMode } from "#cpu/isa/riscv/float-flags.ts";
import { constant, D, type NativeFormat, S, unbox } from "#cpu/isa/riscv/float-format.ts";
import { constantLike, exactly, isNan, isSignalling, rounding } from "#cpu/isa/riscv/float-special.ts";

/** Integer kinds of the conversions, by the rs2 field: numbers from `least` to below `above`. */
// biome-ignore format: a table
export const INTEGERS = [
  { suffix: "w",  rs2: "00000", op: "cvt_i32", from: "from_i32", isWord: true,  isSigned: true,  least: -(2 ** 31), above: 2 ** 31, truncate: "i32FromF64S" },
  { suffix: "wu", rs2: "00001", op: "cvt_u32", from: "from_u32", isWord: true,  isSigned: false, least: 0,          above: 2 ** 32, truncate: "i32FromF64U" },
  { suffix: "l",  rs2: "00010", op: "cvt_i64", from: "from_i64", isWord: false, isSigned: true,  least: -(2 ** 63), above: 2 ** 63, truncate: "i64FromF64S" },
  { suffix: "lu", rs2: "00011", op: "cvt_u64", from: "from_u64", isWord: false, isSigned: false, least: 0,          above: 2 ** 64, truncate: "i64FromF64U" },
] as const;
export type IntegerKind = (typeof INTEGERS)[number];

/** `value` rounded to an integral one as `mode` has it. */
function toIntegral(b: Builder, mode: Expr, value: Expr): Expr {
  const result = b.variable(value);
  b.switch(
    mode,
    [
      () => b.assign(result, b.nearest(value)),
      () => b.assign(result, b.trunc(value)),
      () => b.assign(result, b.floor(value)),
      () => b.assign(result, b.ceil(value)),
    ],
    () => {
      const inward = b.let(b.trunc(value));
      const isOutward = b.ge(b.abs(b.sub(value, inward)), constantLike(b, value, 0.5));
      const outward = b.add(inward, b.copysign(constantLike(b, value, 1), value));
      b.assign(result, b.select(isOutward, outward, inward));
    },
  );
  return result;
}

const toInteger = (format: NativeFormat, kind: IntegerKind): Routine =>
  routine(`fcvt.${kind.suffix}.${format.letter}`, [I64, I32, F64], I64, (b, pc, rm, register) => {
    const mode = roundingMode(b, pc, rm, b.i64(0));
    const narrow = unbox(b, format, register);
    const value = format === D ? narrow : b.let(b.convert("promote", narrow));
    const integral = b.let(toIntegral(b, mode, value));
    const isInRange = b.and(b.ge(integral, b.f64(kind.least)), b.lt(integral, b.f64(kind.above)));
    b.if(
      isInRange,
      () => b.if(b.ne(integral, value), () => raise(b, b.i32(FFLAGS.NX))),
      () => raise(b, b.i32(FFLAGS.NV)),
    );
    // Saturates as RISC-V does, but for NaN, which counts as infinity (20.7).
    const number = b.select(isNan(b, value), b.f64(Number.POSITIVE_INFINITY), integral);
    const integer = b.convert(kind.truncate, number);
    b.return(kind.isWord ? b.extS(integer) : integer);
  });

/** An integer register's value, as the kind reads it, as i64. */
export const integerOf = (b: Builder, kind: IntegerKind, register: Expr): Expr =>
  kind.isWord ? (kind.isSigned ? b.ext32S(register) : b.and(register, b.i64(0xffffffff))) : register;

/** binary64 takes words exactly: only the others are rounded. */
const fromInteger = (format: NativeFormat, kind: IntegerKind): Routine =>
  routine(`fcvt.${format.letter}.${kind.suffix}`, [I64, I32, I64], format.type, (b, pc, rm, register) => {
    const mode = roundingMode(b, pc, rm, constant(b, format, 0));
    const integer = b.let(integerOf(b, kind, register));
    const value = b.let(b.convert(kind.isSigned ? "f64FromI64S" : "f64FromI64U", integer));
    // Back again without saturation: the first value that is too large is a power of two.
    const isAbove = b.ge(value, b.f64(kind.isSigned ? 2 ** 63 : 2 ** 64));
    const back = b.select(
      isAbove,
      b.i64(kind.isSigned ? -(2n ** 63n) : 0n),
      b.convert(kind.isSigned ? "i64FromF64S" : "i64FromF64U", value),
    );
    const error = b.let(b.convert("f64FromI64S", b.sub(integer, back)));
    if (format === D) returnRounded(b, mode, value, error);
    else returnNarrowed(b, mode, roundToOdd(b, value, error));
  });

const narrow = routine("fcvt.s.d", [I64, I32, F64], S.type, (b, pc, rm, value) => {
  const mode = roundingMode(b, pc, rm, b.f32(0));
  b.if(isNan(b, value), () => {
    b.if(isSignalling(b, D, value), () => raise(b, b.i32(FFLAGS.NV)));
    b.return(b.f32(Number.NaN));
  });
  returnNarrowed(b, mode, value);
});
const widen = routine("fcvt.d.s", [F64], D.type, (b, register) => {
  const value = unbox(b, S, register);
  b.if(isNan(b, value), () => {
    b.if(isSignalling(b, S, value), () => raise(b, b.i32(FFLAGS.NV)));
    b.return(b.f64(Number.NaN));
  });
  b.return(b.convert("promote", value));
});

/** Zfa: to an integral value of the same format; `reports` inexactness or not. */
const roundToIntegral = (name: string, format: NativeFormat, reports: boolean): Routine =>
  rounding(name, format, 1, (b, mode, x) => {
    b.if(isNan(b, x), () => {
      b.if(isSignalling(b, format, x), () => raise(b, b.i32(FFLAGS.NV)));
      b.return(constant(b, format, Number.NaN));
    });
    const result = b.let(toIntegral(b, mode, x));
    if (reports) b.if(b.ne(result, x), () => raise(b, b.i32(FFLAGS.NX)));
    b.return(b.copysign(result, x));
  });

/** Zfa: the low 32 bits of the truncated value; flags as fcvt.w.d. */
const modular = routine("fcvtmod.w.d", [F64], I64, (b, value) => {
  b.if(b.eqz(b.lt(b.abs(value), b.f64(2 ** 63))), () =>
    b.return(exactly(b, "cvtmod_w", D, b.i64(0), b.i32(Rounding.TowardsZero), [b.convert("bits64", value)])),
  );
  const integer = b.let(b.convert("i64FromF64S", value));
  const result = b.let(b.ext32S(integer));
  b.if(
    b.ne(result, integer),
    () => raise(b, b.i32(FFLAGS.NV)),
    () => b.if(b.ne(b.trunc(value), value), () => raise(b, b.i32(FFLAGS.NX))),
  );
  b.return(result);
});

export const conversionRoutines = (format: NativeFormat): Routine[] => [
  ...INTEGERS.map((kind) => toInteger(format, kind)),
  ...INTEGERS.filter((kind) => format === S || !kind.isWord).map((kind) => fromInteger(format, kind)),
  roundToIntegral("fround", format, false),
  roundToIntegral("froundnx", format, true),
];
export const FORMAT_CONVERSIONS: readonly Routine[] = [narrow, widen, modular];
