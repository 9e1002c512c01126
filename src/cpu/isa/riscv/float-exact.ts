/**
 * What was lost in rounding: error-free transformations, and from them the other rounding modes and the NX flag.
 *
 * A result of binary64 comes rounded to nearest, with its error: exact = result + error. A result of binary32 comes in
 * binary64, rounded to odd: every further rounding of that is as if it were exact.
 *
 * Sources: Knuth, The Art of Computer Programming 2, 4.2.2 (TwoSum); Dekker, "A floating-point technique for extending
 * the available precision" (1971); Boldo and Melquiond, "Emulation of FMA and correctly rounded sums" (2008); Boldo and
 * Muller, "Exact and approximated error of the FMA" (2011).
 */
import { type Routine, routine } from "#cpu/engine/routine.ts";
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, F32, F64, I32 } from "#cpu/ir/ir.ts";
import { FFLAGS } from "#cpu/isa/riscv/constants.ts";
import { raise, Rounding } from "#cpu/isa/riscv/float-flags.ts";

/** `sum` is x + y rounded to nearest; what it lacks. Exact unless something overflows. */
export function sumError(b: Builder, x: Expr, y: Expr, sum: Expr): Expr {
  const yRounded = b.let(b.sub(sum, x));
  const xRounded = b.sub(sum, yRounded);
  return b.let(b.add(b.sub(x, xRounded), b.sub(y, yRounded)));
}
/** Sum and error of two values. */
export function twoSum(b: Builder, x: Expr, y: Expr): { sum: Expr; error: Expr } {
  const sum = b.let(b.add(x, y));
  return { sum, error: sumError(b, x, y, sum) };
}

/** Whether two f64 have the same sign bit. */
const sameSign = (b: Builder, x: Expr, y: Expr): Expr =>
  b.geS(b.xor(b.convert("bits64", x), b.convert("bits64", y)), b.i64(0));

/** `value` with its last bit set when it is inexact, so that the next rounding is the only one. */
export function roundToOdd(b: Builder, value: Expr, error: Expr): Expr {
  const bits = b.variable(b.convert("bits64", value));
  b.if(b.and(b.lt(b.f64(0), b.abs(error)), b.eqz(b.and(b.wrap(bits), b.i32(1)))), () => {
    // The odd neighbour on the side of the error: away from zero when both have one sign.
    b.assign(bits, b.select(sameSign(b, error, value), b.add(bits, b.i64(1)), b.sub(bits, b.i64(1))));
  });
  return b.let(b.convert("asF64", bits));
}

export const isBelow = (b: Builder, value: Expr, limit: number): Expr => b.lt(b.abs(value), b.f64(limit));
export const isBetween = (b: Builder, low: number, value: Expr, high: number): Expr => {
  const magnitude = b.let(b.abs(value));
  return b.and(b.ge(magnitude, b.f64(low)), b.le(magnitude, b.f64(high)));
};

/**
 * Returns `result`, which is rounded to nearest, as `mode` has it, with NX, through `finish`. Only the sign of `error` matters, but for a
 * tie. Neither of the result's neighbours overflows or is subnormal, unless the error is 0.
 */
export function returnRounded(b: Builder, mode: Expr, result: Expr, error: Expr, finish = (x: Expr): Expr => x): void {
  b.if(b.eq(error, b.f64(0)), () => b.return(finish(result)));
  raise(b, b.i32(FFLAGS.NX));
  b.if(b.eqz(mode), () => b.return(finish(result)));
  const bits = b.let(b.convert("bits64", result));
  // The exact value is further from zero than the result.
  const isOutward = b.let(sameSign(b, result, error));
  const outward = b.let(b.convert("asF64", b.add(bits, b.i64(1))));
  const inward = b.convert("asF64", b.sub(bits, b.i64(1)));
  const neighbour = b.let(b.select(isOutward, outward, inward));
  b.if(b.eq(mode, b.i32(Rounding.TowardsZero)), () => b.return(finish(b.select(isOutward, result, neighbour))));
  b.if(b.eq(mode, b.i32(Rounding.Down)), () => b.return(finish(b.select(b.lt(error, b.f64(0)), neighbour, result))));
  b.if(b.eq(mode, b.i32(Rounding.Up)), () => b.return(finish(b.select(b.lt(b.f64(0), error), neighbour, result))));
  const isTie = b.eq(b.sub(outward, result), b.add(error, error));
  b.return(finish(b.select(b.and(isOutward, isTie), outward, result)));
}

/** Whether a mode rounds a value of this sign towards zero, or away from it. */
function directions(b: Builder, mode: Expr, isNegative: Expr): { isInward: Expr; isOutward: Expr } {
  const either = (negative: number, positive: number): Expr =>
    b.or(b.and(b.eq(mode, b.i32(negative)), isNegative), b.and(b.eq(mode, b.i32(positive)), b.eqz(isNegative)));
  return {
    isInward: b.let(b.or(b.eq(mode, b.i32(Rounding.TowardsZero)), either(Rounding.Up, Rounding.Down))),
    isOutward: b.let(either(Rounding.Down, Rounding.Up)),
  };
}

/** What comes near or below the smallest normal number is computed larger by this, and then rounded to its place. */
export const SCALE = 2 ** 600;
/** Bits of 2^-1022 * SCALE. */
const SCALED_NORMAL = BigInt(1023 - 1022 + 600) << 52n;
/** Below this times SCALE only the sign matters. */
export const NEGLIGIBLE = 2 ** -900;

/**
 * (value + error) / SCALE with its flags; `value` is rounded to nearest, and only the sign of `error` matters, but for
 * a tie. A value below NEGLIGIBLE is not exact.
 */
const roundTiny = routine("roundTiny", [I32, F64, F64], F64, (b, mode, value, error) => {
  const isNegligible = b.lt(b.abs(value), b.f64(NEGLIGIBLE));
  const bits = b.let(b.convert("bits64", b.select(isNegligible, b.copysign(b.f64(NEGLIGIBLE), value), value)));
  const magnitude = b.let(b.and(bits, b.i64(2n ** 63n - 1n)));
  const outOrIn = b.select(sameSign(b, value, error), b.i64(1), b.i64(-1));
  const sticky = b.let(b.select(b.eq(error, b.f64(0)), b.i64(0), outOrIn));
  const isNormal = b.geS(b.add(magnitude, b.shrS(sticky, b.i64(63))), b.i64(SCALED_NORMAL));
  b.if(isNormal, () => returnRounded(b, mode, value, error, (scaled) => b.mul(scaled, b.f64(1 / SCALE))));

  // The significand with two bits more, in which the error is seen, loses the bits below a subnormal's last place.
  const exponent = b.shrU(magnitude, b.i64(52));
  const bitsBelow = b.let(b.sub(b.i64(SCALED_NORMAL >> 52n), exponent));
  const shift = b.let(b.add(b.select(b.ltS(bitsBelow, b.i64(60)), bitsBelow, b.i64(60)), b.i64(2)));
  const significand = b.or(b.and(magnitude, b.i64(2n ** 52n - 1n)), b.i64(2n ** 52n));
  const exact = b.let(b.add(b.shl(significand, b.i64(2)), sticky));
  const kept = b.let(b.shrU(exact, shift));
  const lost = b.let(b.sub(exact, b.shl(kept, shift)));
  const half = b.let(b.shl(b.i64(1), b.sub(shift, b.i64(1))));
  const isNegative = b.let(b.ltS(bits, b.i64(0)));
  const { isInward, isOutward } = directions(b, mode, isNegative);
  // A tie goes to an even number, or away from zero.
  const breaksTie = b.or(b.and(kept, b.i64(1)), b.extU(b.ne(mode, b.i32(Rounding.Nearest))));
  const isNearestUp = b.and(b.gtU(b.add(lost, breaksTie), half), b.eqz(isInward));
  const isUp = b.select(isOutward, b.ne(lost, b.i64(0)), isNearestUp);
  const result = b.let(b.add(kept, b.extU(isUp)));
  // Tiny when below the smallest normal number rounded as if the exponent were unbounded (20.3).
  const outward = b.select(b.and(isOutward, b.gtS(sticky, b.i64(0))), b.i64(1), b.i64(0));
  const inward = b.select(b.and(isInward, b.ltS(sticky, b.i64(0))), b.i64(1), b.i64(0));
  const unbounded = b.sub(b.add(magnitude, outward), inward);
  const underflow = b.select(b.ltS(unbounded, b.i64(SCALED_NORMAL)), b.i32(FFLAGS.NX | FFLAGS.UF), b.i32(FFLAGS.NX));
  b.if(b.ne(lost, b.i64(0)), () => raise(b, b.let(underflow)));
  b.return(b.convert("asF64", b.or(result, b.and(bits, b.i64(-(2n ** 63n))))));
});
export function returnTiny(b: Builder, mode: Expr, value: Expr, error: Expr): void {
  b.return(b.call("roundTiny", F64, [b.cpu(), mode, value, error]));
}

const LARGEST_F32 = (2 - 2 ** -23) * 2 ** 127;

/** Returns `value`, rounded to odd, as a binary32 as `mode` has it, with its flags. `value` is no NaN. */
export function returnNarrowed(b: Builder, mode: Expr, value: Expr): void {
  const result = b.let(b.convert("demote", value));
  const back = b.let(b.convert("promote", result));
  b.if(b.eq(back, value), () => b.return(result));
  b.if(b.and(b.eqz(mode), isBetween(b, 2 ** -125, back, LARGEST_F32)), () => {
    raise(b, b.i32(FFLAGS.NX));
    b.return(result);
  });
  b.return(b.call("roundF32", F32, [b.cpu(), mode, value]));
}

/** Rounds a value that is not exact in binary32, in any mode, with its flags. */
const roundF32 = routine("roundF32", [I32, F64], F32, (b, mode, value) => {
  const nearest = b.let(b.convert("demote", value));
  const magnitude = b.let(b.abs(value));
  const nearestMagnitude = b.let(b.abs(b.convert("promote", nearest)));
  const bits = b.variable(b.convert("bits32", nearest));
  const isNegative = b.let(b.lt(value, b.f64(0)));
  const { isInward, isOutward } = directions(b, mode, isNegative);
  b.if(
    b.lt(nearestMagnitude, magnitude),
    () => {
      const next = b.let(b.add(bits, b.i32(1)));
      const nextMagnitude = b.abs(b.convert("promote", b.convert("asF32", next)));
      const isTie = b.eq(b.sub(nextMagnitude, magnitude), b.sub(magnitude, nearestMagnitude));
      const isTieOutward = b.and(b.eq(mode, b.i32(Rounding.NearestMaxMagnitude)), isTie);
      b.if(b.or(isOutward, isTieOutward), () => b.assign(bits, next));
    },
    () => b.if(isInward, () => b.assign(bits, b.sub(bits, b.i32(1)))),
  );
  const rounded = b.let(b.convert("asF32", bits));
  const roundedMagnitude = b.let(b.abs(b.convert("promote", rounded)));
  // Overflow: the rounded value, were the exponent unbounded, is beyond the largest number.
  const isOverflow = b.or(
    b.eq(roundedMagnitude, b.f64(Number.POSITIVE_INFINITY)),
    b.and(isInward, b.ge(magnitude, b.f64(2 ** 128))),
  );
  // Underflow: that value is below the smallest normal number (tininess after rounding, 20.3).
  const NORMAL = 2 ** -126;
  const reachesNormal = b.select(
    isOutward,
    b.lt(b.f64(NORMAL - 2 ** -150), magnitude),
    b.le(b.f64(NORMAL - 2 ** -151), magnitude),
  );
  const isTiny = b.or(
    b.lt(roundedMagnitude, b.f64(NORMAL)),
    b.eqz(b.or(reachesNormal, b.lt(b.f64(NORMAL), magnitude))),
  );
  const flag = (condition: Expr, bit: number): Expr => b.select(condition, b.i32(bit), b.i32(0));
  raise(b, b.let(b.or(b.or(flag(isOverflow, FFLAGS.OF), flag(isTiny, FFLAGS.UF)), b.i32(FFLAGS.NX))));
  b.return(rounded);
});

/**
 * x * y + z rounded to nearest once, for engines that cannot fuse; NaN outside the range where the transformations are
 * exact. After Boldo and Melquiond.
 */
const fmaF64 = routine("fmaF64", [F64, F64, F64], F64, (b, x, y, z) => {
  const factorsFine = b.and(isBetween(b, 2 ** -400, x, 2 ** 400), isBetween(b, 2 ** -400, y, 2 ** 400));
  const addendFine = b.or(isBetween(b, 2 ** -900, z, 2 ** 900), b.eq(z, b.f64(0)));
  b.if(b.eqz(b.and(factorsFine, addendFine)), () => b.return(b.f64(Number.NaN)));
  const SPLITTER = 2 ** 27 + 1;
  const split = (v: Expr): { high: Expr; low: Expr } => {
    const scaled = b.let(b.mul(v, b.f64(SPLITTER)));
    const high = b.let(b.sub(scaled, b.sub(scaled, v)));
    return { high, low: b.let(b.sub(v, high)) };
  };
  const product = b.let(b.mul(x, y));
  const sx = split(x);
  const sy = split(y);
  const crossed = b.add(b.mul(sx.high, sy.low), b.mul(sx.low, sy.high));
  const productError = b.let(b.add(b.mul(sx.low, sy.low), b.add(b.sub(b.mul(sx.high, sy.high), product), crossed)));
  const t = twoSum(b, z, productError);
  const v = twoSum(b, product, t.sum);
  const w = twoSum(b, t.error, v.error);
  b.return(b.add(v.sum, roundToOdd(b, w.sum, w.error)));
});

/** The same for binary32, without limits: the product is exact in binary64, and one rounding to odd keeps the last right. */
const fmaF32 = routine("fmaF32", [F32, F32, F32], F32, (b, x, y, z) => {
  const product = b.let(b.mul(b.convert("promote", x), b.convert("promote", y)));
  const s = twoSum(b, product, b.let(b.convert("promote", z)));
  b.return(b.convert("demote", roundToOdd(b, s.sum, s.error)));
});

/** What `result` = x * y + z, rounded to nearest once, lacks: the value nearest to the error, and 0 only for none. */
export function fusedError(b: Builder, x: Expr, y: Expr, z: Expr, result: Expr): Expr {
  const product = b.let(b.mul(x, y));
  const productError = b.let(b.fusedMultiplyAdd(x, y, b.neg(product)));
  const low = twoSum(b, z, productError);
  const high = twoSum(b, product, low.sum);
  const rest = b.let(b.add(b.sub(high.sum, result), high.error));
  const total = twoSum(b, rest, low.error);
  return roundToOdd(b, total.sum, total.error);
}

export const EXACT_ROUTINES: readonly Routine[] = [roundF32, roundTiny, fmaF64, fmaF32];
