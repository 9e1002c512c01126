/** Seeds each kind of violation into a small tree and expects exactly that one to be found. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkLayers } from "./check-layers.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "layers-"));
  write("tsconfig.json", references("src/core", "src/hw", "src/platform", "tsconfig.tests.json"));
  write("package.json", '{ "dependencies": { "@scope/inflate": "1" }, "devDependencies": { "vitest": "1" } }');
  write("src/core/tsconfig.json", references());
  write("src/hw/tsconfig.json", references("../core"));
  write("src/platform/tsconfig.json", references("../core"));
  write("src/core/bytes.ts", "export const BYTES = 1;\n");
  write("src/hw/devices/uart.ts", 'import { BYTES } from "#core/bytes.ts";\nexport const UART = BYTES;\n');
  write("src/hw/devices/disk/disk.ts", 'import { QUEUE } from "./queue.ts";\nexport const DISK = QUEUE;\n');
  write("src/hw/devices/disk/queue.ts", "export const QUEUE = 1;\n");
  write(
    "src/platform/clock.ts",
    'import { performance } from "node:perf_hooks";\nexport const now = performance.now();\n',
  );
});
afterEach(() => rmSync(root, { recursive: true }));

function write(file: string, text: string): void {
  mkdirSync(path.join(root, path.dirname(file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}
function references(...paths: string[]): string {
  return JSON.stringify({ references: paths.map((to) => ({ path: to })) });
}
const found = (): string[] => checkLayers(root).map(({ rule, file }) => `${rule} ${file}`);

test("a clean tree has no violation", () => {
  expect(found()).toEqual([]);
});

test("an import against the direction, of a value, a type, a re-export or a lazy one", () => {
  write("src/core/a.ts", 'import { UART } from "#hw/devices/uart.ts";\nexport const A = UART;\n');
  write("src/core/b.ts", 'import type { UART } from "#hw/devices/uart.ts";\nexport type B = typeof UART;\n');
  write("src/core/c.ts", 'export { UART } from "#hw/devices/uart.ts";\n');
  write("src/core/d.ts", 'export const load = () => import("#hw/devices/uart.ts");\n');
  expect(found().sort()).toEqual(["a", "b", "c", "d"].map((name) => `layer src/core/${name}.ts`));
});

test("an import of a layer that does not exist", () => {
  write("src/core/a.ts", 'import { X } from "#nowhere/x.ts";\nexport const A = X;\n');
  expect(found()).toEqual(["layer src/core/a.ts"]);
});

test("a relative path out of the layer, even to an allowed one", () => {
  write("src/hw/bus.ts", 'import { BYTES } from "../core/bytes.ts";\nexport const BUS = BYTES;\n');
  expect(found()).toEqual(["relative src/hw/bus.ts"]);
});

test("a device that imports another device, as a file or a folder", () => {
  write("src/hw/devices/rtc.ts", 'import { UART } from "#hw/devices/uart.ts";\nexport const RTC = UART;\n');
  write("src/hw/devices/rng.ts", 'import { DISK } from "./disk/disk.ts";\nexport const RNG = DISK;\n');
  expect(found().sort()).toEqual(["device src/hw/devices/rng.ts", "device src/hw/devices/rtc.ts"]);
});

test("Node's modules outside platform and app", () => {
  write("src/core/a.ts", 'import { readFileSync } from "node:fs";\nexport const A = readFileSync;\n');
  write("src/core/b.ts", 'import { readFileSync } from "fs";\nexport const B = readFileSync;\n');
  expect(found().sort()).toEqual(["host src/core/a.ts", "host src/core/b.ts"]);
});

test("a package that is not a dependency, or of development only", () => {
  write("src/core/a.ts", 'import { inflate } from "@scope/inflate/raw";\nexport const A = inflate;\n');
  expect(found()).toEqual([]);
  write("src/core/b.ts", 'import { test } from "vitest";\nexport const B = test;\n');
  write("src/platform/c.ts", 'import chalk from "chalk";\nexport const C = chalk;\n');
  expect(found().sort()).toEqual(["package src/core/b.ts", "package src/platform/c.ts"]);
});

test("a circle of values, reported once; a circle of types is allowed", () => {
  write("src/core/a.ts", 'import { B } from "#core/b.ts";\nexport const A = () => B;\n');
  write("src/core/b.ts", 'import { C } from "./c.ts";\nexport const B = () => C;\n');
  write("src/core/c.ts", 'import { A } from "#core/a.ts";\nexport const C = () => A;\n');
  expect(found()).toEqual(["cycle src/core/a.ts"]);
  write("src/core/c.ts", 'import type { A } from "#core/a.ts";\nexport type C = typeof A;\nexport const C = 1;\n');
  expect(found()).toEqual([]);
});

test("a folder that is no layer, and a tree with nothing in it", () => {
  write("src/extra/a.ts", "export const A = 1;\n");
  expect(found()).toEqual(["layout src/extra"]);
  rmSync(path.join(root, "src"), { recursive: true });
  mkdirSync(path.join(root, "src"));
  write("tsconfig.json", references());
  expect(() => checkLayers(root)).toThrow("no source files");
});

test("a test may import what it needs", () => {
  write(
    "src/core/a.test.ts",
    'import { UART } from "#hw/devices/uart.ts";\nimport { test } from "vitest";\ntest(UART);\n',
  );
  expect(found()).toEqual([]);
});

test("a package that may be absent, at once or in a layer that knows no host", () => {
  write("package.json", '{ "optionalDependencies": { "maybe": "1" } }');
  write("src/platform/a.ts", 'export const load = () => import("maybe");\nexport type { A } from "maybe";\n');
  expect(found()).toEqual([]);
  write("src/platform/b.ts", 'import { maybe } from "maybe";\nexport const B = maybe;\n');
  write("src/core/c.ts", 'export const load = () => import("maybe");\n');
  expect(found().sort()).toEqual(["package src/core/c.ts", "package src/platform/b.ts"]);
});
