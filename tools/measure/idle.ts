/**
 * What an idle guest costs: the CPU time that the emulator takes while the shell waits for input.
 *
 *   npx tsx tools/measure/idle.ts [--seconds 30] [--smp 1,2,4] [-- EMULATOR-ARGUMENTS]
 *
 * In percent of one core, as the sum over all threads, and of the busiest ones.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { bootGuest } from "../../tests/guest.ts";
import { buildIfNeeded } from "../build.mjs";
import { ROOT } from "../setup.mjs";
import { createProgress } from "../support/progress.mjs";
import { processTree, threadSeconds } from "./process.ts";

const QUIET_MS = 5000;
const BUSIEST = 4;

const { values, positionals } = parseArgs({
  options: { seconds: { type: "string", default: "30" }, smp: { type: "string", default: "1,2,4" } },
  allowPositionals: true,
});

const timesOf = (pid: number): Map<string, number> =>
  new Map(processTree(pid).flatMap((one) => [...threadSeconds(one)]));

await buildIfNeeded(ROOT, createProgress());
console.log(`percent of a core over ${values.seconds} s at the shell`);
for (const smp of values.smp.split(",").map(Number)) {
  const guest = await bootGuest(positionals, { smp });
  try {
    await sleep(QUIET_MS);
    const before = timesOf(guest.pid);
    const startedAtMs = performance.now();
    await sleep(Number(values.seconds) * 1000);
    const after = timesOf(guest.pid);
    const seconds = (performance.now() - startedAtMs) / 1000;
    const percents = [...after].map(([thread, time]) => ((time - (before.get(thread) ?? 0)) / seconds) * 100);
    const sum = percents.reduce((all, one) => all + one, 0);
    const busiest = percents.sort((a, b) => b - a).slice(0, BUSIEST);
    console.log(`-smp ${smp}: ${sum.toFixed(1)} %  (threads: ${busiest.map((one) => one.toFixed(1)).join(", ")}, ...)`);
  } finally {
    guest.kill();
  }
}
