import { expect, test } from "vitest";
import { parseResult, resultPattern, runCommand, scaledWork } from "./protocol.ts";

const row = { program: "core.c", work: 1000, args: ["2"] };

test("a command names the program in the guest, its scaled work and its arguments", () => {
  expect(runCommand("core_x2", row, 0.5)).toBe("run core_x2 /bench/core 500 2\n");
  expect(runCommand("gzip", { program: "gzip.sh", work: 3 }, 1)).toBe("run gzip /bin/sh /bench/gzip.sh 3\n");
});

test("there is always some work", () => {
  expect(scaledWork(10, 0.001)).toBe(1);
});

test("a result line gives time and checksum, a failure its reason", () => {
  expect(parseResult("BENCH fib 1234567890123 00ff\n")).toEqual({
    kind: "done",
    guestNs: 1_234_567_890_123,
    checksum: "00ff",
  });
  expect(parseResult("BENCH-FAILED fib signal 11 -\n")).toEqual({ kind: "failed", reason: "signal 11 -" });
});

test.each(["", "BENCH fib 12\n", "BENCH fib x 00ff\n", "BENCH fib 12 00ff more\n"])(
  "a damaged line is an error: %j",
  (line) => {
    expect(() => parseResult(line)).toThrow(/not a result/);
  },
);

test("a result is found when its line is whole, and only that of its program", () => {
  const pattern = resultPattern("fib");
  expect(pattern.test("noise\nBENCH fib 12 00ff")).toBe(false);
  expect(pattern.exec("noise\nBENCH fib 12 00ff\nmore")?.[0]).toBe("BENCH fib 12 00ff\n");
  expect(pattern.test("BENCH fibs 12 00ff\n")).toBe(false);
  expect(pattern.test("BENCH-FAILED fib status 1 x\n")).toBe(true);
});
