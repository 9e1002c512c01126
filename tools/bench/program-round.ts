/**
 * One round of programs. Every peer boots once; then each program runs in one peer after the other (A B A B), so that
 * what is compared ran within seconds of each other, while the other guest was idle.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { makeDisk } from "./disk.ts";
import { GuestSession } from "./guest-session.ts";
import { HostSession } from "./host-session.ts";
import type { Round, RunPlan } from "./run-plan.ts";
import type { Session } from "./session.ts";
import type { ProgramSuite, Row } from "./suites.ts";

type Programs = Pick<ProgramSuite, "name" | "smp" | "rows" | "guest" | "onHost">;

/**
 * `extra` are more options for every peer. A program that fails is in the result's failures; an emulator that dies or
 * hangs rejects with a BenchError. No emulator is left in any case.
 */
export async function programRound(
  suite: Programs,
  plan: RunPlan,
  { round, result }: Round,
  extra: readonly string[] = [],
): Promise<void> {
  const { peers, rounds, log } = plan;
  const sessions: Session[] = [];
  const machine = { ...plan.programGuest, smp: suite.smp, append: "quiet" };
  const heading = `${suite.name}, round ${round + 1} of ${rounds}`;
  const folder = mkdtempSync(path.join(tmpdir(), "tinamou-bench-"));
  try {
    for (const peer of peers) {
      if (peer.kind === "host") {
        if (suite.onHost) sessions.push(new HostSession(peer));
        continue;
      }
      log.step(`${heading}: booting ${peer.name}`);
      const disk = suite.guest?.kind === "disk" ? makeDisk(path.join(folder, peer.name), suite.guest.diskMiB) : [];
      sessions.push(await GuestSession.boot(peer, machine, [...disk, ...extra]));
      log.done();
    }
    await runInTurn(suite.rows, sessions, plan, { round, result });
    for (const session of sessions) {
      if (!(await session.quit()))
        result.failures.push(`${suite.name}: ${session.peer.name} did not switch itself off`);
    }
  } finally {
    for (const session of sessions) session.kill();
    rmSync(folder, { recursive: true });
  }
}

/** Runs each program in one session after the other. */
export async function runInTurn(
  rows: readonly Row[],
  sessions: readonly Session[],
  { rounds, scale, timeoutMs, log }: RunPlan,
  { round, result }: Round,
): Promise<void> {
  for (const row of rows) {
    for (const session of sessions) {
      if (row.notNative && session.peer.kind === "host" && session.peer.target === "native") continue;
      const peer = session.peer.name;
      log.step(`${result.suite}, round ${round + 1} of ${rounds}: ${row.name} in ${peer}`);
      const answer = await session.run(row, scale, timeoutMs);
      if (answer.kind === "done") {
        const { guestNs: timeNs, hostNs, checksum } = answer;
        result.samples.push({ row: row.name, peer, round, timeNs, hostNs, checksum });
        log.done(`${(timeNs / 1e9).toFixed(2)} s in the guest`);
      } else {
        result.failures.push(`${row.name} failed in ${peer}: ${answer.reason}`);
        log.done(`failed: ${answer.reason}`);
      }
    }
  }
}
