/**
 * Runs a suite. Each round boots every peer once; then each program runs in one peer after the other (A B A B), so that
 * what is compared ran within seconds of each other while the other guest was idle.
 */
import type { Log } from "../support/progress.mjs";
import { BenchError } from "./bench-error.ts";
import { Emulator } from "./emulator.ts";
import { GUEST_READY, GuestSession } from "./guest-session.ts";
import { type MachineFiles, type Peer, startCommand } from "./peers.ts";
import type { SuiteResult } from "./results.ts";
import { checksumDifference, clockDisagreement, type Sample } from "./statistics.ts";
import type { BootSuite, ProgramSuite, Suite } from "./suites.ts";

export type RunPlan = {
  readonly peers: readonly Peer[];
  /** For booting alone: the guest of `npm start`. */
  readonly plainGuest: MachineFiles;
  /** The same with the programs added. */
  readonly programGuest: MachineFiles;
  readonly rounds: number;
  readonly scale: number;
  readonly timeoutMs: number;
  readonly log: Log;
};

/** Never rejects for what happens to an emulator or a program: that is in `failures`. */
export async function runSuite(suite: Suite, plan: RunPlan): Promise<SuiteResult> {
  const result: SuiteResult = {
    suite: suite.name,
    title: suite.title,
    smp: suite.smp,
    rows: suite.rows.map((row) => row.name),
    samples: [],
    failures: [],
    warnings: [],
  };
  try {
    for (let round = 0; round < plan.rounds; round++) {
      await (suite.kind === "boot"
        ? bootRound(suite, plan, { round, result })
        : programRound(suite, plan, { round, result }));
    }
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    result.failures.push(`${suite.name}: ${error.message}`);
  }
  judge(result);
  return result;
}

type Round = { readonly round: number; readonly result: SuiteResult };

async function programRound(suite: ProgramSuite, plan: RunPlan, { round, result }: Round): Promise<void> {
  const sessions: GuestSession[] = [];
  const machine = { ...plan.programGuest, smp: suite.smp, append: "quiet" };
  try {
    for (const peer of plan.peers) {
      plan.log.step(`${suite.name}, round ${round + 1} of ${plan.rounds}: booting ${peer.name}`);
      sessions.push(await GuestSession.boot(peer, machine));
      plan.log.done();
    }
    for (const row of suite.rows) {
      for (const session of sessions) {
        plan.log.step(`${suite.name}, round ${round + 1} of ${plan.rounds}: ${row.name} in ${session.peer.name}`);
        const answer = await session.run(row, plan.scale, plan.timeoutMs);
        if (answer.kind === "done") {
          const { guestNs, hostNs, checksum } = answer;
          result.samples.push({ row: row.name, peer: session.peer.name, round, timeNs: guestNs, hostNs, checksum });
          plan.log.done(`${(guestNs / 1e9).toFixed(2)} s in the guest`);
        } else {
          result.failures.push(`${row.name} failed in ${session.peer.name}: ${answer.reason}`);
          plan.log.done(`failed: ${answer.reason}`);
        }
      }
    }
    for (const session of sessions) {
      if (!(await session.quit()))
        result.failures.push(`${suite.name}: ${session.peer.name} did not switch itself off`);
    }
  } finally {
    for (const session of sessions) session.kill();
  }
}

async function bootRound(suite: BootSuite, plan: RunPlan, { round, result }: Round): Promise<void> {
  for (const row of suite.rows) {
    for (const peer of plan.peers) {
      plan.log.step(`${suite.name}, round ${round + 1} of ${plan.rounds}: ${row.name} in ${peer.name}`);
      const machine = { ...plan.plainGuest, smp: suite.smp, append: row.append };
      const emulator = new Emulator(peer.name, startCommand(peer, machine));
      try {
        const { text, atMs } = await emulator.waitFor(GUEST_READY, plan.timeoutMs);
        const timeNs = Math.round((atMs - emulator.startedAtMs) * 1e6);
        result.samples.push({ row: row.name, peer: peer.name, round, timeNs, hostNs: timeNs, checksum: text });
        plan.log.done(`${(timeNs / 1e9).toFixed(2)} s`);
      } finally {
        emulator.kill();
        await emulator.endsWithin(0);
      }
    }
  }
}

function judge(result: SuiteResult): void {
  for (const row of result.rows) {
    const difference = checksumDifference(result.samples, row);
    if (difference !== undefined) result.failures.push(difference);
    if (!result.samples.some((sample: Sample) => sample.row === row))
      result.failures.push(`${row}: it was not measured`);
  }
  for (const sample of result.samples) {
    const disagreement = clockDisagreement(sample);
    if (disagreement !== undefined) result.warnings.push(disagreement);
  }
}
