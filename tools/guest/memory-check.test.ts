import { expect, test } from "vitest";
import { checkLines } from "./memory-check.ts";

test("lines that stand whole on the console", () => {
  const console = "~ # check 1: rounds 12 9 errors 0\r\necho\r\ncheck 2: rounds 24 20 errors 3\r\ncheck 3: rounds 3";
  expect(checkLines(console)).toEqual([
    { seconds: 1, rounds: [12, 9], errors: 0 },
    { seconds: 2, rounds: [24, 20], errors: 3 },
  ]);
});
