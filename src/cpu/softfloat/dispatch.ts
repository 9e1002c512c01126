/**
 * The one entry for the engines: an operation by number, in a format by number.
 *
 * Operands and results are raw bits in the operation's own width. NaN boxing is the caller's: before the call it
 * replaces an improperly boxed narrow operand by the format's canonical NaN, after it it boxes a narrow result. The
 * caller also resolves the dynamic rounding mode, traps on reserved ones, and ORs the flags into fcsr.
 *
 * Spec: RISC-V unprivileged ISA 20240411, 20 to 22, Zfh, Zfa. Thread: any; nothing is kept between calls.
 */

import {
  add,
  divide,
  multiply,
  multiplyAdd,
  multiplySubtract,
  negatedMultiplyAdd,
  negatedMultiplySubtract,
  sqrt,
  subtract,
} from "#cpu/softfloat/arithmetic.ts";
import { classify } from "#cpu/softfloat/classify.ts";
import {
  equal,
  less,
  lessOrEqual,
  lessOrEqualQuiet,
  lessQuiet,
  maximum,
  maximumNumber,
  minimum,
  minimumNumber,
} from "#cpu/softfloat/compare.ts";
import {
  fromInteger,
  INT32,
  INT64,
  roundToIntegral,
  roundToIntegralExact,
  toFormat,
  toInteger,
  toInteger32Modular,
  UINT32,
  UINT64,
} from "#cpu/softfloat/convert.ts";
import { BINARY16, BINARY32, BINARY64, type FloatFormat } from "#cpu/softfloat/format.ts";
import type { FloatResult } from "#cpu/softfloat/round.ts";

/** An operation's number, in the order of the handlers below. */
// biome-ignore format: a table
export const FloatOp = {
  add: 0, sub: 1, mul: 2, div: 3, sqrt: 4,
  /** a*b+c, a*b-c, -(a*b)+c, -(a*b)-c */
  fmadd: 5, fmsub: 6, fnmsub: 7, fnmadd: 8,
  /** A NaN loses in min and max, and wins in minm and maxm. */
  min: 9, max: 10, minm: 11, maxm: 12,
  /** lt and le are invalid for any NaN; eq, ltq and leq for a signalling one. */
  eq: 13, lt: 14, le: 15, ltq: 16, leq: 17,
  class: 18,
  /** To a 64-bit register; 32-bit results are sign-extended. */
  cvt_i32: 19, cvt_u32: 20, cvt_i64: 21, cvt_u64: 22,
  /** `a` is a 64-bit register; the i32 and u32 forms read its low half. */
  from_i32: 23, from_u32: 24, from_i64: 25, from_u64: 26,
  /** From the operation's format to the named one. */
  to_f16: 27, to_f32: 28, to_f64: 29,
  /** To an integral value: round is silent, roundnx reports inexact. */
  round: 30, roundnx: 31,
  /** The low 32 bits of the truncated value, sign-extended. */
  cvtmod_w: 32,
} as const;
export type FloatOpName = keyof typeof FloatOp;
export type FloatOp = (typeof FloatOp)[FloatOpName];

/** A format's number: the `fmt` field of RISC-V's instructions. */
export const FloatFormatIndex = { f32: 0, f64: 1, f16: 2 } as const;
export type FloatFormatName = keyof typeof FloatFormatIndex;
export type FloatFormatIndex = (typeof FloatFormatIndex)[FloatFormatName];

type Handler = (format: FloatFormat, rounding: number, a: bigint, b: bigint, c: bigint) => FloatResult;

const HANDLERS: Readonly<Record<FloatOpName, Handler>> = {
  add,
  sub: subtract,
  mul: multiply,
  div: divide,
  sqrt,
  fmadd: multiplyAdd,
  fmsub: multiplySubtract,
  fnmsub: negatedMultiplySubtract,
  fnmadd: negatedMultiplyAdd,
  min: (format, _rounding, a, b) => minimumNumber(format, a, b),
  max: (format, _rounding, a, b) => maximumNumber(format, a, b),
  minm: (format, _rounding, a, b) => minimum(format, a, b),
  maxm: (format, _rounding, a, b) => maximum(format, a, b),
  eq: (format, _rounding, a, b) => equal(format, a, b),
  lt: (format, _rounding, a, b) => less(format, a, b),
  le: (format, _rounding, a, b) => lessOrEqual(format, a, b),
  ltq: (format, _rounding, a, b) => lessQuiet(format, a, b),
  leq: (format, _rounding, a, b) => lessOrEqualQuiet(format, a, b),
  class: (format, _rounding, a) => classify(format, a),
  cvt_i32: (format, rounding, a) => toInteger(format, INT32, rounding, a),
  cvt_u32: (format, rounding, a) => toInteger(format, UINT32, rounding, a),
  cvt_i64: (format, rounding, a) => toInteger(format, INT64, rounding, a),
  cvt_u64: (format, rounding, a) => toInteger(format, UINT64, rounding, a),
  from_i32: (format, rounding, a) => fromInteger(format, INT32, rounding, a),
  from_u32: (format, rounding, a) => fromInteger(format, UINT32, rounding, a),
  from_i64: (format, rounding, a) => fromInteger(format, INT64, rounding, a),
  from_u64: (format, rounding, a) => fromInteger(format, UINT64, rounding, a),
  to_f16: (format, rounding, a) => toFormat(format, BINARY16, rounding, a),
  to_f32: (format, rounding, a) => toFormat(format, BINARY32, rounding, a),
  to_f64: (format, rounding, a) => toFormat(format, BINARY64, rounding, a),
  round: roundToIntegral,
  roundnx: roundToIntegralExact,
  cvtmod_w: (format, _rounding, a) => toInteger32Modular(format, a),
};

function byNumber<Name extends string, Entry>(
  numbers: Readonly<Record<Name, number>>,
  entries: Readonly<Record<Name, Entry>>,
): readonly Entry[] {
  const table: Entry[] = [];
  for (const name of Object.keys(numbers) as Name[]) table[numbers[name]] = entries[name];
  return table;
}

const HANDLER_TABLE = byNumber(FloatOp, HANDLERS);
const FORMAT_TABLE = byNumber(FloatFormatIndex, { f32: BINARY32, f64: BINARY64, f16: BINARY16 });

/**
 * Runs one operation. Unused operands are ignored (0n); `roundingMode` is 0 to 4 also where it has no effect.
 * Operands must be unsigned and within their width. `flags` of the result are in the order of fflags.
 */
export function floatSlowOp(
  op: FloatOp,
  format: FloatFormatIndex,
  roundingMode: number,
  a: bigint,
  b: bigint,
  c: bigint,
): FloatResult {
  return (HANDLER_TABLE[op] as Handler)(FORMAT_TABLE[format] as FloatFormat, roundingMode, a, b, c);
}
