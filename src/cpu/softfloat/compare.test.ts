import { expect, test } from "vitest";
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
import { BINARY16 } from "#cpu/softfloat/format.ts";

const NV = 16;
const f = BINARY16;
const QNAN = 0x7e01n;
const SNAN = 0x7c01n;
const ZERO = 0n;
const MINUS_ZERO = 0x8000n;

/** Non-NaN values in ascending order; the two zeros are neighbours. */
const ASCENDING = [
  0xfc00n,
  0xfbffn,
  0xbc00n,
  0x8400n,
  0x8001n,
  MINUS_ZERO,
  ZERO,
  1n,
  0x0400n,
  0x3c00n,
  0x7bffn,
  0x7c00n,
];

test("numbers are ordered and zeros are equal", () => {
  for (const [i, a] of ASCENDING.entries()) {
    for (const [j, b] of ASCENDING.entries()) {
      const same = i === j || ((a === ZERO || a === MINUS_ZERO) && (b === ZERO || b === MINUS_ZERO));
      expect(equal(f, a, b)).toEqual({ bits: same ? 1n : 0n, flags: 0 });
      for (const op of [less, lessQuiet]) expect(op(f, a, b)).toEqual({ bits: i < j && !same ? 1n : 0n, flags: 0 });
      for (const op of [lessOrEqual, lessOrEqualQuiet]) {
        expect(op(f, a, b)).toEqual({ bits: i < j || same ? 1n : 0n, flags: 0 });
      }
      for (const op of [minimum, minimumNumber]) expect(op(f, a, b)).toEqual({ bits: i < j ? a : b, flags: 0 });
      for (const op of [maximum, maximumNumber]) expect(op(f, a, b)).toEqual({ bits: i < j ? b : a, flags: 0 });
    }
  }
});

test("NaNs compare false; which are invalid depends on the predicate", () => {
  for (const [op, quietFlags] of [
    [equal, 0],
    [lessQuiet, 0],
    [lessOrEqualQuiet, 0],
    [less, NV],
    [lessOrEqual, NV],
  ] as const) {
    expect(op(f, QNAN, ZERO)).toEqual({ bits: 0n, flags: quietFlags });
    expect(op(f, ZERO, QNAN)).toEqual({ bits: 0n, flags: quietFlags });
    expect(op(f, SNAN, ZERO)).toEqual({ bits: 0n, flags: NV });
    expect(op(f, QNAN, SNAN)).toEqual({ bits: 0n, flags: NV });
  }
});

test("a NaN loses in min and max and wins in minm and maxm", () => {
  for (const op of [minimumNumber, maximumNumber]) {
    expect(op(f, QNAN, 1n)).toEqual({ bits: 1n, flags: 0 });
    expect(op(f, 1n, SNAN)).toEqual({ bits: 1n, flags: NV });
    expect(op(f, QNAN, 0xfe00n)).toEqual({ bits: 0x7e00n, flags: 0 });
  }
  for (const op of [minimum, maximum]) {
    expect(op(f, QNAN, 1n)).toEqual({ bits: 0x7e00n, flags: 0 });
    expect(op(f, 1n, SNAN)).toEqual({ bits: 0x7e00n, flags: NV });
  }
});
