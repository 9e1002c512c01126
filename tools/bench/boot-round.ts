/** One round of boots: each peer in turn, from nothing to the guest's ready line, by the host's clock. */
import { Emulator } from "./emulator.ts";
import { GUEST_READY } from "./guest-session.ts";
import { startCommand } from "./peers.ts";
import type { Round, RunPlan } from "./run-plan.ts";
import type { BootSuite } from "./suites.ts";

/** Rejects with a BenchError when an emulator dies or hangs. The ready line is the checksum. */
export async function bootRound(suite: BootSuite, plan: RunPlan, { round, result }: Round): Promise<void> {
  for (const row of suite.rows) {
    for (const peer of plan.peers) {
      if (peer.kind === "host") continue;
      plan.log.step(`${suite.name}, round ${round + 1} of ${plan.rounds}: ${row.name} in ${peer.name}`);
      const machine = { ...plan.plainGuest, smp: suite.smp, append: row.append };
      const emulator = new Emulator(peer.name, startCommand(peer, machine));
      try {
        const { text, atMs } = await emulator.waitFor(GUEST_READY, plan.timeoutMs, "ready line of the guest");
        const timeNs = Math.round((atMs - emulator.startedAtMs) * 1e6);
        const checksum = text.trim().replaceAll(" ", "_");
        result.samples.push({ row: row.name, peer: peer.name, round, timeNs, hostNs: timeNs, checksum });
        plan.log.done(`${(timeNs / 1e9).toFixed(2)} s`);
      } finally {
        emulator.kill();
        await emulator.endsWithin(0);
      }
    }
  }
}
