import { expect, test } from "vitest";
import {
  checksumDifference,
  clockDisagreement,
  geometricMean,
  ratios,
  type Sample,
  scaling,
  spread,
} from "./statistics.ts";

function sample(peer: string, round: number, timeNs: number, checksum = "ok"): Sample {
  return { row: "fib", peer, round, timeNs, hostNs: timeNs, checksum };
}

test("the spread of odd and even numbers of values", () => {
  expect(spread([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3 });
  expect(spread([4, 1, 2, 3])).toEqual({ min: 1, median: 2.5, max: 4 });
});

test("the geometric mean of a ratio and its inverse is 1", () => {
  expect(geometricMean([4, 0.25])).toBeCloseTo(1);
  expect(geometricMean([2, 8])).toBeCloseTo(4);
});

test("ratios are taken within a round, peer over baseline", () => {
  const samples = [
    sample("tinamou", 0, 100),
    sample("qemu", 0, 200),
    sample("tinamou", 1, 1000),
    sample("qemu", 1, 1500),
    sample("tinamou", 2, 100),
  ];
  expect(ratios(samples, "fib", { peer: "qemu", baseline: "tinamou" })).toEqual({ min: 1.5, median: 1.75, max: 2 });
  expect(ratios(samples, "other", { peer: "qemu", baseline: "tinamou" })).toBeUndefined();
});

test("scaling is the work of all copies in a second over that of one", () => {
  const run = (row: string, round: number, timeNs: number): Sample => ({ ...sample("qemu", round, timeNs), row });
  const samples = [run("x1", 0, 100), run("x2", 0, 100), run("x1", 1, 100), run("x2", 1, 200), run("x1", 2, 100)];
  const two = { one: "x1", many: "x2", copies: 2 };
  expect(scaling(samples, "qemu", two)).toEqual({ min: 1, median: 1.5, max: 2 });
  expect(scaling(samples, "tinamou", two)).toBeUndefined();
});

test("different checksums are told with who had them", () => {
  expect(checksumDifference([sample("tinamou", 0, 1), sample("qemu", 0, 1)], "fib")).toBeUndefined();
  const samples = [sample("tinamou", 0, 1, "aa"), sample("qemu", 0, 1, "bb"), sample("tinamou", 1, 1, "aa")];
  expect(checksumDifference(samples, "fib")).toBe("fib: the checksums differ: aa (tinamou), bb (qemu)");
});

test("a peer whose checksum changes between rounds differs, too", () => {
  const samples = [sample("qemu", 0, 1, "aa"), sample("qemu", 1, 1, "bb")];
  expect(checksumDifference(samples, "fib")).toContain("aa (qemu), bb (qemu)");
});

test("the clocks of guest and host may be 5 % and 0.3 s apart, in both directions", () => {
  const at = (guestS: number, hostS: number): Sample => ({ ...sample("qemu", 1, guestS * 1e9), hostNs: hostS * 1e9 });
  expect(clockDisagreement(at(10, 10.7))).toBeUndefined();
  expect(clockDisagreement(at(0.01, 0.3))).toBeUndefined();
  expect(clockDisagreement(at(10, 11))).toBe(
    "fib in qemu, round 2: 10.00 s by the guest's clock, 11.00 s by the host's",
  );
  expect(clockDisagreement(at(11, 10))).toContain("11.00 s by the guest's clock");
});
