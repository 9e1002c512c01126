/** A short run of every target, always the same one; `main.ts` looks further. And the judge can find something. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { target } from "./target.ts";
import { TARGETS } from "./targets.ts";

const SEED = 1;

test.each(TARGETS.map((one) => [one.name, one] as const))("%s", async (_name, one) => {
  expect(await one.check(SEED, one.shortRuns)).toBeUndefined();
});

class OwnError extends Error {}
const why = async (run: (input: number) => void | Promise<void>, limits = {}): Promise<string | undefined> => {
  const one = target({ name: "t", input: fc.nat(9), errors: [OwnError], shortRuns: 1, ...limits, run });
  return (await one.check(SEED, 20))?.why;
};

test("an error of its own with a sentence is no finding, all else is", async () => {
  const fail = (error: Error) => (input: number) => {
    if (input > 3) throw error;
  };
  expect(await why(fail(new OwnError("a sentence")))).toBeUndefined();
  expect(await why(fail(new TypeError("x is undefined")))).toContain("x is undefined");
  expect(await why(fail(new OwnError("")))).toContain("not one line");
  expect(await why(fail(new OwnError("two\nlines")))).toContain("not one line");
  expect(await why((input) => Promise.reject(new RangeError(String(input))))).toContain("RangeError");
});

test("an input that takes too long or too much memory is a finding", async () => {
  const slow = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
  expect(await why(slow, { limitMs: 5 })).toContain("ms");
  const kept: Uint8Array[] = [];
  const greedy = (): void => void kept.push(new Uint8Array(4 << 20));
  expect(await why(greedy, { limitBytes: 1 << 20 })).toContain("bytes of memory");
});

test("a finding comes with what repeats it, and its input is as small as it can be", async () => {
  const run = (input: number): void => {
    if (input >= 4) throw new TypeError("too large");
  };
  const one = target({ name: "t", input: fc.nat(1000), errors: [], shortRuns: 1, run });
  const finding = await one.check(SEED, 100);
  expect(finding?.input).toBe("4");
  const again = await one.check(finding?.seed ?? 0, 100, finding?.path);
  expect(again?.input).toBe("4");
});
