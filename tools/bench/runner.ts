/** Runs a suite round by round, and judges what came out. */
import { GuestError } from "../guest/guest-error.mjs";
import { BenchError } from "./bench-error.ts";
import { bootRound } from "./boot-round.ts";
import { type Counted, countInstructions } from "./instruction-count.ts";
import { findQemu, type SystemPeer } from "./peers.ts";
import { programRound } from "./program-round.ts";
import type { SuiteResult } from "./results.ts";
import type { RunPlan } from "./run-plan.ts";
import { checksumDifference, clockDisagreement, scaling, spread } from "./statistics.ts";
import type { ProgramSuite, RateSuite, Suite, V86Suite } from "./suites.ts";
import { V86_VERSION, v86Command } from "./v86/machine.ts";
import { v86Round } from "./v86/v86-round.ts";

const INTERPRET = ["-accel", "interp"];

/** Never rejects for what happens to an emulator or a program: that is in `failures`. */
export async function runSuite(suite: Suite, plan: RunPlan): Promise<SuiteResult> {
  const result = emptyResult(suite);
  try {
    if (suite.kind === "rate") await runRates(suite, plan, result);
    else if (suite.kind === "v86") await runV86(suite, plan, result);
    else if (suite.kind === "boot") {
      for (let round = 0; round < plan.rounds; round++) await bootRound(suite, plan, { round, result });
    } else await runPrograms(suite, plan, result);
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    result.failures.push(`${suite.name}: ${error.message}`);
    plan.log.done("failed");
  }
  judge(result);
  return result;
}

/** The result of a suite that cannot run here. */
export function skippedSuite(suite: Suite, reason: string): SuiteResult {
  return { ...emptyResult(suite), rows: [], skips: [`${suite.name}: ${reason}`] };
}

function emptyResult(suite: Suite): SuiteResult {
  const { name, title, smp } = suite;
  const rows = suite.rows.map((row) => row.name);
  return { suite: name, title, smp, rows, samples: [], figures: [], failures: [], skips: [], warnings: [] };
}

/** The suite without programs whose packages are missing; says so in `result`. */
function withoutMissing(suite: ProgramSuite, plan: RunPlan, result: SuiteResult): ProgramSuite {
  const lost = suite.rows.filter(({ needs }) => needs !== undefined && plan.missing?.includes(needs));
  for (const { name, needs } of lost) result.skips.push(`${name}: Debian has no package ${needs} for the guest`);
  result.rows = result.rows.filter((name) => !lost.some((row) => row.name === name));
  return { ...suite, rows: suite.rows.filter((row) => !lost.includes(row)) };
}

async function runPrograms(whole: ProgramSuite, plan: RunPlan, result: SuiteResult): Promise<void> {
  const suite = withoutMissing(whole, plan, result);
  for (let round = 0; round < plan.rounds; round++) await programRound(suite, plan, { round, result });
  for (const wanted of suite.scalings ?? []) {
    for (const { name: peer } of plan.peers) {
      const values = scaling(result.samples, peer, wanted);
      if (values === undefined) continue;
      const bar = isTinamou(peer) ? { bar: wanted.bar } : {};
      result.figures.push({ name: wanted.name, peer, unit: "times the throughput", spread: values, ...bar });
    }
  }
}

/** v86 runs in the Node.js of Tinamou's first peer, or in this one. What it needs and is not here is a skip. */
async function runV86(suite: V86Suite, plan: RunPlan, result: SuiteResult): Promise<void> {
  const node = plan.peers.find((peer) => peer.kind === "system" && isTinamou(peer.name));
  const program = node?.kind === "system" ? node.command.program : process.execPath;
  const programs = suite.rows.map((row) => row.program);
  let v86: SystemPeer;
  try {
    const command = await v86Command(program, programs, plan.log);
    v86 = { kind: "system", name: "v86", version: V86_VERSION, command };
  } catch (error) {
    if (!(error instanceof GuestError || error instanceof BenchError)) throw error;
    result.skips.push(`${suite.name}: ${error.message}`);
    result.rows = [];
    return;
  }
  result.ownPeers = [{ name: v86.name, version: v86.version }];
  for (let round = 0; round < plan.rounds; round++) await v86Round(suite, plan, v86, { round, result });
}

/** Only Tinamou interprets; QEMU counts the instructions. */
async function runRates(suite: RateSuite, plan: RunPlan, result: SuiteResult): Promise<void> {
  const peers = plan.peers.filter((peer) => isTinamou(peer.name));
  const qemu = findQemu();
  const counts = new Map<string, Counted>();
  for (const row of suite.rows) {
    plan.log.step(`${suite.name}: counting the instructions of ${row.name}`);
    const counted = await countInstructions(qemu, plan.programGuest, { ...plan, row });
    counts.set(row.name, counted);
    plan.log.done(`${(counted.instructions / 1e6).toFixed(0)} million`);
  }
  for (let round = 0; round < plan.rounds; round++) {
    await programRound(suite, { ...plan, peers }, { round, result }, INTERPRET);
  }
  for (const [row, { instructions, checksum }] of counts) {
    for (const { name: peer } of peers) {
      const runs = result.samples.filter((sample) => sample.row === row && sample.peer === peer);
      if (runs.length === 0) continue;
      const rates = spread(runs.map((sample) => instructions / (sample.timeNs / 1e3)));
      result.figures.push({ name: row, peer, unit: "million instructions a second", spread: rates });
      if (runs.some((sample) => sample.checksum !== checksum)) {
        result.failures.push(`${row}: ${peer}'s checksum is not that of the run whose instructions were counted`);
      }
    }
  }
}

function isTinamou(peer: string): boolean {
  return peer.startsWith("tinamou");
}

function judge(result: SuiteResult): void {
  for (const row of result.rows) {
    const difference = checksumDifference(result.samples, row);
    if (difference !== undefined) result.failures.push(difference);
    if (!result.samples.some((sample) => sample.row === row)) result.failures.push(`${row}: it was not measured`);
  }
  for (const sample of result.samples) {
    const disagreement = clockDisagreement(sample);
    if (disagreement !== undefined) result.warnings.push(disagreement);
  }
}
