/**
 * Binary floating-point formats, one row each, and the split of a value into its parts.
 *
 * Values are raw bits: an unsigned bigint of the format's width, never NaN-boxed. Everything in this folder is
 * derived from the three numbers of a row, so another IEEE 754 interchange format is one more row.
 *
 * Spec: IEEE 754-2019 3.4, "Binary interchange format encodings"; RISC-V unprivileged ISA 20240411, 20.3 (canonical NaN).
 */

import { pow2 } from "#cpu/softfloat/bits.ts";

export type FloatFormat = {
  readonly name: string;
  readonly width: number;
  readonly exponentBits: number;
  /** Stored significand bits, without the leading one. */
  readonly fractionBits: number;
  /** Significand bits with the leading one. */
  readonly precision: number;
  /** All ones in the exponent field: infinities and NaNs. */
  readonly maxBiasedExponent: number;
  /** log2 of the smallest subnormal, which is also the weight of the last bit of the smallest normal. */
  readonly minLsbExponent: number;
  /** `fractionBits` as a bigint, for shifts. */
  readonly fractionShift: bigint;
  readonly signBit: bigint;
  readonly fractionMask: bigint;
  /** The leading one, at its place above the fraction. Also the bits of the smallest normal. */
  readonly leadingOne: bigint;
  readonly quietBit: bigint;
  readonly infinity: bigint;
  readonly largestFinite: bigint;
  /** RISC-V's canonical NaN: positive, quiet, no payload. */
  readonly canonicalNan: bigint;
};

/** A row: everything else follows from the width and the exponent bits. */
export function floatFormat(name: string, width: number, exponentBits: number): FloatFormat {
  const fractionBits = width - 1 - exponentBits;
  const maxBiasedExponent = 2 ** exponentBits - 1;
  const infinity = BigInt(maxBiasedExponent) << BigInt(fractionBits);
  const quietBit = pow2(fractionBits - 1);
  return {
    name,
    width,
    exponentBits,
    fractionBits,
    precision: fractionBits + 1,
    maxBiasedExponent,
    minLsbExponent: 2 - 2 ** (exponentBits - 1) - fractionBits,
    fractionShift: BigInt(fractionBits),
    signBit: pow2(width - 1),
    fractionMask: pow2(fractionBits) - 1n,
    leadingOne: pow2(fractionBits),
    quietBit,
    infinity,
    largestFinite: infinity - 1n,
    canonicalNan: infinity | quietBit,
  };
}

export const BINARY16 = floatFormat("f16", 16, 5);
export const BINARY32 = floatFormat("f32", 32, 8);
export const BINARY64 = floatFormat("f64", 64, 11);

// The order matters: every kind from KIND_QUIET_NAN up is a NaN.
export const KIND_ZERO = 0;
export const KIND_FINITE = 1;
export const KIND_INFINITY = 2;
export const KIND_QUIET_NAN = 3;
export const KIND_SIGNALLING_NAN = 4;

/** A value taken apart. For zero and finite values it is (-1)^sign * significand * 2^exponent, exactly. */
export type Unpacked = {
  readonly kind: number;
  /** 0 or 1. */
  readonly sign: number;
  readonly exponent: number;
  /** With the leading one if normal; 0 for zeros, infinities and NaNs. */
  readonly significand: bigint;
};

export function unpack(format: FloatFormat, bits: bigint): Unpacked {
  // Sign and exponent together fit a number in every format.
  const head = Number(bits >> format.fractionShift);
  const max = format.maxBiasedExponent;
  const biased = head & max;
  const sign = head > max ? 1 : 0;
  const fraction = bits & format.fractionMask;
  if (biased === max) {
    if (fraction === 0n) return { kind: KIND_INFINITY, sign, exponent: 0, significand: 0n };
    const kind = (fraction & format.quietBit) === 0n ? KIND_SIGNALLING_NAN : KIND_QUIET_NAN;
    return { kind, sign, exponent: 0, significand: 0n };
  }
  if (biased === 0) {
    const kind = fraction === 0n ? KIND_ZERO : KIND_FINITE;
    return { kind, sign, exponent: format.minLsbExponent, significand: fraction };
  }
  return {
    kind: KIND_FINITE,
    sign,
    exponent: format.minLsbExponent + biased - 1,
    significand: fraction | format.leadingOne,
  };
}
