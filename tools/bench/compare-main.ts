/**
 * `npm run bench:compare -- [FILE] [--with FILE] [--tolerance 0.1] [--record]`: what got slower since the last record.
 *
 * FILE is what `npm run bench` has written (build/bench.json); it is compared with the newest record, or with another
 * file. `--record` makes it the newest record if nothing in it failed. Records lie in the cache folder, so they are of
 * this machine. Exits with 1 when something got slower or failed, with 2 when a file cannot be read.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { CACHE } from "../setup.mjs";
import { BenchError } from "./bench-error.ts";
import { compareResults, formatComparison } from "./compare.ts";
import type { BenchResults } from "./results.ts";

const RECORDS = path.join(CACHE, "bench", "records");

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { with: { type: "string" }, tolerance: { type: "string" }, record: { type: "boolean" } },
  });
  const tolerance = Number(values.tolerance ?? "0.1");
  if (!(tolerance >= 0)) throw new BenchError("usage", `--tolerance is a share as 0.1, not ${values.tolerance}`);
  const now = read(positionals[0] ?? "build/bench.json");
  const failed = now.suites.some((suite) => suite.failures.length > 0);
  const old = values.with ?? newestRecord();
  let slower = false;
  if (old === undefined) console.log("there is no record yet; make one with --record");
  else {
    const comparison = compareResults(read(old), now, tolerance);
    console.log(`compared with ${old}\n${formatComparison(comparison)}`);
    slower = comparison.slower.length > 0;
  }
  if (values.record === true && !failed) record(now);
  return slower || failed ? 1 : 0;
}

function read(file: string): BenchResults {
  try {
    const results = JSON.parse(readFileSync(file, "utf8")) as BenchResults;
    if (results.format === 1 && Array.isArray(results.suites)) return results;
  } catch (cause) {
    throw new BenchError("usage", `${file} cannot be read (${(cause as Error).message}); run: npm run bench`, {
      cause,
    });
  }
  throw new BenchError("usage", `${file} is no result of npm run bench`);
}

function newestRecord(): string | undefined {
  mkdirSync(RECORDS, { recursive: true });
  const newest = readdirSync(RECORDS).sort().at(-1);
  return newest === undefined ? undefined : path.join(RECORDS, newest);
}

function record(results: BenchResults): void {
  const file = path.join(RECORDS, `${results.date.replaceAll(":", "-")}.json`);
  mkdirSync(RECORDS, { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
  console.log(`recorded: ${file}`);
}

try {
  process.exitCode = main();
} catch (error) {
  if (!(error instanceof BenchError || error instanceof TypeError)) throw error;
  console.error(`tinamou: ${error.message}`);
  process.exitCode = 2;
}
