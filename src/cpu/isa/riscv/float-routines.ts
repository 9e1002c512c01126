/**
 * The floating-point operations in full, as routines: what the instructions call when the fast path of `float.ts` is
 * not certain. Every rounding mode, every flag; what is rare and long-winded (results near the ends of binary64's
 * range, binary16) goes on to `softfloat/` in TypeScript.
 *
 *   (cpu, pc, rounding mode field, whole registers...) -> value
 *
 * A routine that rounds records a trap when the mode is not legal, and then its result means nothing.
 *
 * Spec: RISC-V Unprivileged 20240411, chapters 20 to 22 (F, D), 25 (Zfa).
 */
import { type Routine, routine } from "#cpu/engine/routine.ts";
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, F64, I32, I64, type ValueType } from "#cpu/ir/ir.ts";
import { FFLAGS } from "#cpu/isa/riscv/constants.ts";
import {
  EXACT_ROUTINES,
  fusedError,
  isBelow,
  isBetween,
  NEGLIGIBLE,
  returnNarrowed,
  returnRounded,
  returnTiny,
  roundToOdd,
  SCALE,
  sumError,
  twoSum,
} from "#cpu/isa/riscv/float-exact.ts";
import { FLAG_ROUTINES, raise, Rounding, roundingMode } from "#cpu/isa/riscv/float-flags.ts";
import { bitsOf, constant, D, type Format, type NativeFormat, S, unbox, valueOf } from "#cpu/isa/riscv/float-format.ts";
import { FloatOp, type FloatOpName } from "#cpu/softfloat/dispatch.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";

/** Signs of the product and of the addend, for the four forms of multiply-add. */
export const FMA = {
  fmadd: { negatesProduct: false, negatesAddend: false },
  fmsub: { negatesProduct: false, negatesAddend: true },
  fnmsub: { negatesProduct: true, negatesAddend: false },
  fnmadd: { negatesProduct: true, negatesAddend: true },
} as const;
export type FmaName = keyof typeof FMA;

/** Integer kinds of the conversions, by the rs2 field: numbers from `least` to below `above`. */
// biome-ignore format: a table
export const INTEGERS = [
  { suffix: "w",  rs2: "00000", op: "cvt_i32", from: "from_i32", isWord: true,  isSigned: true,  least: -(2 ** 31), above: 2 ** 31, truncate: "i32FromF64S" },
  { suffix: "wu", rs2: "00001", op: "cvt_u32", from: "from_u32", isWord: true,  isSigned: false, least: 0,          above: 2 ** 32, truncate: "i32FromF64U" },
  { suffix: "l",  rs2: "00010", op: "cvt_i64", from: "from_i64", isWord: false, isSigned: true,  least: -(2 ** 63), above: 2 ** 63, truncate: "i64FromF64S" },
  { suffix: "lu", rs2: "00011", op: "cvt_u64", from: "from_u64", isWord: false, isSigned: false, least: 0,          above: 2 ** 64, truncate: "i64FromF64U" },
] as const;
export type IntegerKind = (typeof INTEGERS)[number];

/** The exact operation in TypeScript; `operation` has the format in its second byte. Result bits as i64. */
const floatExact = routine("floatExact", [I64, I32, I32, I64, I64, I64], I64, (b, pc, rm, operation, x, y, z) => {
  const mode = roundingMode(b, pc, rm, b.i64(0));
  b.set(VCPU.helperA, x);
  b.set(VCPU.helperB, y);
  b.set(VCPU.helperC, z);
  b.effect("floatHelper", [b.cpu(), operation, mode]);
  b.return(b.get(I64, VCPU.helperResult));
});

/** Calls `floatExact`. `rm` is the field, or a mode where it is known. */
export function exactly(b: Builder, op: FloatOpName, format: Format, pc: Expr, rm: Expr, bits: readonly Expr[]): Expr {
  const operation = b.i32(FloatOp[op] | (format.index << 8));
  const [x, y, z] = bits;
  return b.call("floatExact", I64, [b.cpu(), pc, rm, operation, x ?? b.i64(0), y ?? b.i64(0), z ?? b.i64(0)]);
}
/** The same in a routine that has its mode, for native values. */
function returnExactly(b: Builder, op: FloatOpName, format: NativeFormat, mode: Expr, values: readonly Expr[]): void {
  const bits = values.map((value) => bitsOf(b, value));
  b.return(valueOf(b, format, exactly(b, op, format, b.i64(0), mode, bits)));
}

// What has no number for a result, or infinity

const isNan = (b: Builder, x: Expr): Expr => b.ne(x, x);
const isInfinite = (b: Builder, format: NativeFormat, x: Expr): Expr =>
  b.eq(b.abs(x), constant(b, format, Number.POSITIVE_INFINITY));
const isFinite = (b: Builder, x: Expr): Expr => b.lt(b.abs(x), b.f64(Number.POSITIVE_INFINITY));
const isSignalling = (b: Builder, format: NativeFormat, x: Expr): Expr =>
  b.and(isNan(b, x), b.eqz(b.and(bitsOf(b, x), b.i64(format.quietBit))));
const any = (b: Builder, conditions: readonly Expr[]): Expr => conditions.reduce((all, one) => b.or(all, one));

/** Returns the canonical NaN; invalid unless it comes from quiet NaNs, or when `invalid` says so. */
function returnNan(b: Builder, format: NativeFormat, operands: readonly Expr[], invalid = b.i32(0)): void {
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

/** For a result beyond the safe range: returns it where it is clear why, goes to TypeScript otherwise. */
function returnExtreme(b: Builder, op: FloatOpName, mode: Expr, result: Expr, operands: readonly Expr[]): void {
  b.if(isNan(b, result), () => returnNan(b, D, operands));
  b.if(
    any(
      b,
      operands.map((x) => isInfinite(b, D, x)),
    ),
    () => b.return(result),
  );
  b.if(b.and(b.eqz(mode), isInfinite(b, D, result)), () => {
    raise(b, b.i32(FFLAGS.OF | FFLAGS.NX));
    b.return(result);
  });
  returnExactly(b, op, D, mode, operands);
}

/** A sum that is 0: rounding down, the sign is that of a negative operand (IEEE 754, 6.3). */
const zeroSum = (b: Builder, mode: Expr, x: Expr, y: Expr, sum: Expr): Expr =>
  b.select(b.eq(mode, b.i32(Rounding.Down)), b.neg(b.add(b.neg(x), b.neg(y))), sum);

/** Where results of binary64 have exact errors and harmless neighbours. */
const LEAST = 2 ** -960;
const MOST = 2 ** 1020;
/** Stands for an error of which only the sign is known; no tie. */
const SOME = 2 ** -1074;

type Arithmetic = {
  readonly add: (b: Builder, mode: Expr, x: Expr, y: Expr) => void;
  readonly mul: (b: Builder, mode: Expr, x: Expr, y: Expr) => void;
  readonly div: (b: Builder, mode: Expr, x: Expr, y: Expr) => void;
  readonly sqrt: (b: Builder, mode: Expr, x: Expr) => void;
  readonly fma: (b: Builder, mode: Expr, x: Expr, y: Expr, z: Expr) => void;
};

const isZero = (b: Builder, x: Expr): Expr => b.eq(x, constantLike(b, x, 0));
const constantLike = (b: Builder, x: Expr, value: number): Expr => (x.type === F64 ? b.f64(value) : b.f32(value));

/** Division of a number by 0. */
function returnIfByZero(b: Builder, x: Expr, y: Expr, quotient: Expr, result: () => Expr): void {
  const isInfinity = b.eq(b.abs(quotient), b.f64(Number.POSITIVE_INFINITY));
  const isExact = b.eq(b.abs(x), constantLike(b, x, Number.POSITIVE_INFINITY));
  b.if(b.and(isZero(b, y), b.and(isInfinity, b.eqz(isExact))), () => {
    raise(b, b.i32(FFLAGS.DZ));
    b.return(result());
  });
}

const ARITHMETIC_D: Arithmetic = {
  add: (b, mode, x, y) => {
    const sum = b.let(b.add(x, y));
    b.if(b.eqz(b.le(b.abs(sum), b.f64(MOST))), () => returnExtreme(b, "add", mode, sum, [x, y]));
    b.if(isZero(b, sum), () => b.return(zeroSum(b, mode, x, y, sum)));
    returnRounded(b, mode, sum, sumError(b, x, y, sum));
  },
  mul: (b, mode, x, y) => {
    const product = b.let(b.mul(x, y));
    b.if(b.eqz(isBetween(b, LEAST, product, MOST)), () => {
      b.if(b.or(isZero(b, x), isZero(b, y)), () => b.if(b.eq(product, product), () => b.return(product)));
      b.if(isBelow(b, product, LEAST), () => {
        const [larger, smaller] = scaledUp(b, x, y);
        const value = b.let(b.mul(larger, smaller));
        const error = b.let(b.fusedMultiplyAdd(larger, smaller, b.neg(value)));
        b.if(b.eq(error, error), () => returnTiny(b, mode, value, error));
      });
      returnExtreme(b, "mul", mode, product, [x, y]);
    });
    const error = b.let(b.fusedMultiplyAdd(x, y, b.neg(product)));
    b.if(isNan(b, error), () => returnExactly(b, "mul", D, mode, [x, y]));
    returnRounded(b, mode, product, error);
  },
  div: (b, mode, x, y) => {
    const quotient = b.let(b.div(x, y));
    b.if(b.eqz(b.and(isBetween(b, LEAST, quotient, MOST), isBetween(b, LEAST, x, MOST))), () => {
      returnIfByZero(b, x, y, quotient, () => quotient);
      b.if(b.or(isZero(b, x), isInfinite(b, D, y)), () => b.if(isZero(b, quotient), () => b.return(quotient)));
      b.if(isBelow(b, quotient, LEAST), () => {
        const dividend = b.let(b.mul(x, b.f64(SCALE)));
        const value = b.let(b.div(dividend, y));
        const error = quotientError(b, dividend, y, value);
        b.if(b.eq(error, error), () => returnTiny(b, mode, value, error));
      });
      b.if(b.le(b.abs(quotient), b.f64(MOST)), () => {
        // The operands lie at one end of the range, both.
        const scale = b.let(b.select(isBelow(b, x, 1), b.f64(SCALE), b.f64(1 / SCALE)));
        const error = quotientError(b, b.let(b.mul(x, scale)), b.let(b.mul(y, scale)), quotient);
        b.if(b.eq(error, error), () => returnRounded(b, mode, quotient, error));
      });
      returnExtreme(b, "div", mode, quotient, [x, y]);
    });
    const error = quotientError(b, x, y, quotient);
    b.if(isNan(b, error), () => returnExactly(b, "div", D, mode, [x, y]));
    returnRounded(b, mode, quotient, error);
  },
  sqrt: (b, mode, x) => {
    const root = b.let(b.sqrt(x));
    b.if(isNan(b, root), () => returnNan(b, D, [x]));
    b.if(b.or(isZero(b, x), isInfinite(b, D, x)), () => b.return(root));
    // An even power of two takes the square away from the ends of the range.
    const radicand = b.let(b.mul(x, b.select(isBelow(b, x, 1), b.f64(2 ** 300), b.f64(2 ** -300))));
    const value = b.let(b.sqrt(radicand));
    const rest = b.let(b.fusedMultiplyAdd(value, value, radicand, true));
    returnRounded(b, mode, root, signOnly(b, rest, rest));
  },
  fma: (b, mode, x, y, z) => {
    const product = b.let(b.mul(x, y));
    b.if(b.or(isZero(b, x), isZero(b, y)), () => {
      b.if(isNan(b, product), () => returnNan(b, D, [x, y, z], b.and(b.eq(x, x), b.eq(y, y))));
      const sum = b.let(b.add(product, z));
      b.if(isNan(b, sum), () => returnNan(b, D, [x, y, z]));
      b.return(b.select(isZero(b, sum), zeroSum(b, mode, product, z, sum), sum));
    });
    b.if(b.eqz(b.and(isBetween(b, LEAST, product, MOST), b.le(b.abs(z), b.f64(MOST)))), () => {
      const isFiniteProduct = b.let(b.and(isFinite(b, x), isFinite(b, y)));
      b.if(b.eqz(b.and(isFiniteProduct, isFinite(b, z))), () => {
        // A finite product may have overflowed here; next to infinity or NaN it counts for nothing.
        const special = b.let(b.select(isFiniteProduct, z, b.add(product, z)));
        b.if(isNan(b, special), () => returnNan(b, D, [x, y, z]));
        b.return(special);
      });
      b.if(b.and(isBelow(b, product, LEAST), b.le(b.abs(z), b.f64(MOST))), () => tinyFma(b, mode, x, y, z, product));
      returnExactly(b, "fmadd", D, mode, [x, y, z]);
    });
    const result = b.let(b.fusedMultiplyAdd(x, y, z));
    b.if(isNan(b, result), () => returnExactly(b, "fmadd", D, mode, [x, y, z]));
    b.if(isZero(b, result), () => b.return(zeroSum(b, mode, product, z, result)));
    returnRounded(b, mode, result, fusedError(b, x, y, z, result));
  },
};

/** Two factors whose product is too small, the smaller one times SCALE. */
function scaledUp(b: Builder, x: Expr, y: Expr): [larger: Expr, smaller: Expr] {
  const isXSmaller = b.let(b.lt(b.abs(x), b.abs(y)));
  return [b.let(b.select(isXSmaller, y, x)), b.let(b.mul(b.select(isXSmaller, x, y), b.f64(SCALE)))];
}
/** The sign of `sign` for an error that is not 0, and of which nothing else is known; it is no tie. NaN stays. */
function signOnly(b: Builder, error: Expr, sign: Expr): Expr {
  const magnitude = b.select(isZero(b, error), b.f64(0), b.select(isNan(b, error), error, b.f64(SOME)));
  return b.let(b.copysign(magnitude, sign));
}
/** What is left to divide has the error's sign times the divisor's. A quotient that is no subnormal is no tie. */
function quotientError(b: Builder, x: Expr, y: Expr, quotient: Expr): Expr {
  const rest = b.let(b.fusedMultiplyAdd(quotient, y, x, true));
  return signOnly(b, rest, b.convert("asF64", b.xor(b.convert("bits64", rest), b.convert("bits64", y))));
}
/** x * y + z of numbers with a product below LEAST; falls through where it cannot tell. */
function tinyFma(b: Builder, mode: Expr, x: Expr, y: Expr, z: Expr, product: Expr): void {
  // Next to such an addend only the product's sign counts.
  b.if(b.eqz(isBelow(b, z, 2 ** -400)), () => returnRounded(b, mode, z, b.let(b.copysign(b.f64(SOME), product))));
  const [larger, smaller] = scaledUp(b, x, y);
  const addend = b.let(b.mul(z, b.f64(SCALE)));
  const scaled = b.let(b.mul(larger, smaller));
  b.if(isBelow(b, scaled, NEGLIGIBLE), () =>
    returnTiny(b, mode, b.select(isZero(b, z), scaled, addend), b.copysign(b.f64(SOME), product)),
  );
  const value = b.let(b.fusedMultiplyAdd(larger, smaller, addend));
  b.if(isZero(b, value), () => b.return(zeroSum(b, mode, product, z, value)));
  b.if(b.eq(value, value), () => returnTiny(b, mode, value, fusedError(b, larger, smaller, addend, value)));
}
/** Infinity times zero. */
const isInvalidProduct = (b: Builder, x: Expr, y: Expr, product: Expr): Expr =>
  b.and(isNan(b, product), b.and(b.eq(x, x), b.eq(y, y)));

/** In binary64 everything of binary32 is in range, and quotients and roots that are not exact are no ties. */
const ARITHMETIC_S: Arithmetic = {
  add: (b, mode, x, y) => returnSum(b, mode, b.let(b.convert("promote", x)), b.let(b.convert("promote", y)), [x, y]),
  mul: (b, mode, x, y) => {
    const product = b.let(b.mul(b.convert("promote", x), b.convert("promote", y)));
    b.if(isNan(b, product), () => returnNan(b, S, [x, y]));
    returnNarrowed(b, mode, product);
  },
  div: (b, mode, x, y) => {
    const quotient = b.let(b.div(b.convert("promote", x), b.convert("promote", y)));
    b.if(isNan(b, quotient), () => returnNan(b, S, [x, y]));
    returnIfByZero(b, x, y, quotient, () => b.convert("demote", quotient));
    returnNarrowed(b, mode, quotient);
  },
  sqrt: (b, mode, x) => {
    const root = b.let(b.sqrt(b.convert("promote", x)));
    b.if(isNan(b, root), () => returnNan(b, S, [x]));
    returnNarrowed(b, mode, root);
  },
  fma: (b, mode, x, y, z) => {
    const product = b.let(b.mul(b.convert("promote", x), b.convert("promote", y)));
    returnSum(b, mode, product, b.let(b.convert("promote", z)), [x, y, z], isInvalidProduct(b, x, y, product));
  },
};
/** Returns the sum of two values of binary64 as a binary32. */
function returnSum(b: Builder, mode: Expr, x: Expr, y: Expr, operands: readonly Expr[], invalid?: Expr): void {
  const { sum, error } = twoSum(b, x, y);
  b.if(isNan(b, sum), () => returnNan(b, S, operands, invalid));
  b.if(isZero(b, sum), () => b.return(b.convert("demote", zeroSum(b, mode, x, y, sum))));
  returnNarrowed(b, mode, roundToOdd(b, sum, error));
}

/** A routine that rounds: (pc, rounding mode field, whole registers). */
function rounding(
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

function arithmeticRoutines(format: NativeFormat): Routine[] {
  const { add, mul, div, sqrt, fma } = format === D ? ARITHMETIC_D : ARITHMETIC_S;
  const negatedIf = (b: Builder, negates: boolean, x: Expr): Expr => (negates ? b.let(b.neg(x)) : x);
  return [
    rounding("fadd", format, 2, add),
    rounding("fsub", format, 2, (b, mode, x, y) => add(b, mode, x, b.let(b.neg(y)))),
    rounding("fmul", format, 2, mul),
    rounding("fdiv", format, 2, div),
    rounding("fsqrt", format, 1, sqrt),
    ...(Object.keys(FMA) as FmaName[]).map((name) => {
      const { negatesProduct, negatesAddend } = FMA[name];
      return rounding(name, format, 3, (b, mode, x, y, z) =>
        fma(b, mode, negatedIf(b, negatesProduct, x), y, negatedIf(b, negatesAddend, z)),
      );
    }),
  ];
}

// Conversions

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

// Comparisons

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

const nativeRoutines = (format: NativeFormat): Routine[] => [
  ...arithmeticRoutines(format),
  ...INTEGERS.map((kind) => toInteger(format, kind)),
  ...INTEGERS.filter((kind) => format === S || !kind.isWord).map((kind) => fromInteger(format, kind)),
  roundToIntegral("fround", format, false),
  roundToIntegral("froundnx", format, true),
  ...(Object.keys(COMPARISONS) as ComparisonName[]).map((name) => comparison(name, format)),
  ...(Object.keys(EXTREMA) as ExtremumName[]).map((name) => extremum(name, format)),
  classify(format),
];

export const FLOAT_ROUTINES: readonly Routine[] = [
  ...FLAG_ROUTINES,
  ...EXACT_ROUTINES,
  floatExact,
  ...nativeRoutines(S),
  ...nativeRoutines(D),
  narrow,
  widen,
  modular,
];
