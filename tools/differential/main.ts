/**
 * Compares an engine with qemu-riscv64 over random instruction sequences.
 *
 *   npx tsx tools/differential/main.ts [--cases N] [--seed S] [--engine interp|wasm] [--coverage]
 *
 * N counts instructions (default 1,000,000). Exits 1 on a difference or when a row was never tried.
 */
import { parseArgs } from "node:util";
import { Comparer } from "./compare.ts";
import { isEngineName } from "./engine.ts";
import { missingQemu } from "./qemu-user.ts";
import { TESTED_ROWS } from "./sequence.ts";

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
    engine: { type: "string", default: "interp" },
    coverage: { type: "boolean", default: false },
  },
});

async function main(): Promise<number> {
  if (!isEngineName(values.engine)) throw new Error(`--engine is interp or wasm, not ${values.engine}`);
  const missing = missingQemu();
  if (missing !== undefined) throw new Error(missing);
  const startMs = performance.now();
  const seconds = (): string => ((performance.now() - startMs) / 1000).toFixed(1);
  let nextReport = 100_000;
  const comparer = new Comparer(values.engine);
  try {
    const result = await comparer.compare(Number(values.cases), Number(values.seed), (sofar) => {
      if (sofar.instances < nextReport) return;
      nextReport += 100_000;
      process.stderr.write(`${sofar.instances} instructions, ${sofar.differences} differences, ${seconds()} s\n`);
    });
    for (const example of result.examples) console.log(example);
    const untried = TESTED_ROWS.filter((row) => !result.coverage.has(row.name)).map((row) => row.name);
    if (untried.length > 0) console.log(`never tried: ${untried.join(", ")}`);
    if (values.coverage)
      for (const [name, n] of [...result.coverage].sort(([a], [b]) => a.localeCompare(b))) console.log(`${name}\t${n}`);
    console.log(
      `${values.engine}: ${result.instances} instructions of ${result.coverage.size} kinds in ${result.cases} sequences, ` +
        `${result.differences} differences, ${seconds()} s`,
    );
    return result.differences === 0 && untried.length === 0 ? 0 : 1;
  } finally {
    comparer.close();
  }
}

process.exitCode = await main();
