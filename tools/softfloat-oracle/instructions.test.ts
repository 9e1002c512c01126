/** The instructions as the engine runs them: against recorded answers, and against an oracle where there is one. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { FloatFormatIndex, type FloatFormatName, FloatOp, type FloatOpName } from "#cpu/softfloat/dispatch.ts";
import { BadlyBoxedCases, CaseBatch, RandomCases } from "./cases.ts";
import { compareWithOracle, describeCase, hex } from "./compare.ts";
import { makeInstructions, MANNERS } from "./instructions.ts";
import { missingForOracle, Oracle } from "./oracle-process.ts";

const recorded: readonly string[] = JSON.parse(
  readFileSync(new URL("../../src/cpu/softfloat/recorded-cases.json", import.meta.url), "utf8"),
);
// "op format rounding a b c -> bits flags", bits in hexadecimal.
const LINE = /^(\w+) (f\d+) ([0-4]) (\w+) (\w+) (\w+) -> (\w+) (\d+)$/;
/** Zfa has no binary16 here. */
const isInstruction = (line: string): boolean => !/^(round|roundnx|minm|maxm|ltq|leq) f16 /.test(line);

const lines = recorded.filter(isInstruction);
const { implementations, regions } = makeInstructions();

function batchOf(texts: readonly string[]): CaseBatch {
  const batch = new CaseBatch(texts.length);
  texts.forEach((line, i) => {
    const [, op, format, rounding, ...rest] = LINE.exec(line) ?? [];
    const header =
      FloatOp[op as FloatOpName] | (FloatFormatIndex[format as FloatFormatName] << 8) | (Number(rounding) << 16);
    batch.values[4 * i] = BigInt(header);
    for (let which = 0; which < 3; which++) batch.values[4 * i + 1 + which] = BigInt(`0x${rest[which]}`);
  });
  batch.count = texts.length;
  return batch;
}

test("the engine is run in every manner", () => {
  const names = [...MANNERS.keys()];
  expect(names.length).toBe(12);
  expect([...implementations.keys()]).toEqual(names.filter((name) => implementations.has(name)));
  expect(implementations.has("wasm, not fused, flags clear")).toBe(true);
});

test.each([...implementations])("every recorded answer is the instruction's: %s", (_name, implementation) => {
  const batch = batchOf(lines);
  const answerOf = implementation(batch);
  const ours = lines.map((line, i) => {
    const answer = answerOf(i);
    const before = answer?.before ?? 0;
    const flags = Number(line.slice(line.lastIndexOf(" ") + 1));
    // Flags that were set already tell nothing.
    const raised = answer && (answer.flags & ~before) | (before & flags);
    return `${describeCase(batch, i)} -> ${answer && hex(answer.bits)} ${raised}`;
  });
  expect(ours).toEqual(lines);
});

test("the loops became regions", () => expect(regions()).toBeGreaterThan(400));

test("one bit of an operand is seen", () => {
  const batch = batchOf(["add f64 0 3ff0000000000001 4000000000000000 0 -> 4008000000000000 1"]);
  for (const implementation of implementations.values()) {
    expect(implementation(batch)(0)?.bits).toBe(0x4008000000000000n);
    batch.values[1] = 0x3ff0000000000003n;
    expect(implementation(batch)(0)?.bits).toBe(0x4008000000000002n);
    batch.values[1] = 0x3ff0000000000001n;
  }
});

const missing = missingForOracle("qemu");
const CASES = 60_000;

test.skipIf(missing !== undefined)(
  `the instructions agree with qemu-riscv64${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  { timeout: 120_000 },
  async () => {
    // A new seed each day: the same for everybody on one day, more ground covered over time.
    const seed = Math.floor(Date.now() / 86_400_000);
    const oracle = new Oracle("qemu");
    try {
      const cases = new BadlyBoxedCases(new RandomCases(seed), seed);
      const result = await compareWithOracle(oracle, cases, CASES, implementations);
      expect(result.examples).toEqual([]);
      expect(result.compared).toBe(CASES);
    } finally {
      oracle.close();
    }
  },
);
