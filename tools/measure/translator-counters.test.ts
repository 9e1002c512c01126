import { expect, test } from "vitest";
import { countersBetween, parseCounters, replaceMarked } from "./translator-counters.ts";

const TEXT = `Translated code: regions
modules                             12 (7, 5)
guest instructions in them          34567 (30000, 4567)
time in the translator              89 ms (80, 9)
times that everything was dropped   0 (0, 0)
`;

test("the sums by label", () => {
  expect([...parseCounters(TEXT)]).toEqual([
    ["modules", 12],
    ["guest instructions in them", 34567],
    ["time in the translator", 89],
    ["times that everything was dropped", 0],
  ]);
  expect(parseCounters("modules                             3\n").get("modules")).toBe(3);
});

test("the difference of two looks", () => {
  const later = parseCounters("modules                             20\nregions                             4\n");
  expect([...countersBetween(parseCounters(TEXT), later)]).toEqual([
    ["modules", 8],
    ["regions", 4],
  ]);
});

test("another text is an error", () => {
  expect(() => parseCounters("unknown command")).toThrow(/no counters/);
});

test("what is between the marks of a page is replaced, again and again", () => {
  const page = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n";
  const once = replaceMarked(page, "x", "new");
  expect(once).toBe("a\n<!-- x -->\nnew\n<!-- end of x -->\nb\n");
  expect(replaceMarked(once, "x", "old")).toBe(page);
  expect(() => replaceMarked("a\n", "x", "new")).toThrow(/no marks/);
});
