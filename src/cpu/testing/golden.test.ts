/** The golden files say what decoder, disassembler, IR and engine say. `GOLDEN=update npx vitest run golden` rewrites them. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { riscvIsa } from "#cpu/isa/riscv/riscv.ts";
import { BareMachine } from "#cpu/testing/bare-machine.ts";
import { regenerateGolden } from "#cpu/testing/golden.ts";

const FOLDER = new URL("../../../tests/golden/", import.meta.url);
const extensions = resolveExtensions({ zfh: true });
const isa = riscvIsa(extensions);
const machine = new BareMachine({ ramBytes: 2 ** 20, extensions });
const translating = new BareMachine({ ramBytes: 2 ** 20, extensions, hotThreshold: 2, batchRegions: 1 });
const REPEATS = 4;
const files = readdirSync(FOLDER).filter((name) => name.endsWith(".golden"));

test("there are golden files", () => expect(files.length).toBeGreaterThanOrEqual(6));

test.each(files)("%s", (name) => {
  const file = new URL(name, FOLDER);
  const text = readFileSync(file, "utf8");
  const generated = regenerateGolden(text, isa, machine);
  if (process.env.GOLDEN === "update") writeFileSync(file, generated);
  else expect(generated).toBe(text);
});

test.each(files)("%s, as regions", (name) => {
  const text = readFileSync(new URL(name, FOLDER), "utf8");
  const before = translating.vcpu.compiler?.statistics.regions ?? 0;
  expect(regenerateGolden(text, isa, translating, REPEATS)).toBe(text);
  expect(translating.vcpu.compiler?.statistics.regions).toBeGreaterThan(before);
});

test("a wrong line is seen", () => {
  const text = "insn 00c58533\nin x11=5 x12=7\nout x10=0xd\n";
  const generated = regenerateGolden(text, isa, machine);
  expect(generated).toContain("out x10=0xc");
});
