/** The answers of real RISC-V instructions, recorded by tools/softfloat-oracle/record.ts. */

import { expect, test } from "vitest";
import {
  FloatFormatIndex,
  type FloatFormatName,
  FloatOp,
  type FloatOpName,
  floatSlowOp,
} from "#cpu/softfloat/dispatch.ts";
import recorded from "./recorded-cases.json" with { type: "json" };

// "op format rounding a b c -> bits flags", bits in hexadecimal.
const LINE = /^(\w+) (f\d+) ([0-4]) (\w+) (\w+) (\w+) -> (\w+) (\d+)$/;

function runLine(line: string): string {
  const [, op, format, rounding, a, b, c] = LINE.exec(line) ?? [];
  const [x, y, z] = [a, b, c].map((digits) => BigInt(`0x${digits}`)) as [bigint, bigint, bigint];
  const result = floatSlowOp(
    FloatOp[op as FloatOpName],
    FloatFormatIndex[format as FloatFormatName],
    Number(rounding),
    x,
    y,
    z,
  );
  return `${op} ${format} ${rounding} ${a} ${b} ${c} -> ${result.bits.toString(16)} ${result.flags}`;
}

test("gives every recorded answer", () => {
  expect(recorded.length).toBeGreaterThan(1500);
  expect(recorded.map(runLine)).toEqual(recorded);
});

test("the recording has every operation", () => {
  const seen = new Set(recorded.map((line) => line.split(" ")[0]));
  expect(seen).toEqual(new Set(Object.keys(FloatOp)));
});
