import { expect, test } from "vitest";
import { ArrayAccounting } from "./array-accounting.ts";
import type { Cell } from "./measure.ts";
import { drawPlot } from "./plot.ts";
import { formatTable, judge } from "./table.ts";

function cells(idle: readonly number[]): Cell[] {
  return idle.map((endIdle, index) => ({
    vcpus: [1, 16, 256, 4096][index] ?? 0,
    pages: 1e3,
    hash: {
      endIdle,
      endOthers: 11,
      begin: 48,
      endWaiter: 73,
    },
    array: {
      endIdle: 5 * 16 ** index,
      endOthers: 6,
      begin: 9,
      endWaiter: 4,
    },
  }));
}

test("the bar: under 100 ns, and within 20 % over the numbers of vCPUs", () => {
  expect(judge(cells([10, 10, 11, 12]))).toMatchObject({ mostNs: 12, holds: true });
  expect(judge(cells([10, 10, 11, 12.5]))).toMatchObject({ spread: 0.25, holds: false });
  expect(judge(cells([100, 100, 100, 100]))).toMatchObject({ mostNs: 100, holds: false });
});

test("a row for each size in the table, a point for each in the plot", () => {
  expect(
    formatTable(cells([10, 10, 11, 12]))
      .trimEnd()
      .split("\n"),
  ).toHaveLength(2 + 4);
  expect(drawPlot(cells([10, 10, 11, 12]), 1000).match(/<circle/g)).toHaveLength(4 * 6);
});

test("the array of slots loses a wait when a vCPU has two", () => {
  const accounting = new ArrayAccounting(1);
  accounting.begin(1, 0, 100);
  accounting.end(1, 200);
  expect(accounting.totalBlocktimeNs).toBe(100);
  accounting.begin(1, 0, 300);
  accounting.begin(2, 0, 400);
  accounting.end(1, 450);
  accounting.end(2, 500);
  expect(accounting.totalBlocktimeNs).toBe(200);
});
