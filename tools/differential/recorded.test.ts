/** The recorded cases run as QEMU ran them. */
import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { Engine, ENGINES, type EngineName, REPEATS } from "./engine.ts";
import { buildImage } from "./image.ts";
import { type RecordedCase, recordAt, resultOf, toCase } from "./recorded.ts";

const recorded: readonly RecordedCase[] = JSON.parse(
  readFileSync(new URL("recorded-cases.json", import.meta.url), "utf8"),
);
const NAMES = [...ENGINES, "lockstep"] as const;
const engines = { interp: new Engine("interp"), wasm: new Engine("wasm"), lockstep: new Engine("lockstep") };
afterAll(() => Object.values(engines).forEach((engine) => engine.close()));

/** Indices of the cases that end otherwise than recorded. */
function wrong(name: EngineName, cases: readonly RecordedCase[]): number[] {
  const image = buildImage(cases.map(toCase), "wfi");
  // The first runs make the code hot.
  for (let run = 1; run < REPEATS[name]; run++) engines[name].run(image);
  const records = engines[name].run(image);
  return cases.flatMap((c, i) => (resultOf(recordAt(records, i)) === c.result ? [] : [i]));
}

test.each(NAMES)("every recorded case ends as in QEMU: %s", (name) => {
  expect(recorded.length).toBeGreaterThan(500);
  expect(wrong(name, recorded)).toEqual([]);
});

test("regions were compiled", () => {
  expect(engines.wasm.machine.vcpu.compiler?.statistics.regions).toBeGreaterThan(recorded.length);
});

test("one bit of a case's data is seen", () => {
  const changed = recorded.map((c) => ({ ...c, seed: c.seed + 1 }));
  expect(wrong("interp", changed)).toHaveLength(recorded.length);
});
