/**
 * Addition, subtraction, multiplication, division, square root and fused multiply-add.
 *
 * Each function unpacks its operands, settles NaNs, infinities and zeros, computes the exact result (division and
 * square root: enough bits and a sticky one) and rounds once.
 *
 * Spec: IEEE 754-2019 5.4.1, 6.1 to 6.3, 7.2, 7.3; RISC-V unprivileged ISA 20240411, 20.3 (every NaN result is
 * canonical), 20.6 (fused multiply-add: infinity times zero is invalid even with a quiet NaN addend).
 */

import { bitLength, shiftLeft, squareRoot } from "#cpu/softfloat/bits.ts";
import {
  type FloatFormat,
  KIND_INFINITY,
  KIND_QUIET_NAN,
  KIND_SIGNALLING_NAN,
  KIND_ZERO,
  type Unpacked,
  unpack,
} from "#cpu/softfloat/format.ts";
import {
  exact,
  FLAG_DIVIDE_BY_ZERO,
  FLAG_INVALID,
  type FloatResult,
  invalidNan,
  ROUND_DOWN,
  roundAndPack,
} from "#cpu/softfloat/round.ts";

export function add(format: FloatFormat, rounding: number, a: bigint, b: bigint): FloatResult {
  const x = unpack(format, a);
  const y = unpack(format, b);
  if (x.kind >= KIND_INFINITY || y.kind >= KIND_INFINITY) {
    if (isNan(x) || isNan(y)) return propagateNan(format, x, y);
    if (x.kind !== KIND_INFINITY) return exact(b);
    return y.kind === KIND_INFINITY && x.sign !== y.sign ? invalidNan(format) : exact(a);
  }
  return addExact(format, rounding, x.sign, x.exponent, x.significand, y);
}

/** a - b */
export function subtract(format: FloatFormat, rounding: number, a: bigint, b: bigint): FloatResult {
  return add(format, rounding, a, b ^ format.signBit);
}

export function multiply(format: FloatFormat, rounding: number, a: bigint, b: bigint): FloatResult {
  const x = unpack(format, a);
  const y = unpack(format, b);
  const sign = x.sign ^ y.sign;
  if (x.kind >= KIND_INFINITY || y.kind >= KIND_INFINITY) {
    if (isNan(x) || isNan(y)) return propagateNan(format, x, y);
    if (x.kind === KIND_ZERO || y.kind === KIND_ZERO) return invalidNan(format);
    return exact(withSign(format, sign, format.infinity));
  }
  if (x.kind === KIND_ZERO || y.kind === KIND_ZERO) return exact(withSign(format, sign, 0n));
  return roundAndPack(format, rounding, sign, x.exponent + y.exponent, x.significand * y.significand);
}

/** a / b */
export function divide(format: FloatFormat, rounding: number, a: bigint, b: bigint): FloatResult {
  const x = unpack(format, a);
  const y = unpack(format, b);
  const sign = x.sign ^ y.sign;
  if (isNan(x) || isNan(y)) return propagateNan(format, x, y);
  if (x.kind === KIND_INFINITY) {
    return y.kind === KIND_INFINITY ? invalidNan(format) : exact(withSign(format, sign, format.infinity));
  }
  if (y.kind === KIND_INFINITY) return exact(withSign(format, sign, 0n));
  if (y.kind === KIND_ZERO) {
    if (x.kind === KIND_ZERO) return invalidNan(format);
    return { bits: withSign(format, sign, format.infinity), flags: FLAG_DIVIDE_BY_ZERO };
  }
  if (x.kind === KIND_ZERO) return exact(withSign(format, sign, 0n));

  // The quotient gets two or three bits more than the precision, whatever the lengths of subnormal operands.
  const shift = format.precision + 2 + bitLength(y.significand) - bitLength(x.significand);
  const dividend = shiftLeft(x.significand, shift);
  const quotient = dividend / y.significand;
  const sticky = quotient * y.significand === dividend ? quotient : quotient | 1n;
  return roundAndPack(format, rounding, sign, x.exponent - y.exponent - shift, sticky);
}

export function sqrt(format: FloatFormat, rounding: number, a: bigint): FloatResult {
  const x = unpack(format, a);
  if (isNan(x)) return x.kind === KIND_SIGNALLING_NAN ? invalidNan(format) : exact(format.canonicalNan);
  if (x.kind === KIND_ZERO) return exact(a);
  if (x.sign === 1) return invalidNan(format);
  if (x.kind === KIND_INFINITY) return exact(a);

  // A root with at least two bits more than the precision, from a radicand whose exponent is even.
  const wanted = 2 * (format.precision + 2) - bitLength(x.significand);
  const shift = wanted + ((x.exponent - wanted) & 1);
  const radicand = shiftLeft(x.significand, shift);
  const root = squareRoot(radicand);
  const sticky = root * root === radicand ? root : root | 1n;
  return roundAndPack(format, rounding, 0, (x.exponent - shift) / 2, sticky);
}

/** a * b + c, rounded once. */
export function multiplyAdd(format: FloatFormat, rounding: number, a: bigint, b: bigint, c: bigint): FloatResult {
  const x = unpack(format, a);
  const y = unpack(format, b);
  const z = unpack(format, c);
  const productSign = x.sign ^ y.sign;
  if (x.kind >= KIND_INFINITY || y.kind >= KIND_INFINITY || z.kind >= KIND_INFINITY) {
    const isInvalidProduct =
      (x.kind === KIND_INFINITY && y.kind === KIND_ZERO) || (x.kind === KIND_ZERO && y.kind === KIND_INFINITY);
    if (isInvalidProduct) return invalidNan(format);
    if (isNan(x) || isNan(y) || isNan(z)) {
      const isSignalling =
        x.kind === KIND_SIGNALLING_NAN || y.kind === KIND_SIGNALLING_NAN || z.kind === KIND_SIGNALLING_NAN;
      return isSignalling ? invalidNan(format) : exact(format.canonicalNan);
    }
    if (x.kind !== KIND_INFINITY && y.kind !== KIND_INFINITY) return exact(c);
    if (z.kind === KIND_INFINITY && z.sign !== productSign) return invalidNan(format);
    return exact(withSign(format, productSign, format.infinity));
  }
  return addExact(format, rounding, productSign, x.exponent + y.exponent, x.significand * y.significand, z);
}

/** a * b - c */
export function multiplySubtract(format: FloatFormat, rounding: number, a: bigint, b: bigint, c: bigint): FloatResult {
  return multiplyAdd(format, rounding, a, b, c ^ format.signBit);
}

/** -(a * b) + c */
export function negatedMultiplySubtract(
  format: FloatFormat,
  rounding: number,
  a: bigint,
  b: bigint,
  c: bigint,
): FloatResult {
  return multiplyAdd(format, rounding, a ^ format.signBit, b, c);
}

/** -(a * b) - c */
export function negatedMultiplyAdd(
  format: FloatFormat,
  rounding: number,
  a: bigint,
  b: bigint,
  c: bigint,
): FloatResult {
  return multiplyAdd(format, rounding, a ^ format.signBit, b, c ^ format.signBit);
}

/** The sum of two finite values, of which the first may have up to twice the precision (a product). */
function addExact(
  format: FloatFormat,
  rounding: number,
  xSign: number,
  xExponent: number,
  xSignificand: bigint,
  y: Unpacked,
): FloatResult {
  if (xSignificand === 0n) {
    if (y.significand === 0n) return exact(withSign(format, zeroSumSign(rounding, xSign, y.sign), 0n));
    return roundAndPack(format, rounding, y.sign, y.exponent, y.significand);
  }
  if (y.significand === 0n) return roundAndPack(format, rounding, xSign, xExponent, xSignificand);

  let left = xSignificand;
  let right = y.significand;
  let exponent: number;
  const gap = xExponent - y.exponent;
  // Beyond this gap the smaller operand, of up to two precisions, lies wholly below the `headroom` bits that are
  // appended to the larger one: all that matters of it is that it is not zero.
  const headroom = format.precision + 3;
  const maxGap = 2 * format.precision + headroom;
  if (gap >= 0) {
    exponent = gap > maxGap ? xExponent - headroom : y.exponent;
    left = shiftLeft(left, gap > maxGap ? headroom : gap);
    if (gap > maxGap) right = 1n;
  } else {
    exponent = -gap > maxGap ? y.exponent - headroom : xExponent;
    right = shiftLeft(right, -gap > maxGap ? headroom : -gap);
    if (-gap > maxGap) left = 1n;
  }

  if (xSign === y.sign) return roundAndPack(format, rounding, xSign, exponent, left + right);
  if (left === right) return exact(withSign(format, zeroSumSign(rounding, xSign, y.sign), 0n));
  return left > right
    ? roundAndPack(format, rounding, xSign, exponent, left - right)
    : roundAndPack(format, rounding, y.sign, exponent, right - left);
}

/** Spec: IEEE 754-2019 6.3: a zero sum of opposite signs is positive, except when rounding down. */
function zeroSumSign(rounding: number, xSign: number, ySign: number): number {
  if (xSign === ySign) return xSign;
  return rounding === ROUND_DOWN ? 1 : 0;
}

function isNan(x: Unpacked): boolean {
  return x.kind >= KIND_QUIET_NAN;
}

function propagateNan(format: FloatFormat, x: Unpacked, y: Unpacked): FloatResult {
  const isSignalling = x.kind === KIND_SIGNALLING_NAN || y.kind === KIND_SIGNALLING_NAN;
  return { bits: format.canonicalNan, flags: isSignalling ? FLAG_INVALID : 0 };
}

function withSign(format: FloatFormat, sign: number, magnitude: bigint): bigint {
  return sign === 0 ? magnitude : magnitude | format.signBit;
}
