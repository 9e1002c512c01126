/**
 * Compares builds by the CPU time that the benchmark's programs, or a boot, take in each of them.
 *
 *   npx tsx tools/measure/builds.ts --dist dist,OTHER/dist [--rounds 5] [--scale 0.3] [--smp 1] PROGRAM... | boot
 *
 * `dist` names folders of builds, or `qemu`. In a round each program runs in one guest and the other (A B A B), all of which
 * are booted once; for `boot` each is started anew. The figure is the user and system time of the emulator's process in
 * seconds, the median of the rounds, and the first one's divided by each (above 1: faster than the first). It says more
 * than the wall clock where others work on the same machine.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Emulator } from "../bench/emulator.ts";
import { guestPrograms } from "../bench/guest-programs.ts";
import { GUEST_READY, GuestSession } from "../bench/guest-session.ts";
import { findQemu, startCommand, type SystemPeer } from "../bench/peers.ts";
import { type Row, SUITES } from "../bench/suites.ts";
import { fetchGuest } from "../guest/fetch-guest.mjs";
import { createProgress } from "../support/progress.mjs";

const PROGRAM_LIMIT_MS = 120_000;
/** `getconf CLK_TCK`, which is 100 on every Linux that runs Node. */
const TICKS_PER_SECOND = 100;

const { values, positionals } = parseArgs({
  options: {
    dist: { type: "string", default: "dist" },
    rounds: { type: "string", default: "5" },
    scale: { type: "string", default: "0.3" },
    smp: { type: "string", default: "1" },
  },
  allowPositionals: true,
});

/** Seconds of CPU time that a process has had. Spec: proc(5), the 14th and 15th field of stat. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function build(folder: string): SystemPeer {
  if (folder === "qemu") return findQemu();
  const args = [join(resolve(folder), "tinamou-system-riscv64.js")];
  return { kind: "system", name: folder, version: "", command: { program: process.execPath, args } };
}

function rowOf(name: string): Row {
  for (const suite of SUITES) {
    if (suite.kind === "boot") continue;
    const row = suite.rows.find((candidate) => candidate.name === name);
    if (row) return row;
  }
  throw new Error(`no program '${name}' in tools/bench/suites.ts`);
}

const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1] as number;

async function main(): Promise<void> {
  const log = createProgress();
  const builds = values.dist.split(",").map(build);
  const boots = positionals.includes("boot");
  const rows = positionals.filter((name) => name !== "boot").map(rowOf);
  const figures = new Map<string, number[][]>();
  const add = (row: string, index: number, seconds: number): void => {
    const lists = figures.get(row) ?? builds.map(() => []);
    figures.set(row, lists);
    lists[index]?.push(seconds);
    console.error(`${row} in ${builds[index]?.name}: ${seconds.toFixed(2)} s`);
  };
  const guest = await fetchGuest({ log, extraFiles: guestPrograms() });
  const machine = { ...guest, smp: Number(values.smp), append: "quiet" };
  const sessions: GuestSession[] = [];
  try {
    if (rows.length > 0) for (const peer of builds) sessions.push(await GuestSession.boot(peer, machine));
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [i, peer] of boots ? builds.entries() : []) {
        const emulator = new Emulator(peer.name, startCommand(peer, machine));
        try {
          await emulator.waitFor(GUEST_READY, PROGRAM_LIMIT_MS);
          add("boot", i, cpuSeconds(emulator.pid));
        } finally {
          emulator.kill();
        }
      }
      for (const row of rows) {
        for (const [i, session] of sessions.entries()) {
          const before = cpuSeconds(session.pid);
          const answer = await session.run(row, Number(values.scale), PROGRAM_LIMIT_MS);
          if (answer.kind === "failed") throw new Error(`${row.name} failed in ${session.peer.name}: ${answer.reason}`);
          add(row.name, i, cpuSeconds(session.pid) - before);
        }
      }
    }
  } finally {
    for (const session of sessions) session.kill();
  }
  for (const [row, lists] of figures) {
    const medians = lists.map(median);
    const first = medians[0] as number;
    console.log(row.padEnd(16), ...medians.map((m) => `${m.toFixed(2)} s (${(first / m).toFixed(3)})`.padEnd(20)));
  }
}

await main();
