/** How threads are scheduled, where the host allows that. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { lowerHelpers, openHelpers, openUrgency, rememberHelpers, Urgent } from "#platform/node/priority.ts";

const urgency = await openUrgency(Urgent.Waiter);
const server = await openUrgency(Urgent.Server);

/** Of a thread. Spec: proc(5), /proc/pid/stat. */
function field(number: number, thread = "thread-self"): number {
  const text = readFileSync(`/proc/${thread}/stat`, "utf8");
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[number - 3]);
}
const policy = (): number => field(41);
const realTimePriority = (): number => field(40);

test.skipIf(!urgency)("a thread is urgent from raise to lower", () => {
  const usual = policy();
  urgency?.raise();
  const urgent = policy();
  urgency?.lower();
  expect([usual, urgent, policy()]).toEqual([0, 1, 0]);
});

test.skipIf(!server)("who is waited for goes before those that wait", () => {
  server?.raise();
  const served = realTimePriority();
  server?.lower();
  urgency?.raise();
  const waits = realTimePriority();
  urgency?.lower();
  expect(served).toBeGreaterThan(waits);
  expect(waits).toBeGreaterThan(0);
});

test.skipIf(!urgency)("the engine's own threads go behind others, and are like others from raise to lower", () => {
  const niceOfThem = (): number[] =>
    readdirSync("/proc/self/task")
      .slice(1, 6)
      .map((thread) => field(19, `self/task/${thread}`));
  const usual = niceOfThem();
  const restore = rememberHelpers();
  lowerHelpers();
  const lowered = niceOfThem();
  expect(lowered.every((nice) => nice > 0)).toBe(true);
  const helpers = openHelpers();
  helpers.raise();
  helpers.raise();
  expect(niceOfThem()).toEqual(lowered.map(() => 0));
  helpers.lower();
  helpers.lower();
  expect(niceOfThem()).toEqual(lowered);
  restore();
  expect(niceOfThem()).toEqual(usual);
});
