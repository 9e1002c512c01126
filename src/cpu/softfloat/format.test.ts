import { expect, test } from "vitest";
import { add, divide, multiply, multiplyAdd, sqrt } from "#cpu/softfloat/arithmetic.ts";
import { toFormat } from "#cpu/softfloat/convert.ts";
import { BINARY16, BINARY32, BINARY64, floatFormat, KIND_FINITE, unpack } from "#cpu/softfloat/format.ts";
import { FLAG_INEXACT, ROUND_NEAREST_EVEN } from "#cpu/softfloat/round.ts";

test("rows have the constants of the standard", () => {
  expect([BINARY16, BINARY32, BINARY64].map((f) => f.canonicalNan)).toEqual([
    0x7e00n,
    0x7fc00000n,
    0x7ff8000000000000n,
  ]);
  expect([BINARY16, BINARY32, BINARY64].map((f) => f.precision)).toEqual([11, 24, 53]);
  expect([BINARY16, BINARY32, BINARY64].map((f) => f.minLsbExponent)).toEqual([-24, -149, -1074]);
  expect(BINARY16.largestFinite).toBe(0x7bffn);
});

test("unpack is exact for normals and subnormals", () => {
  expect(unpack(BINARY64, 0xbff8000000000000n)).toEqual({
    kind: KIND_FINITE,
    sign: 1,
    exponent: -52,
    significand: 3n << 51n,
  });
  expect(unpack(BINARY16, 0x0001n)).toEqual({ kind: KIND_FINITE, sign: 0, exponent: -24, significand: 1n });
});

// binary128 is in no table yet; this keeps the promise that it is only a row.
test("binary128 works from its row alone", () => {
  const quad = floatFormat("f128", 128, 15);
  const rne = ROUND_NEAREST_EVEN;
  const one = 0x3fffn << 112n;
  const two = 0x4000n << 112n;
  const three = add(quad, rne, one, two).bits;
  expect(three).toBe((0x4000n << 112n) | (1n << 111n));

  // 1/3: 0x3ffd, then 5555...; the last digit rounds down.
  const third = divide(quad, rne, one, three);
  expect(third).toEqual({ bits: (0x3ffdn << 112n) | 0x5555555555555555555555555555n, flags: FLAG_INEXACT });
  // 3 * (1/3) - 1 is the rounding error of the quotient, -2^-114.
  expect(multiplyAdd(quad, rne, three, third.bits, one | quad.signBit)).toEqual({
    bits: quad.signBit | (BigInt(16383 - 114) << 112n),
    flags: 0,
  });
  // The root of 2, in units of 2^-112, is within half a unit.
  const root = sqrt(quad, rne, two).bits;
  const fraction = (root & quad.fractionMask) | quad.leadingOne;
  expect((2n * fraction - 1n) ** 2n < 8n << 224n).toBe(true);
  expect((2n * fraction + 1n) ** 2n > 8n << 224n).toBe(true);
  expect(multiply(quad, rne, three, three).bits).toBe((0x4002n << 112n) | (1n << 109n));

  for (const bits of [0n, 1n, 0x3ff0000000000001n, 0x7fefffffffffffffn, 0x800fffffffffffffn, 0x7ff0000000000000n]) {
    const wide = toFormat(BINARY64, quad, rne, bits);
    expect(toFormat(quad, BINARY64, rne, wide.bits)).toEqual({ bits, flags: 0 });
  }
});
