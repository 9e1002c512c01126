/**
 * Compares the privileged architecture with qemu-system-riscv64.
 *
 *   npx tsx tools/differential/privileged-main.ts [--cases N] [--seed S]
 *
 * Every CSR number a few times, then N random cases (default 50,000). Exits 1 on a difference that is not explained.
 */
import { parseArgs } from "node:util";
import { Random } from "#cpu/isa/riscv/random.ts";
import { PrivilegedGenerator } from "./privileged-cases.ts";
import { comparePrivileged } from "./privileged-compare.ts";
import type { PrivilegedCase } from "./privileged-image.ts";
import { missingQemuSystem } from "./qemu-system.ts";

const BATCH_CASES = 5000;
/** So often every CSR number is tried, each time in a random mode. */
const CSR_ROUNDS = 6;
const { values } = parseArgs({
  options: { cases: { type: "string", default: "50000" }, seed: { type: "string", default: "1" } },
});

async function main(): Promise<number> {
  const missing = missingQemuSystem();
  if (missing !== undefined) throw new Error(missing);
  const startMs = performance.now();
  const generator = new PrivilegedGenerator(new Random(Number(values.seed)));
  const total = { cases: 0, differences: 0, explained: 0 };
  const compare = async (cases: readonly PrivilegedCase[]): Promise<void> => {
    const result = await comparePrivileged(cases);
    for (const example of result.examples) console.log(example);
    total.cases += result.cases;
    total.differences += result.differences;
    total.explained += result.explained;
  };
  for (let round = 0; round < CSR_ROUNDS; round++) await compare(generator.everyCsr());
  for (let left = Number(values.cases); left > 0; left -= BATCH_CASES) {
    await compare(generator.batch(Math.min(left, BATCH_CASES)));
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  console.log(
    `${total.cases} cases, ${total.differences} with differences, ${total.explained} differing values explained, ${seconds} s`,
  );
  return total.differences === 0 ? 0 : 1;
}

process.exitCode = await main();
