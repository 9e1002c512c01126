import { expect, test } from "vitest";
import { parseOptions } from "./options.ts";
import { SUITES } from "./suites.ts";

test("all suites, three rounds and full work unless told otherwise", () => {
  expect(parseOptions([], "/node")).toEqual({
    suites: SUITES.map((suite) => suite.name).filter((name) => name !== "v86"),
    programs: [],
    rounds: 3,
    scale: 1,
    peers: ["tinamou", "qemu"],
    nodes: ["/node"],
    json: "build/bench.json",
    svg: undefined,
    timeoutMs: 600_000,
    help: false,
  });
});

test("--quick is one round of little work, and what is named wins over it", () => {
  expect(parseOptions(["cpu", "--quick"], "/node")).toMatchObject({ suites: ["cpu"], rounds: 1, scale: 0.04 });
  expect(parseOptions(["--quick", "--rounds", "2"], "/node")).toMatchObject({ rounds: 2, scale: 0.04 });
});

test.each([
  [["nothing"], /no suite is named nothing; there are: cpu, boot/],
  [["--programs", "fob"], /no program is named fob/],
  [["--rounds", "0"], /--rounds is a number above 0, not 0/],
  [["--rounds", "1.5"], /whole number/],
  [["--scale", "x"], /--scale is a number/],
  [["--peers", "bochs"], /no peer is named bochs/],
  [["--peers", ""], /at least one/],
  [["--peers", "qemu,qemu"], /each once/],
  [["--colour"], /colour/],
])("%j is refused", (args, message) => {
  expect(() => parseOptions(args, "/node")).toThrow(message);
});

test("names of suites and programs are unique, and fit into a line of the driver", () => {
  const names = SUITES.flatMap((suite) => suite.rows.map((row) => row.name));
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^\w+$/);
});
