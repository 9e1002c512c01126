/**
 * Comparisons, minimum and maximum. All work on the raw bits: without their sign, finite values and infinities are
 * ordered as integers, and everything above infinity is a NaN.
 *
 * Spec: IEEE 754-2019 5.11 (comparisons), 9.6 (minimumNumber, maximumNumber, minimum, maximum); RISC-V unprivileged
 * ISA 20240411, 20.6 to 20.8, and Zfa.
 */

import type { FloatFormat } from "#cpu/softfloat/format.ts";
import { exact, FLAG_INVALID, type FloatResult, invalidNan } from "#cpu/softfloat/round.ts";

/** a == b; only a signalling NaN is invalid. */
export function equal(format: FloatFormat, a: bigint, b: bigint): FloatResult {
  if (isNanBits(format, a) || isNanBits(format, b))
    return unordered(isSignalling(format, a) || isSignalling(format, b));
  return exact(a === b || isZeroPair(format, a, b) ? 1n : 0n);
}

/** a < b; any NaN is invalid. */
export function less(format: FloatFormat, a: bigint, b: bigint): FloatResult {
  if (isNanBits(format, a) || isNanBits(format, b)) return unordered(true);
  return exact(isLess(format, a, b) && !isZeroPair(format, a, b) ? 1n : 0n);
}

/** a <= b; any NaN is invalid. */
export function lessOrEqual(format: FloatFormat, a: bigint, b: bigint): FloatResult {
  if (isNanBits(format, a) || isNanBits(format, b)) return unordered(true);
  return exact(!isLess(format, b, a) || isZeroPair(format, a, b) ? 1n : 0n);
}

/** a < b; only a signalling NaN is invalid (Zfa fltq). */
export function lessQuiet(format: FloatFormat, a: bigint, b: bigint): FloatResult {
  if (isNanBits(format, a) || isNanBits(format, b))
    return unordered(isSignalling(format, a) || isSignalling(format, b));
  return less(format, a, b);
}

/** a <= b; only a signalling NaN is invalid (Zfa fleq). */
export function lessOrEqualQuiet(format: FloatFormat, a: bigint, b: bigint): FloatResult {
  if (isNanBits(format, a) || isNanBits(format, b))
    return unordered(isSignalling(format, a) || isSignalling(format, b));
  return lessOrEqual(format, a, b);
}

/** minimumNumber: a NaN loses against a number; -0 is below +0. */
export function minimumNumber(format: FloatFormat, a: bigint, b: bigint): FloatResult {
  return pickNumber(format, a, b, isLess(format, a, b) ? a : b);
}

/** maximumNumber: a NaN loses against a number; -0 is below +0. */
export function maximumNumber(format: FloatFormat, a: bigint, b: bigint): FloatResult {
  return pickNumber(format, a, b, isLess(format, a, b) ? b : a);
}

/** minimum: a NaN wins (Zfa fminm). */
export function minimum(format: FloatFormat, a: bigint, b: bigint): FloatResult {
  return pickNan(format, a, b, isLess(format, a, b) ? a : b);
}

/** maximum: a NaN wins (Zfa fmaxm). */
export function maximum(format: FloatFormat, a: bigint, b: bigint): FloatResult {
  return pickNan(format, a, b, isLess(format, a, b) ? b : a);
}

function pickNumber(format: FloatFormat, a: bigint, b: bigint, picked: bigint): FloatResult {
  const flags = isSignalling(format, a) || isSignalling(format, b) ? FLAG_INVALID : 0;
  if (isNanBits(format, a)) return { bits: isNanBits(format, b) ? format.canonicalNan : b, flags };
  return { bits: isNanBits(format, b) ? a : picked, flags };
}

function pickNan(format: FloatFormat, a: bigint, b: bigint, picked: bigint): FloatResult {
  if (isSignalling(format, a) || isSignalling(format, b)) return invalidNan(format);
  return exact(isNanBits(format, a) || isNanBits(format, b) ? format.canonicalNan : picked);
}

function unordered(isInvalid: boolean): FloatResult {
  return { bits: 0n, flags: isInvalid ? FLAG_INVALID : 0 };
}

/** Total order of numbers with -0 below +0. NaNs give an answer without meaning. */
function isLess(format: FloatFormat, a: bigint, b: bigint): boolean {
  const isNegativeA = a >= format.signBit;
  const isNegativeB = b >= format.signBit;
  if (isNegativeA !== isNegativeB) return isNegativeA;
  return isNegativeA ? a > b : a < b;
}

function isZeroPair(format: FloatFormat, a: bigint, b: bigint): boolean {
  return (a === 0n || a === format.signBit) && (b === 0n || b === format.signBit);
}

function isNanBits(format: FloatFormat, bits: bigint): boolean {
  return (bits >= format.signBit ? bits ^ format.signBit : bits) > format.infinity;
}

function isSignalling(format: FloatFormat, bits: bigint): boolean {
  return isNanBits(format, bits) && (bits & format.quietBit) === 0n;
}
