/**
 * Compares src/cpu/softfloat with an oracle.
 *
 *   npx tsx tools/softfloat-oracle/main.ts [--oracle qemu|host] [--cases N] [--seed S] [--edges]
 *
 * Runs N random cases (default 10,000,000), or with --edges every combination of edge values. Exits 1 on a difference.
 */

import { parseArgs } from "node:util";
import { floatSlowOp } from "#cpu/softfloat/dispatch.ts";
import { type CaseSource, EdgeCases, RandomCases } from "./cases.ts";
import { compareWithOracle } from "./compare.ts";
import { isOracleName, missingForOracle, Oracle } from "./oracle-process.ts";

const { values } = parseArgs({
  options: {
    oracle: { type: "string", default: "qemu" },
    cases: { type: "string", default: "10000000" },
    seed: { type: "string", default: "1" },
    edges: { type: "boolean", default: false },
  },
});

async function main(): Promise<number> {
  if (!isOracleName(values.oracle)) throw new Error(`--oracle is qemu or host, not ${values.oracle}`);
  const missing = missingForOracle(values.oracle);
  if (missing !== undefined) throw new Error(missing);
  const source: CaseSource = values.edges ? new EdgeCases() : new RandomCases(Number(values.seed));
  const limit = values.edges ? Number.POSITIVE_INFINITY : Number(values.cases);

  const startMs = performance.now();
  let nextReport = 1_000_000;
  const oracle = new Oracle(values.oracle);
  try {
    const result = await compareWithOracle(oracle, source, limit, floatSlowOp, (done) => {
      if (done < nextReport) return;
      nextReport += 1_000_000;
      process.stderr.write(`${done} cases, ${((performance.now() - startMs) / 1000).toFixed(0)} s\n`);
    });
    for (const example of result.examples) console.log(example);
    console.log(
      `${values.oracle}: ${result.compared} compared, ${result.unanswered} unanswered, ` +
        `${result.differences} differences, ${((performance.now() - startMs) / 1000).toFixed(1)} s`,
    );
    return result.differences === 0 ? 0 : 1;
  } finally {
    oracle.close();
  }
}

process.exitCode = await main();
