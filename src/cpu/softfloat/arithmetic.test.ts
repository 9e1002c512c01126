import { expect, test } from "vitest";
import {
  add,
  divide,
  multiply,
  multiplyAdd,
  negatedMultiplyAdd,
  negatedMultiplySubtract,
  sqrt,
  subtract,
} from "#cpu/softfloat/arithmetic.ts";
import { BINARY32 } from "#cpu/softfloat/format.ts";

const NX = 1;
const UF = 2;
const OF = 4;
const DZ = 8;
const NV = 16;
const [RNE, RTZ, RDN, RUP, RMM] = [0, 1, 2, 3, 4];

const ONE = 0x3f800000n;
const TWO = 0x40000000n;
const MINUS_ONE = 0xbf800000n;
const MINUS_ZERO = 0x80000000n;
const INF = 0x7f800000n;
const MINUS_INF = 0xff800000n;
const MAX = 0x7f7fffffn;
const MIN_NORMAL = 0x00800000n;
const QNAN = 0x7fc12345n;
const SNAN = 0x7f812345n;
const NAN = 0x7fc00000n;

const f = BINARY32;

test("NaN results are canonical; only a signalling operand is invalid", () => {
  expect(add(f, RNE, QNAN, ONE)).toEqual({ bits: NAN, flags: 0 });
  expect(multiply(f, RNE, ONE, SNAN)).toEqual({ bits: NAN, flags: NV });
  expect(divide(f, RNE, QNAN, 0n)).toEqual({ bits: NAN, flags: 0 });
  expect(sqrt(f, RNE, SNAN)).toEqual({ bits: NAN, flags: NV });
  expect(sqrt(f, RNE, 0xffc00000n)).toEqual({ bits: NAN, flags: 0 });
});

test("invalid operations", () => {
  const invalid = { bits: NAN, flags: NV };
  expect(add(f, RNE, INF, MINUS_INF)).toEqual(invalid);
  expect(subtract(f, RNE, INF, INF)).toEqual(invalid);
  expect(multiply(f, RNE, INF, MINUS_ZERO)).toEqual(invalid);
  expect(divide(f, RNE, 0n, MINUS_ZERO)).toEqual(invalid);
  expect(divide(f, RNE, INF, INF)).toEqual(invalid);
  expect(sqrt(f, RNE, MINUS_ONE)).toEqual(invalid);
  expect(multiplyAdd(f, RNE, INF, ONE, MINUS_INF)).toEqual(invalid);
  // RISC-V: invalid even though a quiet NaN is added.
  expect(multiplyAdd(f, RNE, INF, 0n, QNAN)).toEqual(invalid);
});

test("division by zero and infinities", () => {
  expect(divide(f, RNE, MINUS_ONE, 0n)).toEqual({ bits: MINUS_INF, flags: DZ });
  expect(divide(f, RNE, INF, 0n)).toEqual({ bits: INF, flags: 0 });
  expect(divide(f, RNE, ONE, MINUS_INF)).toEqual({ bits: MINUS_ZERO, flags: 0 });
  expect(sqrt(f, RNE, INF)).toEqual({ bits: INF, flags: 0 });
});

test("signs of zero", () => {
  expect(add(f, RNE, ONE, MINUS_ONE)).toEqual({ bits: 0n, flags: 0 });
  expect(add(f, RDN, ONE, MINUS_ONE)).toEqual({ bits: MINUS_ZERO, flags: 0 });
  expect(add(f, RNE, MINUS_ZERO, MINUS_ZERO)).toEqual({ bits: MINUS_ZERO, flags: 0 });
  expect(add(f, RDN, 0n, 0n)).toEqual({ bits: 0n, flags: 0 });
  expect(sqrt(f, RNE, MINUS_ZERO)).toEqual({ bits: MINUS_ZERO, flags: 0 });
  expect(multiplyAdd(f, RDN, ONE, ONE, MINUS_ONE)).toEqual({ bits: MINUS_ZERO, flags: 0 });
  expect(negatedMultiplyAdd(f, RNE, 0n, ONE, 0n)).toEqual({ bits: MINUS_ZERO, flags: 0 });
  expect(negatedMultiplySubtract(f, RNE, ONE, ONE, TWO)).toEqual({ bits: ONE, flags: 0 });
});

test("ties by rounding mode: 1 + 2^-24 and its negative", () => {
  const half = 0x33800000n;
  const up = ONE + 1n;
  expect([RNE, RTZ, RDN, RUP, RMM].map((mode) => add(f, mode, ONE, half).bits)).toEqual([ONE, ONE, ONE, up, up]);
  expect([RNE, RTZ, RDN, RUP, RMM].map((mode) => subtract(f, mode, MINUS_ONE, half).bits ^ 0x80000000n)).toEqual([
    ONE,
    ONE,
    up,
    ONE,
    up,
  ]);
  expect(add(f, RNE, ONE, half).flags).toBe(NX);
});

test("overflow gives infinity or the largest value", () => {
  expect(add(f, RNE, MAX, MAX)).toEqual({ bits: INF, flags: OF | NX });
  expect(add(f, RTZ, MAX, MAX)).toEqual({ bits: MAX, flags: OF | NX });
  expect(add(f, RDN, MAX, ONE)).toEqual({ bits: MAX, flags: NX });
  expect(add(f, RUP, MAX, ONE)).toEqual({ bits: INF, flags: OF | NX });
  expect(subtract(f, RUP, MAX | MINUS_ZERO, MAX)).toEqual({ bits: MAX | MINUS_ZERO, flags: OF | NX });
});

test("underflow is detected after rounding", () => {
  // 2^-149 * 2^-149 vanishes; halves of subnormals are inexact only when odd.
  expect(multiply(f, RNE, 1n, 1n)).toEqual({ bits: 0n, flags: UF | NX });
  expect(multiply(f, RUP, 1n, 1n)).toEqual({ bits: 1n, flags: UF | NX });
  expect(multiply(f, RNE, 2n, 0x3f000000n)).toEqual({ bits: 1n, flags: 0 });
  // (1 - 2^-24) * 2^-126 with 24 bits is a tie between a subnormal and the smallest normal, and is tiny: at full
  // precision it would stay below.
  expect(multiply(f, RNE, MIN_NORMAL, 0x3f7fffffn)).toEqual({ bits: MIN_NORMAL, flags: UF | NX });
  // (1 - 2^-46) * 2^-126 rounds up to the smallest normal at full precision too: not tiny.
  expect(multiply(f, RNE, MIN_NORMAL + 2n, 0x3f7ffffcn)).toEqual({ bits: MIN_NORMAL, flags: NX });
});

test("an unknown rounding mode is a bug of the caller", () => {
  expect(() => divide(f, 5, ONE, 0x40400000n)).toThrow(RangeError);
});
