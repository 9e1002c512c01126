/**
 * The ten classes of a value, as a mask with one bit set.
 * Spec: RISC-V unprivileged ISA 20240411, 20.9, "Single-Precision Floating-Point Classify Instruction".
 */

import {
  type FloatFormat,
  KIND_INFINITY,
  KIND_QUIET_NAN,
  KIND_SIGNALLING_NAN,
  KIND_ZERO,
  unpack,
} from "#cpu/softfloat/format.ts";
import { exact, type FloatResult } from "#cpu/softfloat/round.ts";

export const CLASS_NEGATIVE_INFINITY = 1n << 0n;
export const CLASS_NEGATIVE_NORMAL = 1n << 1n;
export const CLASS_NEGATIVE_SUBNORMAL = 1n << 2n;
export const CLASS_NEGATIVE_ZERO = 1n << 3n;
export const CLASS_POSITIVE_ZERO = 1n << 4n;
export const CLASS_POSITIVE_SUBNORMAL = 1n << 5n;
export const CLASS_POSITIVE_NORMAL = 1n << 6n;
export const CLASS_POSITIVE_INFINITY = 1n << 7n;
export const CLASS_SIGNALLING_NAN = 1n << 8n;
export const CLASS_QUIET_NAN = 1n << 9n;

export function classify(format: FloatFormat, bits: bigint): FloatResult {
  const x = unpack(format, bits);
  const isNegative = x.sign === 1;
  switch (x.kind) {
    case KIND_QUIET_NAN:
      return exact(CLASS_QUIET_NAN);
    case KIND_SIGNALLING_NAN:
      return exact(CLASS_SIGNALLING_NAN);
    case KIND_INFINITY:
      return exact(isNegative ? CLASS_NEGATIVE_INFINITY : CLASS_POSITIVE_INFINITY);
    case KIND_ZERO:
      return exact(isNegative ? CLASS_NEGATIVE_ZERO : CLASS_POSITIVE_ZERO);
    default:
      if (x.significand < format.leadingOne)
        return exact(isNegative ? CLASS_NEGATIVE_SUBNORMAL : CLASS_POSITIVE_SUBNORMAL);
      return exact(isNegative ? CLASS_NEGATIVE_NORMAL : CLASS_POSITIVE_NORMAL);
  }
}
