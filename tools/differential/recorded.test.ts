/** The recorded cases run as QEMU ran them. */
import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { Engine } from "./engine.ts";
import { buildImage } from "./image.ts";
import { type RecordedCase, recordAt, resultOf, toCase } from "./recorded.ts";

const recorded: readonly RecordedCase[] = JSON.parse(
  readFileSync(new URL("recorded-cases.json", import.meta.url), "utf8"),
);
const engine = new Engine();
afterAll(() => engine.close());

/** Indices of the cases that end otherwise than recorded. */
function wrong(cases: readonly RecordedCase[]): number[] {
  const records = engine.run(buildImage(cases.map(toCase), "wfi"));
  return cases.flatMap((c, i) => (resultOf(recordAt(records, i)) === c.result ? [] : [i]));
}

test("every recorded case ends as in QEMU", () => {
  expect(recorded.length).toBeGreaterThan(500);
  expect(wrong(recorded)).toEqual([]);
});

test("one bit of a case's data is seen", () => {
  const changed = recorded.map((c) => ({ ...c, seed: c.seed + 1 }));
  expect(wrong(changed)).toHaveLength(recorded.length);
});
