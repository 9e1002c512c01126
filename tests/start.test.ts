/**
 * What makes the command start fast is there and is taken: code caches, stored runtimes. And what has neither starts too.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { expect, test } from "vitest";
import { setEngineFlags } from "#app/engine-flags.ts";
import { compileProgram } from "#app/load-program.ts";
import { makeStoredRuntimes } from "#app/make-stored-runtimes.ts";
import { readOptimized } from "#app/optimized-code.ts";
import { codeName, storedName } from "#app/stored-runtimes.ts";
import { probeEngineFeatures } from "#cpu/engine/features.ts";
import { ROOT } from "../tools/setup.mjs";
import { runToEnd, startCommand, testFolder, writeFirmware } from "./firmware.ts";

const DIST = join(ROOT, "dist");
const folder = testFolder();
const firmware = writeFirmware(folder);

test.each(["command", "vcpu", "timer"])("V8 takes the code that the build has made of %s", (program) => {
  const file = join(DIST, "programs", `${program}.cjs`);
  expect(compileProgram(createRequire(file), file).usesCache).toBe(true);
});

test("the stored runtimes are what would be generated", () => {
  const runtimes = makeStoredRuntimes();
  expect(runtimes.map(({ name }) => name)).toEqual(["fma", "basic"]);
  // One of them has its optimised code beside it.
  expect(readdirSync(join(DIST, "runtimes"))).toHaveLength(2 * runtimes.length + 1);
  for (const { name, bytes, description } of runtimes) {
    expect(Buffer.compare(readFileSync(join(DIST, "runtimes", `${name}.wasm`)), bytes)).toBe(0);
    expect(JSON.parse(readFileSync(join(DIST, "runtimes", `${name}.json`), "utf8"))).toEqual(description);
  }
});

test("V8 takes the optimised code of the runtime that it uses", () => {
  setEngineFlags();
  const name = storedName(probeEngineFeatures());
  const read = (file: string): Uint8Array<ArrayBuffer> => readFileSync(join(DIST, "runtimes", file));
  const module = readOptimized(read(codeName(name)), read(`${name}.wasm`));
  expect(module).toBeInstanceOf(WebAssembly.Module);
  // Code that V8 did not make under these flags is refused, and the flag that lets scripts ask for it is off again.
  setFlagsFromString("--wasm-tiering-budget=1000");
  expect(readOptimized(read(codeName(name)), read(`${name}.wasm`))).toBeUndefined();
  // oxlint-disable-next-line typescript/no-implied-eval -- the syntax is V8's alone
  expect(() => new Function("return %IsSmi(1)")).toThrow(SyntaxError);
});

test.each([
  ["another CPU", "-cpu", "rv64,zba=off,svadu=off"],
  ["another accelerator", "-accel", "interp"],
  ["a log that the runtime must report to", "-d", "int"],
  ["several vCPUs", "-smp", "3"],
])("a machine starts and ends with %s", async (_what, ...args) => {
  const { output, exitCode } = await runToEnd(
    ["-M", "virt", "-m", "64", "-nographic", "-bios", firmware, ...args],
    "q",
  );
  expect(output).toContain("ready");
  expect(exitCode).toBe(0);
});

test("the steps of a start are told in order, when they are asked for", async () => {
  const args = ["-M", "virt", "-m", "64", "-nographic", "-bios", firmware];
  const { errors } = await runToEnd([...args, "-trace", "startup_step"], "q");
  const times = new Map(
    Array.from(errors.matchAll(/^startup_step (\S+ \S+) at (\S+) ms$/gm), ([, step = "", at]) => [step, Number(at)]),
  );
  const order = [
    "main node",
    "main modules",
    "main arguments",
    "vcpu0 told",
    "vcpu0 ready",
    "main machine",
    "main running",
  ];
  const found = order.map((step) => times.get(step));
  expect(found).not.toContain(undefined);
  expect(found).toEqual(found.toSorted((a, b) => Number(a) - Number(b)));
  expect((await runToEnd(args, "q")).errors).toBe("");
});

test.runIf(process.platform === "linux")(
  "V8's own threads go behind; those of disks and of the machine do not",
  async () => {
    const machine = startCommand(["-M", "virt", "-m", "64", "-nographic", "-bios", firmware]);
    try {
      await machine.waitFor(/ready/, 30_000);
      const tasks = `/proc/${machine.pid}/task`;
      // The 19th field; the second one is a name that may have spaces.
      const nice = readdirSync(tasks).map((task) =>
        Number(readFileSync(`${tasks}/${task}/stat`, "utf8").split(") ")[1]?.split(" ")[16]),
      );
      expect(nice.slice(0, 6)).toEqual([0, 15, 15, 15, 15, 15]);
      expect(nice.length).toBeGreaterThan(8);
      expect(new Set(nice.slice(6))).toEqual(new Set([0]));
    } finally {
      machine.kill();
    }
  },
);

test("a machine that is too large is refused before anything starts", async () => {
  const { errors, exitCode } = await runToEnd(
    ["-M", "virt", "-m", "3G", "-smp", "64", "-nographic", "-bios", firmware],
    "",
  );
  expect(exitCode).toBe(1);
  expect(errors).toContain("use less RAM");
});
