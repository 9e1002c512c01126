import { expect, test } from "vitest";
import { classify } from "#cpu/softfloat/classify.ts";
import { BINARY64 } from "#cpu/softfloat/format.ts";

test("each class sets its own bit", () => {
  const samples = [
    0xfff0000000000000n,
    0x8010000000000000n,
    0x800fffffffffffffn,
    0x8000000000000000n,
    0n,
    1n,
    0x7fefffffffffffffn,
    0x7ff0000000000000n,
    0xfff0000000000001n,
    0xfff8000000000000n,
  ];
  expect(samples.map((bits) => classify(BINARY64, bits))).toEqual(
    samples.map((_, bit) => ({ bits: 1n << BigInt(bit), flags: 0 })),
  );
});
