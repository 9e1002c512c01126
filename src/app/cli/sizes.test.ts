import { expect, test } from "vitest";
import { describeSize, GIB, MIB, parseSize } from "./sizes.ts";

test.each<[string, "B" | "M", number | "syntax" | "range"]>([
  ["512", "M", 512 * MIB],
  ["512", "B", 512],
  ["1G", "M", GIB],
  ["1g", "M", GIB],
  ["1.5G", "M", 1.5 * GIB],
  ["0.5k", "B", 512],
  ["10B", "M", 10],
  ["0", "M", 0],
  ["0x10", "B", 16],
  ["0x10", "M", 16 * MIB],
  ["1T", "M", 1024 * GIB],
  ["15E", "M", 15 * 2 ** 60],
  ["16E", "M", "range"],
  ["100000000T", "M", "range"],
  ["1.5", "M", "syntax"],
  ["1.5B", "M", "syntax"],
  ["1Q", "M", "syntax"],
  ["1MB", "M", "syntax"],
  ["1e3M", "M", "syntax"],
  [".5G", "M", "syntax"],
  ["1.5.2G", "M", "syntax"],
  ["-5", "M", "syntax"],
  ["0x10K", "B", "syntax"],
  ["", "M", "syntax"],
  ["foo", "M", "syntax"],
])("%j with default %s is %s", (text, suffix, expected) => {
  expect(parseSize(text, suffix)).toBe(expected);
});

test("sizes in messages", () => {
  expect([0, 1000, 4096, 128 * MIB, 1.5 * GIB, 3 * GIB].map(describeSize)).toEqual([
    "0 bytes",
    "1000 bytes",
    "4 KiB",
    "128 MiB",
    "1536 MiB",
    "3 GiB",
  ]);
});
