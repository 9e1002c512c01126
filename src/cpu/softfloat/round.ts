/**
 * Rounding: from an exact significand and exponent to the bits of a format, with the exception flags.
 *
 * Arithmetic in this folder computes an exact result, or one cut off far below the rounding position whose lowest
 * bit is set when anything was lost ("sticky"); `roundAndPack` is the only place where precision is given up.
 *
 * Spec: IEEE 754-2019 4.3 and 7; RISC-V unprivileged ISA 20240411, 20.2 (rounding modes, flags), 20.3 (tininess is
 * detected after rounding).
 */

import { bitLength, pow2, shiftLeft, shiftRight } from "#cpu/softfloat/bits.ts";
import type { FloatFormat } from "#cpu/softfloat/format.ts";

/** Bits in the order of RISC-V's fflags. */
export const FLAG_INEXACT = 1 << 0;
export const FLAG_UNDERFLOW = 1 << 1;
export const FLAG_OVERFLOW = 1 << 2;
export const FLAG_DIVIDE_BY_ZERO = 1 << 3;
export const FLAG_INVALID = 1 << 4;

/** Values of RISC-V's frm. */
export const ROUND_NEAREST_EVEN = 0;
export const ROUND_TO_ZERO = 1;
export const ROUND_DOWN = 2;
export const ROUND_UP = 3;
export const ROUND_NEAREST_MAX_MAGNITUDE = 4;

export type FloatResult = {
  /** Raw bits in the width of the result: unsigned, not NaN-boxed. */
  readonly bits: bigint;
  /** Flags this operation raised. */
  readonly flags: number;
};

/** What a right shift throws away, against one unit of what it keeps. The order is that of size. */
export const DISCARDED_NOTHING = 0;
export const DISCARDED_BELOW_HALF = 1;
export const DISCARDED_HALF = 2;
export const DISCARDED_ABOVE_HALF = 3;

/** Classifies the low `shift` bits of `significand`, which is not 0. shift >= 1. */
export function discardedBy(significand: bigint, length: number, shift: number): number {
  if (shift > length) return DISCARDED_BELOW_HALF;
  const half = pow2(shift - 1);
  const rest = significand & (pow2(shift) - 1n);
  if (rest === 0n) return DISCARDED_NOTHING;
  if (rest === half) return DISCARDED_HALF;
  return rest < half ? DISCARDED_BELOW_HALF : DISCARDED_ABOVE_HALF;
}

/** Whether the kept magnitude goes up by one unit. `rounding` is one of the five modes. */
export function roundsUp(rounding: number, sign: number, kept: bigint, discarded: number): boolean {
  if (discarded === DISCARDED_NOTHING) return false;
  switch (rounding) {
    case ROUND_NEAREST_EVEN:
      return discarded === DISCARDED_HALF ? (kept & 1n) === 1n : discarded === DISCARDED_ABOVE_HALF;
    case ROUND_TO_ZERO:
      return false;
    case ROUND_DOWN:
      return sign === 1;
    case ROUND_UP:
      return sign === 0;
    case ROUND_NEAREST_MAX_MAGNITUDE:
      return discarded >= DISCARDED_HALF;
    default:
      throw new RangeError(`rounding mode ${rounding} is not 0 to 4; the caller resolves dynamic and reserved modes`);
  }
}

/**
 * (-1)^sign * significand * 2^exponent in `format`. `significand` is above 0; if its lowest bit is sticky, it has at
 * least two bits more than the format's precision.
 */
export function roundAndPack(
  format: FloatFormat,
  rounding: number,
  sign: number,
  exponent: number,
  significand: bigint,
): FloatResult {
  const length = bitLength(significand);
  const normalShift = length - format.precision;
  const isSubnormal = exponent + normalShift < format.minLsbExponent;
  const shift = isSubnormal ? format.minLsbExponent - exponent : normalShift;

  let kept: bigint;
  let flags = 0;
  if (shift <= 0) {
    kept = shift === 0 ? significand : shiftLeft(significand, -shift);
  } else {
    const discarded = discardedBy(significand, length, shift);
    kept = shift > length ? 0n : shiftRight(significand, shift);
    if (discarded !== DISCARDED_NOTHING) {
      flags = FLAG_INEXACT;
      if (roundsUp(rounding, sign, kept, discarded)) kept += 1n;
    }
  }

  // The leading one, and a carry out of the rounding, add one to the exponent field by themselves.
  const scale = exponent + shift - format.minLsbExponent;
  const magnitude = scale === 0 ? kept : (BigInt(scale) << format.fractionShift) + kept;
  if (magnitude >= format.infinity) return overflow(format, rounding, sign);
  if (isSubnormal && flags !== 0) {
    const isTiny =
      magnitude !== format.leadingOne || !reachesNormal(format, rounding, sign, significand, length, normalShift);
    if (isTiny) flags |= FLAG_UNDERFLOW;
  }
  return { bits: sign === 0 ? magnitude : magnitude | format.signBit, flags };
}

/** Infinity or the largest finite value, by rounding mode. Spec: IEEE 754-2019 7.4. */
function overflow(format: FloatFormat, rounding: number, sign: number): FloatResult {
  const isInfinite = roundsUp(rounding, sign, 1n, DISCARDED_ABOVE_HALF);
  const magnitude = isInfinite ? format.infinity : format.largestFinite;
  return { bits: sign === 0 ? magnitude : magnitude | format.signBit, flags: FLAG_OVERFLOW | FLAG_INEXACT };
}

/**
 * Whether a value just below the smallest normal, rounded to full precision as if the exponent had no lower bound,
 * becomes that normal: then it is not tiny although it was rounded as a subnormal.
 */
function reachesNormal(
  format: FloatFormat,
  rounding: number,
  sign: number,
  significand: bigint,
  length: number,
  normalShift: number,
): boolean {
  if (normalShift <= 0) return false;
  const kept = shiftRight(significand, normalShift);
  if (kept !== pow2(format.precision) - 1n) return false;
  return roundsUp(rounding, sign, kept, discardedBy(significand, length, normalShift));
}

export function invalidNan(format: FloatFormat): FloatResult {
  return { bits: format.canonicalNan, flags: FLAG_INVALID };
}

export function exact(bits: bigint): FloatResult {
  return { bits, flags: 0 };
}
