/** A vCPU's wait for pages, rehearsed. */
import { expect, test } from "vitest";
import { rehearsePageWaits } from "#machine/page-wait.ts";
import { nodeClock } from "#platform/node/clock.ts";

/** Who waits, asks and sleeps in it; `rounds` are allowed. */
function rehearsal(rounds: number, vcpus = 1, hasFutex = true) {
  const asked: number[] = [];
  const descriptors = new Set<number>();
  const urgency: string[] = [];
  let slept = 0;
  let woken = 0;
  let pauses = 0;
  const futex = { wait: () => void (slept += 1), wake: () => void (woken += 1) };
  const host = {
    clock: nodeClock(),
    askBy: () => (descriptor: number, page: number) => {
      descriptors.add(descriptor);
      asked.push(page);
      return true;
    },
    urgency: { raise: () => void urgency.push("raised"), lower: () => void urgency.push("lowered") },
    futex: hasFutex ? futex : undefined,
  };
  rehearsePageWaits(host, vcpus, 77, () => (pauses += 1) <= rounds);
  return { asked, descriptors: [...descriptors], urgency, slept, woken, pauses };
}

test("each page is asked for and waited for, by the descriptor that goes nowhere, until it is enough", () => {
  const { asked, descriptors, urgency, slept, woken, pauses } = rehearsal(Infinity);
  expect(asked.length).toBe(12 * 64);
  expect(new Set(asked).size).toBe(64);
  expect([descriptors, slept, woken, pauses]).toEqual([[77], asked.length, asked.length, 12]);
  expect(urgency).toEqual(asked.flatMap(() => ["raised", "lowered"]));
});

test("it ends when the machine is to run", () => {
  expect(rehearsal(2).asked.length).toBe(2 * 64);
  expect(rehearsal(0).asked).toEqual([]);
});

test("not where it would never wake, nor for many vCPUs", () => {
  expect(rehearsal(Infinity, 1, false).pauses).toBe(0);
  expect(rehearsal(Infinity, 9).pauses).toBe(0);
});
