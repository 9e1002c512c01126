/**
 * The blocktime that a destination reports, against what its vCPUs' own threads have seen: each writes down when it began
 * to wait for a page, and when it ran on.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { blocktimeMembers } from "#control/migration/blocktime-figures.ts";
import { missingMemoryCheck } from "../tools/guest/memory-check.ts";
import { move, Vm } from "../tools/peers/vm.ts";
import { parseEvents } from "../tools/report/events.ts";
import { groundTruth } from "../tools/report/ground-truth.ts";
import { makePage } from "../tools/report/page.ts";
import { makeTimeline, type Timeline } from "../tools/report/timeline.ts";
import { COMMAND } from "./guest.ts";

const folder = mkdtempSync(join(tmpdir(), "tinamou-blocktime-"));
const open: Vm[] = [];
afterAll(() => {
  for (const one of open) one.kill();
  rmSync(folder, { recursive: true, force: true });
});

const MIB = 1 << 20;
const BOARD = { smp: 2, memory: "192M" };
const here = { name: "here", program: process.execPath, args: [COMMAND] };
/** Of the greater. */
const TOLERANCE = 0.05;
/** From the moment that a page is in place to that when its vCPU runs, on a busy host. */
const WAKE_MS = 2;
const missing = missingMemoryCheck() ?? "";
const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0);

const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1] ?? 0;

/** What `read` reads once it `is` as it should be, or at the end of five seconds. */
async function eventually<T>(read: () => T, is: (one: T) => boolean): Promise<T> {
  for (let turn = 0; turn < 50 && !is(read()); turn++) await setTimeout(100);
  return read();
}

test.skipIf(missing !== "")(`what is reported is what the vCPUs saw${missing && ` (${missing})`}`, async () => {
  const log = join(folder, "events");
  const source = await Vm.boot(here, BOARD, folder, 64);
  open.push(source);
  const traced = { ...here, args: [...here.args, "-trace", "postcopy_*", "-D", log] };
  const destination = await Vm.waiting(traced, BOARD, folder);
  open.push(destination);
  // Slow, so that waits are long beside the time that a busy host takes to wake a thread.
  const moved = await move(source, destination, folder, {
    maxBandwidth: 4 * MIB,
    postcopy: { afterMs: 300, maxBandwidth: 20 * MIB },
    destinationCapabilities: ["postcopy-blocktime"],
  });
  expect(moved).toMatchObject({ source: { status: "completed" }, destination: { status: "completed" } });

  // A vCPU writes its line when it runs again, which may be behind the end.
  const read = (): Timeline => makeTimeline(parseEvents(readFileSync(log, "utf8")));
  const timeline = await eventually(read, ({ lanes }) =>
    lanes.every((lane) => lane.seen.length >= lane.blocked.length),
  );
  const truth = groundTruth(timeline);
  expect(Math.min(...truth.vcpuFaults)).toBeGreaterThan(10);

  // The members are what was recorded. In the record no event is older than the one before it, so waits look shorter there.
  const { "postcopy-latency-dist": distribution, ...members } = blocktimeMembers(timeline.figures);
  for (const [name, recorded] of Object.entries(members)) {
    const reported = moved.destination[name] as number | number[];
    const isLatency = name.endsWith("latency");
    [reported].flat().forEach((one, i) => {
      const expected = [recorded].flat()[i] as number;
      if (isLatency) expect(Math.abs(one - expected), name).toBeLessThanOrEqual(0.1 * expected);
      else expect(one, name).toBe(expected);
    });
  }
  expect(sum(moved.destination["postcopy-latency-dist"] as number[])).toBe(sum(distribution));

  // Each wait that a vCPU saw is one that was recorded, and lasted until the vCPU ran on.
  expect(sum(truth.latencyBuckets)).toBe(sum(distribution));
  for (const { blocked, seen } of timeline.lanes) {
    const lateMs = seen.map(({ from, to }) => {
      const recorded = blocked.find((one) => one.from < to && from < one.to);
      expect(recorded, `a wait from ${from} ns`).toBeDefined();
      return Math.abs(to - (recorded?.to ?? 0)) / 1e6;
    });
    const lengthsMs = seen.map(({ from, to }) => (to - from) / 1e6);
    expect(median(lateMs)).toBeLessThan(TOLERANCE * median(lengthsMs) + WAKE_MS);
  }

  // The picture says the same.
  expect(makePage(timeline)).toContain(`Postcopy Blocktime (ms): ${moved.destination["postcopy-blocktime"]}\n`);
  const text: unknown = await destination.qmp.execute("human-monitor-command", { "command-line": "info migrate" });
  expect(text).toContain(`Postcopy Blocktime (ms): ${moved.destination["postcopy-blocktime"]}`);
  const checks = await destination.nextChecks(2);
  expect(checks.filter(({ errors }) => errors > 0)).toEqual([]);
});
