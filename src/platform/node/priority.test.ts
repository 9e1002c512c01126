/** How threads are scheduled, where the host allows that. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { openUrgency } from "#platform/node/priority.ts";

const urgency = await openUrgency();

/** Of the calling thread. Spec: proc(5), /proc/pid/stat, field 41. */
function policy(): number {
  const text = readFileSync("/proc/thread-self/stat", "utf8");
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[41 - 3]);
}

test.skipIf(!urgency)("a thread is urgent from raise to lower", () => {
  const usual = policy();
  urgency?.raise();
  const urgent = policy();
  urgency?.lower();
  expect([usual, urgent, policy()]).toEqual([0, 1, 0]);
});
