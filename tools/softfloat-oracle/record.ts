/**
 * Writes src/cpu/softfloat/recorded-cases.json: random cases with the answers of QEMU, four for each operation, format
 * and rounding mode, for machines that have no QEMU.
 *
 *   npx tsx tools/softfloat-oracle/record.ts
 */

import { writeFileSync } from "node:fs";
import { CaseBatch, OPERATIONS, RandomCases } from "./cases.ts";
import { describeCase, hex } from "./compare.ts";
import { missingForOracle, Oracle } from "./oracle-process.ts";

const CASES_EACH = 4;
const ROUNDING_MODES = 5;
const MAX_BATCHES = 100;

async function record(): Promise<string[]> {
  const lines: string[] = [];
  const counts = new Map<string, number>();
  const source = new RandomCases(2026);
  const batch = new CaseBatch(8192);
  const wanted = OPERATIONS.length * ROUNDING_MODES * CASES_EACH;
  const oracle = new Oracle("qemu");
  try {
    for (let round = 0; round < MAX_BATCHES && lines.length < wanted; round++) {
      source.next(batch);
      oracle.send(batch);
      const answers = await oracle.receive(batch.count);
      for (let i = 0; i < batch.count; i++) {
        const key = [batch.op(i), batch.format(i), batch.rounding(i)].join(" ");
        const count = counts.get(key) ?? 0;
        if (count === CASES_EACH) continue;
        counts.set(key, count + 1);
        lines.push(`${describeCase(batch, i)} -> ${hex(answers[2 * i] as bigint)} ${answers[2 * i + 1] as bigint}`);
      }
    }
  } finally {
    oracle.close();
  }
  return lines.sort();
}

const missing = missingForOracle("qemu");
if (missing !== undefined) throw new Error(missing);
const lines = await record();
writeFileSync(
  new URL("../../src/cpu/softfloat/recorded-cases.json", import.meta.url),
  `${JSON.stringify(lines, undefined, 2)}\n`,
);
console.log(`${lines.length} cases`);
