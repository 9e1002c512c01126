import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { nodeClock, nodeTimers } from "#platform/node/clock.ts";

const monotonicNs = (): number => Number(process.hrtime.bigint());

test("follows CLOCK_MONOTONIC to a few microseconds and never goes back", () => {
  const clock = nodeClock();
  let last = 0;
  let tightestErrorNs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 10_000; i++) {
    const before = monotonicNs();
    const now = clock.nowNs();
    const after = monotonicNs();
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
    tightestErrorNs = Math.min(tightestErrorNs, Math.abs(now - (before + after) / 2));
  }
  expect(tightestErrorNs).toBeLessThan(1_000);
});

test("a thread that started later sees the same time", async () => {
  // The worker runs the calibration's other half by itself: the host's clock, as the reference.
  const words = new BigInt64Array(new SharedArrayBuffer(16));
  const worker = new Worker(
    `const { workerData } = require("node:worker_threads");
     Atomics.store(workerData, 0, 1n);
     while (Atomics.load(workerData, 0) !== 2n);
     Atomics.store(workerData, 1, process.hrtime.bigint());`,
    { eval: true, workerData: words },
  );
  while (Atomics.load(words, 0) !== 1n) await new Promise((resolve) => setTimeout(resolve, 1));
  const clock = nodeClock();
  const before = clock.nowNs();
  Atomics.store(words, 0, 2n);
  while (Atomics.load(words, 1) === 0n) await new Promise((resolve) => setImmediate(resolve));
  const after = clock.nowNs();
  const there = Number(Atomics.load(words, 1));
  expect(there).toBeGreaterThan(before - 1_000);
  expect(there).toBeLessThan(after + 1_000);
  await worker.terminate();
});

test("timers are not early, in order, and can be cancelled", async () => {
  const clock = nodeClock();
  const timers = nodeTimers(clock);
  const start = clock.nowNs();
  const fired: number[] = [];
  await new Promise<void>((resolve) => {
    timers.at(start + 20e6, () => {
      fired.push(clock.nowNs() - start);
      resolve();
    });
    timers.at(start + 5e6, () => fired.push(clock.nowNs() - start));
    timers.at(start + 1e6, () => fired.push(-1))();
  });
  expect(fired).toHaveLength(2);
  expect(fired[0]).toBeGreaterThanOrEqual(5e6);
  expect(fired[1]).toBeGreaterThanOrEqual(20e6);
});
