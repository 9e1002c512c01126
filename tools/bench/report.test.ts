/** Table and chart of the same results. */
import { expect, test } from "vitest";
import type { BenchResults } from "./results.ts";
import type { Sample } from "./statistics.ts";
import { drawChart } from "./svg.ts";
import { formatResults } from "./table.ts";

function samples(row: string, tinamou: readonly number[], qemu: readonly number[]): Sample[] {
  const of = (peer: string, seconds: readonly number[]): Sample[] =>
    seconds.map((s, round) => ({ row, peer, round, timeNs: s * 1e9, hostNs: s * 1e9, checksum: "x" }));
  return [...of("tinamou", tinamou), ...of("qemu", qemu)];
}

function results(...peers: string[]): BenchResults {
  return {
    format: 1,
    date: "2026-01-01T00:00:00.000Z",
    host: { cpu: "test", cores: 2, loadAverage: 0 },
    guest: { kernel: "7.2", debian: "forky", memoryMiB: 512 },
    rounds: 3,
    scale: 1,
    peers: peers.map((name) => ({ name, version: "1" })),
    skipped: ["native: no gcc"],
    suites: [
      {
        suite: "cpu",
        title: "Programs",
        smp: 1,
        rows: ["fib", "sieve", "lost"],
        samples: [...samples("fib", [1, 2, 4], [2, 3, 4]), ...samples("sieve", [2, 2, 2], [1, 1, 1])],
        figures: [
          {
            name: "two against one",
            peer: "tinamou",
            unit: "times",
            spread: { min: 1, median: 1.5, max: 2 },
            bar: 1.7,
          },
          { name: "rate", peer: "qemu", unit: "million", spread: { min: 500, median: 600.4, max: 700 } },
        ],
        skips: ["7z: no package"],
        failures: ["lost: it was not measured"],
        warnings: ["a & b < c"],
      },
    ],
  };
}

test("the table has times, ratios, the geometric mean, warnings and failures", () => {
  expect(formatResults(results("tinamou", "qemu")).split("\n")).toEqual([
    "tinamou: 1; qemu: 1; rounds: 3, scale: 1",
    "left out: native: no gcc",
    "",
    "cpu: Programs, -smp 1",
    "qemu / tinamou: above 1, tinamou is the faster",
    "program         tinamou s  qemu s   min  median   max",
    "fib                 2.000   3.000  1.00    1.50  2.00",
    "sieve               2.000   1.000  0.50    0.50  0.50",
    "lost                    -       -     -       -     -",
    "geometric mean                             0.87",
    "two against one, tinamou: 1.50 times (1.00 to 2.00); to reach: 1.70, missed",
    "rate, qemu: 600 million (500 to 700)",
    "warning: a & b < c",
    "left out: 7z: no package",
    "FAILED: lost: it was not measured",
  ]);
});

test("one peer alone has times only", () => {
  expect(formatResults(results("qemu")).split("\n").slice(4, 6)).toEqual([
    "program  min s  median s  max s",
    "fib      2.000     3.000  4.000",
  ]);
});

test("the chart has a bar for each ratio and is the same for the same results", () => {
  const chart = drawChart(results("tinamou", "qemu"));
  expect(chart).toBe(drawChart(results("tinamou", "qemu")));
  expect(chart).toMatch(/^<svg [^]*<\/svg>\n$/);
  for (const content of ["fib", "sieve", "1.50", "0.50", "0.87", "cpu: qemu / tinamou, -smp 1"]) {
    expect(chart).toContain(`>${content}</text>`);
  }
  expect(chart).not.toContain(">lost<");
  expect(chart).not.toMatch(/NaN|undefined|Infinity/);
});
