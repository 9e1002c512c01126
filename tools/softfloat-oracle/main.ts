/**
 * Compares src/cpu/softfloat, or the instructions as the engine runs them, with an oracle.
 *
 *   npx tsx tools/softfloat-oracle/main.ts [--oracle qemu|host] [--cases N] [--seed S] [--edges] [--engine] [--only TEXT]
 *
 * With --engine every case runs in the interpreter and in regions, with and without fused multiply-add, with flags
 * clear and set; --only TEXT takes the manners whose names contain it (see instructions.ts).
 *
 * Runs N random cases (default 10,000,000), or with --edges every combination of edge values. Exits 1 on a difference.
 */

import { parseArgs } from "node:util";
import { floatSlowOp } from "#cpu/softfloat/dispatch.ts";
import { BadlyBoxedCases, type CaseSource, EdgeCases, RandomCases } from "./cases.ts";
import { caseByCase, compareWithOracle } from "./compare.ts";
import { makeInstructions } from "./instructions.ts";
import { isOracleName, missingForOracle, Oracle } from "./oracle-process.ts";

const { values } = parseArgs({
  options: {
    oracle: { type: "string", default: "qemu" },
    cases: { type: "string", default: "10000000" },
    seed: { type: "string", default: "1" },
    edges: { type: "boolean", default: false },
    engine: { type: "boolean", default: false },
    only: { type: "string", default: "" },
  },
});

async function main(): Promise<number> {
  if (!isOracleName(values.oracle)) throw new Error(`--oracle is qemu or host, not ${values.oracle}`);
  const missing = missingForOracle(values.oracle);
  if (missing !== undefined) throw new Error(missing);
  const cases: CaseSource = values.edges ? new EdgeCases() : new RandomCases(Number(values.seed));
  const source = values.engine ? new BadlyBoxedCases(cases, Number(values.seed)) : cases;
  const implementations = values.engine
    ? makeInstructions((name) => name.includes(values.only)).implementations
    : new Map([["softfloat", caseByCase(floatSlowOp)]]);
  const limit = values.edges ? Number.POSITIVE_INFINITY : Number(values.cases);

  const startMs = performance.now();
  let nextReport = 1_000_000;
  const oracle = new Oracle(values.oracle);
  try {
    const result = await compareWithOracle(oracle, source, limit, implementations, (done) => {
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
