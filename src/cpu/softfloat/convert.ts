/**
 * Conversions between formats, to and from integers, and rounding to an integral value.
 *
 * Integer operands and results are 64-bit register contents: unsigned bigints holding two's complement; a 32-bit
 * result is sign-extended, also an unsigned one.
 *
 * Spec: IEEE 754-2019 5.4.2, 5.8, 5.9; RISC-V unprivileged ISA 20240411, 20.7 (saturation of conversions), Zfa
 * (fround, froundnx, fcvtmod.w.d).
 */

import { bitLength, shiftLeft, shiftRight } from "#cpu/softfloat/bits.ts";
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
  DISCARDED_NOTHING,
  discardedBy,
  exact,
  FLAG_INEXACT,
  FLAG_INVALID,
  type FloatResult,
  invalidNan,
  ROUND_TO_ZERO,
  roundAndPack,
  roundsUp,
} from "#cpu/softfloat/round.ts";

const SIGN_64 = 1n << 63n;
const WRAP_64 = 1n << 64n;
const SIGN_32 = 1n << 31n;
const WRAP_32 = 1n << 32n;

/** An integer type of RISC-V's conversions. */
export type IntegerType = {
  readonly name: "i32" | "u32" | "i64" | "u64";
  readonly width: 32 | 64;
  readonly min: bigint;
  readonly max: bigint;
};

export const INT32: IntegerType = { name: "i32", width: 32, min: -SIGN_32, max: SIGN_32 - 1n };
export const UINT32: IntegerType = { name: "u32", width: 32, min: 0n, max: WRAP_32 - 1n };
export const INT64: IntegerType = { name: "i64", width: 64, min: -SIGN_64, max: SIGN_64 - 1n };
export const UINT64: IntegerType = { name: "u64", width: 64, min: 0n, max: WRAP_64 - 1n };

/** From one format to another. */
export function toFormat(from: FloatFormat, to: FloatFormat, rounding: number, bits: bigint): FloatResult {
  const x = unpack(from, bits);
  if (x.kind >= KIND_QUIET_NAN) return x.kind === KIND_SIGNALLING_NAN ? invalidNan(to) : exact(to.canonicalNan);
  const signBit = x.sign === 0 ? 0n : to.signBit;
  if (x.kind === KIND_INFINITY) return exact(to.infinity | signBit);
  if (x.kind === KIND_ZERO) return exact(signBit);
  return roundAndPack(to, rounding, x.sign, x.exponent, x.significand);
}

/** Saturates out of range, a NaN counting as +infinity; then only the invalid flag is raised. */
export function toInteger(format: FloatFormat, type: IntegerType, rounding: number, bits: bigint): FloatResult {
  const x = unpack(format, bits);
  if (x.kind === KIND_ZERO) return exact(0n);
  if (x.kind >= KIND_QUIET_NAN) return saturated(type, type.max);
  const limit = x.sign === 0 ? type.max : type.min;
  if (x.kind === KIND_INFINITY || x.exponent > 64) return saturated(type, limit);

  const rounded = toIntegral(rounding, x);
  const value = x.sign === 0 ? rounded.magnitude : -rounded.magnitude;
  if (value > type.max || value < type.min) return saturated(type, limit);
  return { bits: registerBits(type, value), flags: rounded.isInexact ? FLAG_INEXACT : 0 };
}

/** Truncates and keeps the low 32 bits, sign-extended; flags as conversion to i32 (Zfa fcvtmod.w.d). */
export function toInteger32Modular(format: FloatFormat, bits: bigint): FloatResult {
  const { flags } = toInteger(format, INT32, ROUND_TO_ZERO, bits);
  const x = unpack(format, bits);
  // Multiples of 2^32 have nothing left; this also keeps the shift short.
  if (x.kind >= KIND_INFINITY || x.exponent >= 32) return { bits: 0n, flags };
  const { magnitude } = toIntegral(ROUND_TO_ZERO, x);
  const low = BigInt.asIntN(32, x.sign === 0 ? magnitude : -magnitude);
  return { bits: registerBits(INT32, low), flags };
}

/** The integer in the low 32 or all 64 bits of a register. */
export function fromInteger(format: FloatFormat, type: IntegerType, rounding: number, register: bigint): FloatResult {
  const value = type.min === 0n ? BigInt.asUintN(type.width, register) : BigInt.asIntN(type.width, register);
  if (value === 0n) return exact(0n);
  return value < 0n ? roundAndPack(format, rounding, 1, 0, -value) : roundAndPack(format, rounding, 0, 0, value);
}

/** To an integral value of the same format; inexactness is not reported (Zfa fround). */
export function roundToIntegral(format: FloatFormat, rounding: number, bits: bigint): FloatResult {
  const result = roundToIntegralExact(format, rounding, bits);
  return { bits: result.bits, flags: result.flags & ~FLAG_INEXACT };
}

/** To an integral value of the same format; inexactness is reported (Zfa froundnx). */
export function roundToIntegralExact(format: FloatFormat, rounding: number, bits: bigint): FloatResult {
  const x = unpack(format, bits);
  if (x.kind >= KIND_QUIET_NAN) return x.kind === KIND_SIGNALLING_NAN ? invalidNan(format) : exact(format.canonicalNan);
  if (x.kind !== KIND_INFINITY && x.kind !== KIND_ZERO && x.exponent < 0) {
    const { magnitude, isInexact } = toIntegral(rounding, x);
    const flags = isInexact ? FLAG_INEXACT : 0;
    if (magnitude === 0n) return { bits: x.sign === 0 ? 0n : format.signBit, flags };
    return { bits: roundAndPack(format, rounding, x.sign, 0, magnitude).bits, flags };
  }
  return exact(bits);
}

type Integral = { readonly magnitude: bigint; readonly isInexact: boolean };

/** The nearest integer magnitude of a finite value. */
function toIntegral(rounding: number, x: Unpacked): Integral {
  const { significand, exponent } = x;
  if (significand === 0n || exponent >= 0) {
    return { magnitude: exponent > 0 ? shiftLeft(significand, exponent) : significand, isInexact: false };
  }
  const length = bitLength(significand);
  const discarded = discardedBy(significand, length, -exponent);
  const kept = -exponent > length ? 0n : shiftRight(significand, -exponent);
  const magnitude = roundsUp(rounding, x.sign, kept, discarded) ? kept + 1n : kept;
  return { magnitude, isInexact: discarded !== DISCARDED_NOTHING };
}

function saturated(type: IntegerType, limit: bigint): FloatResult {
  return { bits: registerBits(type, limit), flags: FLAG_INVALID };
}

/** A value as register contents: 32-bit results are sign-extended from bit 31, also unsigned ones. */
function registerBits(type: IntegerType, value: bigint): bigint {
  const extended = type.width === 32 && value >= SIGN_32 ? value - WRAP_32 : value;
  return extended < 0n ? extended + WRAP_64 : extended;
}
