/** One round of programs in Tinamou and in v86, each in one after the other. */
import { GuestSession } from "../guest-session.ts";
import type { SystemPeer } from "../peers.ts";
import { runInTurn } from "../program-round.ts";
import type { Round, RunPlan } from "../run-plan.ts";
import type { Session } from "../session.ts";
import type { V86Suite } from "../suites.ts";

/** Rejects with a BenchError when an emulator dies or hangs. None is left in any case. */
export async function v86Round(suite: V86Suite, plan: RunPlan, v86: SystemPeer, turn: Round): Promise<void> {
  const { log } = plan;
  const sessions: Session[] = [];
  const heading = `${suite.name}, round ${turn.round + 1} of ${plan.rounds}`;
  const machine = { ...plan.programGuest, smp: suite.smp, append: "quiet" };
  try {
    for (const peer of plan.peers) {
      if (peer.kind === "host") continue;
      log.step(`${heading}: booting ${peer.name}`);
      sessions.push(await GuestSession.boot(peer, machine));
      log.done();
    }
    log.step(`${heading}: booting ${v86.name}`);
    sessions.push(await GuestSession.start(v86));
    log.done();
    await runInTurn(suite.rows, sessions, plan, turn);
  } finally {
    for (const session of sessions) session.kill();
  }
}
