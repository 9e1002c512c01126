import { expect, test } from "vitest";
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
import { BINARY16, BINARY32, BINARY64 } from "#cpu/softfloat/format.ts";

const NX = 1;
const UF = 2;
const OF = 4;
const NV = 16;
const [RNE, RTZ, RDN, RUP, RMM] = [0, 1, 2, 3, 4] as const;
const view = new DataView(new ArrayBuffer(8));

function double(value: number): bigint {
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}

function signed(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

test("to integers in every rounding mode", () => {
  const convert = (value: number, mode: number) =>
    BigInt.asIntN(64, toInteger(BINARY64, INT64, mode, double(value)).bits);
  expect([RNE, RTZ, RDN, RUP, RMM].map((mode) => convert(2.5, mode))).toEqual([2n, 2n, 2n, 3n, 3n]);
  expect([RNE, RTZ, RDN, RUP, RMM].map((mode) => convert(-2.5, mode))).toEqual([-2n, -2n, -3n, -2n, -3n]);
  expect([RNE, RTZ, RDN, RUP, RMM].map((mode) => convert(1e-300, mode))).toEqual([0n, 0n, 0n, 1n, 0n]);
  expect(toInteger(BINARY64, INT64, RNE, double(-0.25))).toEqual({ bits: 0n, flags: NX });
  expect(toInteger(BINARY64, INT64, RNE, double(-0))).toEqual({ bits: 0n, flags: 0 });
});

test("out of range saturates and is only invalid; a NaN counts as +infinity", () => {
  const nan = BINARY64.canonicalNan;
  expect(toInteger(BINARY64, INT32, RTZ, nan)).toEqual({ bits: 0x7fffffffn, flags: NV });
  expect(toInteger(BINARY64, UINT32, RTZ, nan | BINARY64.signBit)).toEqual({ bits: signed(-1n), flags: NV });
  expect(toInteger(BINARY64, INT64, RTZ, double(-Infinity))).toEqual({ bits: 1n << 63n, flags: NV });
  expect(toInteger(BINARY64, UINT64, RTZ, double(2 ** 64))).toEqual({ bits: signed(-1n), flags: NV });
  expect(toInteger(BINARY64, UINT64, RTZ, double(-1))).toEqual({ bits: 0n, flags: NV });
  expect(toInteger(BINARY64, UINT64, RTZ, double(-0.999))).toEqual({ bits: 0n, flags: NX });
  expect(toInteger(BINARY64, UINT64, RDN, double(-0.001))).toEqual({ bits: 0n, flags: NV });
  // The range is that of the rounded value.
  expect(toInteger(BINARY64, INT32, RTZ, double(2147483647.5))).toEqual({ bits: 0x7fffffffn, flags: NX });
  expect(toInteger(BINARY64, INT32, RNE, double(2147483647.5))).toEqual({ bits: 0x7fffffffn, flags: NV });
  expect(toInteger(BINARY64, INT32, RNE, double(-2147483648.5))).toEqual({ bits: signed(-2147483648n), flags: NX });
});

test("a u32 result is sign-extended", () => {
  expect(toInteger(BINARY64, UINT32, RTZ, double(0x80000000))).toEqual({ bits: 0xffffffff80000000n, flags: 0 });
});

test("from integers", () => {
  expect(fromInteger(BINARY64, INT32, RNE, 0x12345678_ffffffffn)).toEqual({ bits: double(-1), flags: 0 });
  expect(fromInteger(BINARY64, UINT32, RNE, 0x12345678_ffffffffn)).toEqual({ bits: double(0xffffffff), flags: 0 });
  expect(fromInteger(BINARY64, INT64, RNE, 1n << 63n)).toEqual({ bits: double(-(2 ** 63)), flags: 0 });
  expect(fromInteger(BINARY64, UINT64, RUP, (1n << 63n) + 1n)).toEqual({ bits: double(2 ** 63) + 1n, flags: NX });
  expect(fromInteger(BINARY32, UINT64, RNE, signed(-1n))).toEqual({ bits: 0x5f800000n, flags: NX });
  expect(fromInteger(BINARY16, UINT32, RNE, 65520n)).toEqual({ bits: 0x7c00n, flags: OF | NX });
  expect(fromInteger(BINARY16, UINT32, RNE, 65519n)).toEqual({ bits: 0x7bffn, flags: NX });
  expect(fromInteger(BINARY64, INT64, RDN, 0n)).toEqual({ bits: 0n, flags: 0 });
});

test("between formats", () => {
  expect(toFormat(BINARY64, BINARY32, RNE, double(0.1))).toEqual({ bits: 0x3dcccccdn, flags: NX });
  expect(toFormat(BINARY32, BINARY64, RNE, 1n)).toEqual({ bits: double(2 ** -149), flags: 0 });
  expect(toFormat(BINARY64, BINARY16, RNE, double(2 ** -25))).toEqual({ bits: 0n, flags: UF | NX });
  expect(toFormat(BINARY64, BINARY16, RNE, double(-1e300))).toEqual({ bits: 0xfc00n, flags: OF | NX });
  expect(toFormat(BINARY64, BINARY32, RNE, 0xfff0000000000001n)).toEqual({ bits: 0x7fc00000n, flags: NV });
  expect(toFormat(BINARY16, BINARY64, RNE, 0xfe12n)).toEqual({ bits: BINARY64.canonicalNan, flags: 0 });
});

test("fround is silent, froundnx is not, both keep the sign of zero", () => {
  expect(roundToIntegral(BINARY64, RNE, double(-0.5))).toEqual({ bits: double(-0), flags: 0 });
  expect(roundToIntegralExact(BINARY64, RNE, double(-0.5))).toEqual({ bits: double(-0), flags: NX });
  expect(roundToIntegralExact(BINARY64, RMM, double(-0.5))).toEqual({ bits: double(-1), flags: NX });
  expect(roundToIntegralExact(BINARY64, RUP, double(2 ** 52 - 0.5))).toEqual({ bits: double(2 ** 52), flags: NX });
  expect(roundToIntegralExact(BINARY64, RUP, double(1e300))).toEqual({ bits: double(1e300), flags: 0 });
  expect(roundToIntegral(BINARY64, RUP, 0x7ff0000000000001n)).toEqual({ bits: BINARY64.canonicalNan, flags: NV });
  expect(roundToIntegral(BINARY64, RUP, double(-Infinity))).toEqual({ bits: double(-Infinity), flags: 0 });
});

test("fcvtmod.w.d against BigInt's own modulo", () => {
  for (let exponent = -3; exponent < 130; exponent++) {
    for (const significand of [1, 1.5, 1 + 2 ** -52, 2 - 2 ** -52, -1, -1.75, -(1 + 2 ** -52), -(2 - 2 ** -52)]) {
      const value = significand * 2 ** exponent;
      const truncated = BigInt(Math.trunc(value));
      const low = BigInt.asUintN(64, BigInt.asIntN(32, truncated));
      const inRange = truncated >= -(2n ** 31n) && truncated < 2n ** 31n;
      const flags = inRange ? (Math.trunc(value) === value ? 0 : NX) : NV;
      expect(toInteger32Modular(BINARY64, double(value))).toEqual({ bits: low, flags });
    }
  }
  for (const value of [NaN, Infinity, -Infinity]) {
    expect(toInteger32Modular(BINARY64, double(value))).toEqual({ bits: 0n, flags: NV });
  }
});
