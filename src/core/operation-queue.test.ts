import { expect, test } from "vitest";
import { OperationQueue } from "./operation-queue.ts";

test("operations run one after the other, and one that fails does not hold up the next", async () => {
  const queue = new OperationQueue();
  const seen: string[] = [];
  const step = (name: string, fails = false) =>
    queue.run(async () => {
      seen.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (fails) throw new Error(name);
      seen.push(`${name} ends`);
      return name;
    });
  const results = await Promise.allSettled([step("a"), step("b", true), step("c")]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(seen).toEqual(["a begins", "a ends", "b begins", "c begins", "c ends"]);
});
