/**
 * The blocktime that a destination reports, against what its vCPUs' own threads have seen: each writes down when it began
 * to wait for a page, and when it ran on.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { blocktimeMembers } from "#control/migration/blocktime-figures.ts";
import { missingMemoryCheck } from "../tools/guest/memory-check.ts";
import { type MigrateInfo, move, Vm } from "../tools/peers/vm.ts";
import { parseEvents } from "../tools/report/events.ts";
import { groundTruth } from "../tools/report/ground-truth.ts";
import { makePage } from "../tools/report/page.ts";
import { makeTimeline } from "../tools/report/timeline.ts";
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

type Members = ReturnType<typeof blocktimeMembers>;
const times = (of: Members | MigrateInfo): readonly number[] => {
  const members = of as Members;
  return [
    members["postcopy-blocktime"],
    ...members["postcopy-vcpu-blocktime"],
    ...[members["postcopy-latency"], ...members["postcopy-vcpu-latency"]].map((ns) => ns / 1e6),
  ];
};

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

  const timeline = makeTimeline(parseEvents(readFileSync(log, "utf8")));
  const truth = groundTruth(timeline);
  expect(Math.min(...truth.vcpuFaults)).toBeGreaterThan(10);
  const [reported, seen] = [times(moved.destination), times(blocktimeMembers(truth))];
  const wakes = [...Array.from({ length: 1 + BOARD.smp }, () => Math.max(...truth.vcpuFaults)), 1, 1, 1];
  reported.forEach((ms, i) => {
    const own = seen[i] as number;
    const allowedMs = TOLERANCE * Math.max(ms, own) + WAKE_MS * (wakes[i] as number);
    expect(Math.abs(ms - own), `${ms} ms reported, ${own} ms seen`).toBeLessThan(allowedMs);
  });
  // A wait at the edge of two buckets may be counted in either.
  const distribution = moved.destination["postcopy-latency-dist"] as number[];
  const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0);
  expect(sum(distribution)).toBe(sum(truth.latencyBuckets));
  const moves = distribution.map((_, i) => sum(distribution.slice(0, i)) - sum(truth.latencyBuckets.slice(0, i)));
  expect(Math.max(...moves.map(Math.abs))).toBeLessThanOrEqual(Math.max(3, 0.1 * sum(distribution)));

  // The picture says the same.
  expect(makePage(timeline)).toContain(`Postcopy Blocktime (ms): ${moved.destination["postcopy-blocktime"]}\n`);
  const text: unknown = await destination.qmp.execute("human-monitor-command", { "command-line": "info migrate" });
  expect(text).toContain(`Postcopy Blocktime (ms): ${moved.destination["postcopy-blocktime"]}`);
  const checks = await destination.nextChecks(2);
  expect(checks.filter(({ errors }) => errors > 0)).toEqual([]);
});
