import { expect, test } from "vitest";
import { compareResults, formatComparison } from "./compare.ts";
import type { BenchResults } from "./results.ts";
import type { Sample } from "./statistics.ts";

type Times = Readonly<Record<string, readonly (readonly [tinamou: number, qemu: number])[]>>;

function results(rows: Times, changes: Partial<BenchResults> = {}): BenchResults {
  const samples = Object.entries(rows).flatMap(([row, rounds]) =>
    rounds.flatMap((times, round) =>
      ["tinamou", "qemu"].map((peer, index): Sample => {
        const timeNs = (times[index] ?? 0) * 1e9;
        return { row, peer, round, timeNs, hostNs: timeNs, checksum: "x" };
      }),
    ),
  );
  const suite = { suite: "cpu", title: "Programs", smp: 1, rows: Object.keys(rows), samples };
  return {
    format: 1,
    date: "2026-01-01T00:00:00.000Z",
    host: { cpu: "test", cores: 2, loadAverage: 0 },
    guest: { kernel: "7.2", debian: "forky", memoryMiB: 512 },
    rounds: 2,
    scale: 1,
    peers: ["tinamou", "qemu"].map((name) => ({ name, version: "1" })),
    skipped: [],
    suites: [{ ...suite, figures: [], failures: [], skips: [], warnings: [] }],
    ...changes,
  };
}

const STEADY: Times = {
  fib: [
    [1, 2],
    [1, 2.1],
  ],
};

test("the same is no change, and neither is a host that is twice as slow", () => {
  const slowHost: Times = {
    fib: [
      [2, 4],
      [2, 4.2],
    ],
  };
  for (const after of [STEADY, slowHost]) {
    expect(compareResults(results(STEADY), results(after), 0.1)).toEqual({
      slower: [],
      faster: [],
      compared: 1,
      notes: [],
    });
  }
});

test("a ratio that fell means slower, one that rose faster, beyond the tolerance only", () => {
  const halved: Times = {
    fib: [
      [2, 2],
      [2, 2.1],
    ],
  };
  const fall = compareResults(results(STEADY), results(halved), 0.1);
  expect(fall.slower).toMatchObject([{ suite: "cpu", row: "fib", peer: "qemu", factor: 0.5 }]);
  expect(fall.faster).toEqual([]);
  expect(compareResults(results(halved), results(STEADY), 0.1).faster).toMatchObject([{ row: "fib", factor: 2 }]);
  expect(compareResults(results(STEADY), results(halved), 1.5).slower).toEqual([]);
});

test("one slow round among others is no finding", () => {
  const oneSlow: Times = {
    fib: [
      [3, 2],
      [1, 2.1],
    ],
  };
  expect(compareResults(results(STEADY), results(oneSlow), 0.1).slower).toEqual([]);
});

test("what makes it doubtful is told: other machines, programs that are gone, failures", () => {
  const before = results({ ...STEADY, gone: [[1, 1]] });
  const now = results(STEADY, { scale: 2, peers: [{ name: "qemu", version: "2" }] });
  const [suite] = now.suites;
  const failed = { ...now, suites: [{ ...suite, failures: ["fib: broken"] }] } as BenchResults;
  expect(compareResults(before, failed, 0.1).notes).toEqual([
    "the scale was 1 before, and is 2 now",
    "the version of qemu was 1 before, and is 2 now",
    "failed now: fib: broken",
    "cpu: gone was not run now",
  ]);
});

test("the text has a line for each change and a sum", () => {
  const halved: Times = {
    fib: [
      [2, 2],
      [2, 2],
    ],
  };
  expect(formatComparison(compareResults(results(STEADY), results(halved), 0.1)).split("\n")).toEqual([
    "SLOWER  cpu fib: qemu / baseline 2.05 -> 1.00 (x 0.49)",
    "1 compared: 1 slower, 0 faster",
  ]);
});
