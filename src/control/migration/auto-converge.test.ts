import { expect, test } from "vitest";
import { AutoConverge } from "#control/migration/auto-converge.ts";
import { DEFAULT_PARAMETERS } from "#control/migration/parameters.ts";

test("with tailslow no more is taken than brings the writes down to what is tolerated", () => {
  const converge = new AutoConverge();
  const parameters = { ...DEFAULT_PARAMETERS, "cpu-throttle-tailslow": true };
  const percents: number[] = [];
  for (let sent = 100, looks = 0; looks < 6; looks++, sent += 100) {
    converge.looked(looks < 4 ? 53 : 1000, sent, parameters);
    percents.push(converge.percent);
  }
  // 80 percent are left; 80 - 80 * 50 / 53 is 4.5.
  expect(percents).toEqual([0, 20, 20, 24, 24, 34]);
});

test("what is written faster than half of what is sent, twice, slows the guest down, step by step", () => {
  const converge = new AutoConverge();
  const percents: number[] = [];
  for (let sent = 100, looks = 0; looks < 6; looks++, sent += 100) {
    converge.looked(60, sent, DEFAULT_PARAMETERS);
    percents.push(converge.percent);
  }
  expect(percents).toEqual([0, 20, 20, 30, 30, 40]);
  converge.looked(50, 700, DEFAULT_PARAMETERS);
  converge.looked(50, 800, DEFAULT_PARAMETERS);
  expect(converge.percent).toBe(40);
  for (let sent = 900; sent < 5000; sent += 100) converge.looked(1000, sent, DEFAULT_PARAMETERS);
  expect(converge.percent).toBe(99);
});
