/**
 * Addition, multiplication, division, square root and multiply-add in full, as routines.
 *
 * Spec: RISC-V Unprivileged 20240411, 20.6; IEEE 754-2019 6.3, 7.
 */
import type { Routine } from "#cpu/engine/routine.ts";
import type { Builder } from "#cpu/ir/builder.ts";
import type { Expr } from "#cpu/ir/ir.ts";
import { FFLAGS } from "#cpu/isa/riscv/constants.ts";
import {
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
import { raise, Rounding } from "#cpu/isa/riscv/float-flags.ts";
import { D, type NativeFormat, S } from "#cpu/isa/riscv/float-format.ts";
import {
  any,
  constantLike,
  isFinite,
  isInfinite,
  isNan,
  isZero,
  returnExactly,
  returnNan,
  rounding,
} from "#cpu/isa/riscv/float-special.ts";
import type { FloatOpName } from "#cpu/softfloat/dispatch.ts";

/** Signs of the product and of the addend, for the four forms of multiply-add. */
export const FMA = {
  fmadd: { negatesProduct: false, negatesAddend: false },
  fmsub: { negatesProduct: false, negatesAddend: true },
  fnmsub: { negatesProduct: true, negatesAddend: false },
  fnmadd: { negatesProduct: true, negatesAddend: true },
} as const;
export type FmaName = keyof typeof FMA;

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

export function arithmeticRoutines(format: NativeFormat): Routine[] {
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
