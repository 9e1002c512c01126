/**
 * `npm run bench`: how Tinamou's speed compares with QEMU's. See USAGE in options.ts and docs/performance.md.
 *
 *     options -> programs (cross-compiled) -> initramfs -> suites -> table, JSON, chart
 *
 * Progress goes to stderr, the tables to stdout. Exits with 1 when something failed, with 2 when the options are wrong or
 * a tool is missing.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import path from "node:path";
import { buildIfNeeded } from "../build.mjs";
import { ROOT } from "../setup.mjs";
import { createProgress } from "../support/progress.mjs";
import { BenchError } from "./bench-error.ts";
import { killEmulators } from "./emulator.ts";
import { nodeProgram } from "./fetch-node.ts";
import { Guests } from "./guests.ts";
import { type BenchOptions, parseOptions, USAGE } from "./options.ts";
import { findPeers } from "./peers.ts";
import type { BenchResults, SuiteResult } from "./results.ts";
import { runSuite, skippedSuite } from "./runner.ts";
import type { RunPlan } from "./run-plan.ts";
import { type Suite, SUITES } from "./suites.ts";
import { drawChart } from "./svg.ts";
import { formatResults } from "./table.ts";

const log = createProgress();

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), process.execPath);
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const results = await measure(options);
  console.log(formatResults(results));
  write(options.json, `${JSON.stringify(results, undefined, 2)}\n`);
  if (options.svg !== undefined) write(options.svg, drawChart(results));
  return results.suites.some((suite) => suite.failures.length > 0) ? 1 : 0;
}

async function measure(options: BenchOptions): Promise<BenchResults> {
  const nodes = options.nodes.map((word) => nodeProgram(word, log));
  const { peers, skipped } = findPeers(options.peers, nodes);
  for (const reason of skipped) log.note(`left out: ${reason}`);
  await buildIfNeeded(ROOT, log);
  const guests = new Guests(log);
  const plainGuest = await guests.plain();
  const cores = cpus();
  const loadAverage = loadavg()[0] ?? 0;
  const suites: SuiteResult[] = [];
  for (const suite of chosenSuites(options)) {
    suites.push(await runInGuest(suite, guests, { ...options, peers, plainGuest, log }));
  }
  return {
    format: 1,
    date: new Date().toISOString(),
    host: { cpu: cores[0]?.model ?? "unknown", cores: cores.length, loadAverage },
    guest: { kernel: plainGuest.version, debian: plainGuest.suite, memoryMiB: 512 },
    rounds: options.rounds,
    scale: options.scale,
    peers: [
      ...peers.map(({ name, version }) => ({ name, version })),
      ...suites.flatMap(({ ownPeers }) => ownPeers ?? []),
    ],
    skipped,
    suites,
  };
}

async function runInGuest(suite: Suite, guests: Guests, plan: Omit<RunPlan, "programGuest">): Promise<SuiteResult> {
  const found = await guests.of(suite);
  if ("reason" in found) return skippedSuite(suite, found.reason);
  return runSuite(suite, { ...plan, programGuest: found.guest, missing: found.missing });
}

/** The suites that were asked for, with the programs that were. */
function chosenSuites({ suites, programs, peers }: BenchOptions): Suite[] {
  const wanted = (row: { readonly name: string }): boolean => programs.length === 0 || programs.includes(row.name);
  return suites
    .flatMap((name) => SUITES.filter((suite) => suite.name === name))
    .filter((suite) => suite.kind !== "rate" || peers.includes("tinamou"))
    .map(
      (suite): Suite =>
        suite.kind === "boot"
          ? { ...suite, rows: suite.rows.filter(wanted) }
          : { ...suite, rows: suite.rows.filter(wanted) },
    )
    .filter((suite) => suite.rows.length > 0);
}

function write(file: string, content: string): void {
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  writeFileSync(file, content);
  log.note(`written: ${file}`);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    killEmulators();
    log.fail(`ended by ${signal}; the emulators were ended, too`);
    process.exit(130);
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  killEmulators();
  if (!(error instanceof BenchError)) throw error;
  log.fail(error.message);
  process.exitCode = error.code === "usage" || error.code === "missing-tool" ? 2 : 1;
}
