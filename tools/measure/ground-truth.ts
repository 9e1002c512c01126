/**
 * What a destination's account says of its vCPUs' waits, and what their own threads saw, in the postcopy of
 * `npm run bench:postcopy`.
 *
 *   npx tsx tools/measure/ground-truth.ts [ROUNDS [DIST]]
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { BlocktimeFigures } from "#control/migration/blocktime-figures.ts";
import { COMMAND } from "../../tests/guest.ts";
import { BOARD, CHECK_MIB, POSTCOPY } from "../peers/postcopy.ts";
import { move, Vm } from "../peers/vm.ts";
import { parseEvents } from "../report/events.ts";
import { groundTruth } from "../report/ground-truth.ts";
import { makeTimeline, type Timeline } from "../report/timeline.ts";

/** A vCPU writes its line when it runs again, which may be behind the end. */
const LAST_LINES_MS = 1000;

async function movedOnce(program: string): Promise<Timeline> {
  const folder = mkdtempSync(join(tmpdir(), "tinamou-truth-"));
  const log = join(folder, "events");
  const here = { name: "tinamou", program: process.execPath, args: [program] };
  const open: Vm[] = [];
  try {
    const source = await Vm.boot(here, BOARD, folder, CHECK_MIB);
    open.push(source);
    const traced = { ...here, args: [...here.args, "-trace", "postcopy_*", "-D", log] };
    const destination = await Vm.waiting(traced, BOARD, folder);
    open.push(destination);
    const moved = await move(source, destination, folder, { ...POSTCOPY, capabilities: ["postcopy-preempt"] });
    if (moved.source.status !== "completed") throw new Error(`the migration is ${moved.source.status}`);
    await setTimeout(LAST_LINES_MS);
    return makeTimeline(parseEvents(readFileSync(log, "utf8")));
  } finally {
    for (const vm of open) vm.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** By how much a vCPU ran on after its page was in place. */
function latenessUs({ lanes }: Timeline): number[] {
  const late = lanes.flatMap(({ blocked, seen }) =>
    seen.flatMap(({ from, to }) => {
      const recorded = blocked.find((one) => one.from < to && from < one.to);
      return recorded ? [(to - recorded.to) / 1e3] : [];
    }),
  );
  return late.toSorted((a, b) => a - b);
}

const sum = (of: readonly number[]): number => of.reduce((all, one) => all + one, 0);
const ms = (ns: number): string => (ns / 1e6).toFixed(1);

function describe({ vcpuBlocktimeNs, totalBlocktimeNs, vcpuLatencyNs, vcpuFaults }: BlocktimeFigures): string {
  const average = sum(vcpuLatencyNs) / sum(vcpuFaults) / 1e6;
  return `${vcpuBlocktimeNs.map(ms).join(", ")} | ${ms(totalBlocktimeNs)} | ${average.toFixed(3)} | ${sum(vcpuFaults)}`;
}

const [rounds = "3", dist] = process.argv.slice(2);
console.log("| | each vCPU ms | all ms | average wait ms | waits | ran on late, us: mean, median |");
console.log("|---|---|---|---|---|---|");
for (let round = 0; round < Number(rounds); round++) {
  const timeline = await movedOnce(dist === undefined ? COMMAND : join(dist, basename(COMMAND)));
  const late = latenessUs(timeline);
  const lateness = `${(sum(late) / late.length).toFixed(0)}, ${(late[late.length >> 1] ?? Number.NaN).toFixed(0)}`;
  console.log(`| reported | ${describe(timeline.figures)} | |`);
  console.log(`| seen | ${describe(groundTruth(timeline))} | ${lateness} |`);
}
