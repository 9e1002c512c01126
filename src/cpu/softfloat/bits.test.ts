import { expect, test } from "vitest";
import { bitLength, pow2, shiftLeft, shiftRight, squareRoot } from "#cpu/softfloat/bits.ts";

test("bitLength is exact around every power of two, also where the conversion to a number rounds up", () => {
  expect(bitLength(0n)).toBe(0);
  for (let n = 0; n < 500; n++) {
    const power = 1n << BigInt(n);
    expect(bitLength(power)).toBe(n + 1);
    expect(bitLength(power - 1n)).toBe(n);
    if (n > 1) expect(bitLength(power + 1n)).toBe(n + 1);
  }
});

test("shifts work beyond the table", () => {
  expect(pow2(600)).toBe(1n << 600n);
  expect(shiftLeft(5n, 2000)).toBe(5n << 2000n);
  expect(shiftRight(5n << 2000n, 2001)).toBe(2n);
});

test("squareRoot is the floor, next to squares of every size", () => {
  expect(squareRoot(0n)).toBe(0n);
  for (let n = 0; n < 120; n++) {
    for (const root of [1n << BigInt(n), (1n << BigInt(n)) + 1n, (1n << BigInt(n + 1)) - 1n]) {
      expect(squareRoot(root * root)).toBe(root);
      expect(squareRoot(root * root - 1n)).toBe(root - 1n);
      expect(squareRoot(root * root + 2n * root)).toBe(root);
    }
  }
});
