/**
 * Fuzzes parsers of input for as long as it is given.
 *
 *   npx tsx tools/fuzz/main.ts [--seconds 60] [--target NAME,...] [--seed S] [--path P]
 *
 * The time is shared out among the targets (default: all; "help" lists them). A finding is printed as its smallest input
 * with the seed and path that repeat it, and ends its target. Exits 1 if there was one.
 */
import { parseArgs } from "node:util";
import type { AnyTarget } from "./target.ts";
import { TARGETS } from "./targets.ts";

const BATCH = 500;
const REPORT_MS = 10_000;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    target: { type: "string", default: TARGETS.map((one) => one.name).join(",") },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    path: { type: "string" },
  },
});

/** False when there was a finding. */
async function fuzz(one: AnyTarget, firstSeed: number, budgetMs: number): Promise<boolean> {
  const startedAtMs = performance.now();
  let reportedAtMs = startedAtMs;
  let runs = 0;
  for (let seed = firstSeed; performance.now() - startedAtMs < budgetMs; seed++) {
    const finding = await one.check(seed, BATCH, values.path);
    if (finding) {
      console.log(`${one.name}: FOUND\n  input: ${finding.input}\n  ${finding.why.replaceAll("\n", "\n  ")}`);
      console.log(
        `  again: npx tsx tools/fuzz/main.ts --target ${one.name} --seed ${finding.seed} --path ${finding.path}`,
      );
      return false;
    }
    if (values.path !== undefined) break;
    runs += BATCH;
    if (performance.now() - reportedAtMs < REPORT_MS) continue;
    reportedAtMs = performance.now();
    console.error(`${one.name}: ${runs} inputs`);
  }
  const seconds = (performance.now() - startedAtMs) / 1000;
  console.log(`${one.name}: ${runs} inputs from seed ${firstSeed} in ${seconds.toFixed(0)} s, no findings`);
  return true;
}

async function main(): Promise<number> {
  const names = values.target.split(",");
  const unknown = names.filter((name) => !TARGETS.some((one) => one.name === name));
  if (unknown.length > 0) {
    console.error(`targets: ${TARGETS.map((one) => one.name).join(" ")}`);
    return names.includes("help") ? 0 : 1;
  }
  const chosen = TARGETS.filter((one) => names.includes(one.name));
  const budgetMs = (Number(values.seconds) * 1000) / chosen.length;
  let found = 0;
  for (const one of chosen) if (!(await fuzz(one, Number(values.seed), budgetMs))) found++;
  return found === 0 ? 0 : 1;
}

process.exitCode = await main();
