/**
 * Runs the checks of `npm run check`, with their real settings, on a small project: clean, each must pass; with a
 * violation seeded for it, each must fail and name the file. (check-layers.ts has a test of its own for each rule.)
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CheckName, CHECKS } from "./checks.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SETTINGS = [".gitignore", ".oxlintrc.json", "biome.json", "knip.json", "tsconfig.base.json"];
const PROJECT = "tsconfig.json";

let root: string;
beforeAll(() => {
  root = mkdtempSync(path.join(tmpdir(), "checkers-"));
  for (const name of [...SETTINGS, PROJECT, "tsconfig.tests.json", "vitest.config.ts"]) {
    copyFileSync(path.join(ROOT, name), path.join(root, name));
  }
  const { name, type, imports } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8"));
  write("package.json", `${JSON.stringify({ name, type, imports, devDependencies: { vitest: "*" } }, null, 2)}\n`);
  symlinkSync(path.join(ROOT, "node_modules"), path.join(root, "node_modules"));
  for (const layer of layers()) {
    write(`src/${layer}/tsconfig.json`, readFileSync(path.join(ROOT, "src", layer, "tsconfig.json"), "utf8"));
  }
  write("src/engine.d.ts", readFileSync(path.join(ROOT, "src/engine.d.ts"), "utf8"));
  // What vitest.config.ts names is not what is tested here.
  write("tools/support/unit-setup.ts", "Date.now();\n");
  write("src/core/sum.ts", "export function sum(a: number, b: number): number {\n  return a + b;\n}\n");
  write("src/core/sum.test.ts", unitTest(3));
  write("src/app/api/index.ts", 'export { sum } from "#core/sum.ts";\n');
});
afterAll(() => rmSync(root, { recursive: true }));

function layers(): string[] {
  const { references } = JSON.parse(readFileSync(path.join(ROOT, PROJECT), "utf8")) as {
    references: { path: string }[];
  };
  return references.filter(({ path: to }) => to.startsWith("src/")).map(({ path: to }) => path.basename(to));
}

function write(file: string, text: string): void {
  mkdirSync(path.join(root, path.dirname(file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}

function unitTest(expected: number): string {
  return [
    'import { expect, test } from "vitest";',
    'import { sum } from "#core/sum.ts";',
    "",
    `test("sum", () => expect(sum(1, 2)).toBe(${expected}));`,
    "",
  ].join("\n");
}

function check(name: CheckName): { status: number | null; output: string } {
  const { command, args } = CHECKS.find((candidate) => candidate.name === name) as (typeof CHECKS)[number];
  // vitest sets variables that a vitest inside must not see.
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("VITEST")));
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: "utf8", env });
  return { status, output: stdout + stderr };
}

type Seed = { readonly check: CheckName; readonly what: string; readonly file: string; readonly text: string };

const SEEDS: readonly Seed[] = [
  { check: "types", what: "a wrong type", file: "src/core/seed.ts", text: 'export const seed: number = "1";\n' },
  {
    check: "types",
    what: "Node's names in core",
    file: "src/core/seed.ts",
    text: "export const seed = process.version;\n",
  },
  {
    check: "types",
    what: "an import against the references",
    file: "src/core/seed.ts",
    text: 'export { sum as seed } from "#app/api/index.ts";\n',
  },
  {
    check: "types",
    what: "an unchecked index",
    file: "src/core/seed.ts",
    text: "export const seed = (list: number[]): number => list[0];\n",
  },
  {
    check: "types",
    what: "a wrong type in a test",
    file: "src/core/seed.test.ts",
    text: 'export const seed: number = "1";\n',
  },
  {
    check: "types",
    what: "a wrong type in a tool",
    file: "tools/seed.ts",
    text: 'export const seed: number = "1";\n',
  },
  {
    check: "lint",
    what: "a floating promise (needs types)",
    file: "src/core/seed.ts",
    text: "async function work(): Promise<void> {}\nexport function seed(): void {\n  work();\n}\n",
  },
  {
    check: "lint",
    what: "a constant condition",
    file: "src/core/seed.ts",
    text: "export function seed(a: number): number {\n  return a === a ? 1 : 2;\n}\n",
  },
  { check: "format", what: "other spaces", file: "src/core/seed.ts", text: "export  const seed = 'x'\n" },
  {
    check: "layers",
    what: "an import against the direction",
    file: "src/core/seed.ts",
    text: 'export { sum as seed } from "#app/api/index.ts";\n',
  },
  { check: "dead code", what: "a file nobody imports", file: "src/core/seed.ts", text: "export const seed = 1;\n" },
  {
    check: "dead code",
    what: "an export nobody imports",
    file: "src/core/sum.ts",
    text: "export function sum(a: number, b: number): number {\n  return a + b;\n}\nexport const seed = 1;\n",
  },
  { check: "unit tests", what: "a failing test", file: "src/core/sum.test.ts", text: unitTest(4) },
  { check: "unit tests", what: "a test file without tests", file: "src/core/seed.test.ts", text: "export {};\n" },
];

describe.each(CHECKS.map(({ name }) => name))("%s", (name) => {
  test("passes on the clean project", () => {
    const { status, output } = check(name);
    expect(status, output).toBe(0);
  });

  test.each(SEEDS.filter((seed) => seed.check === name))("fails on $what", ({ file, text }) => {
    const original = path.join(root, file);
    const before = file.includes("seed") ? undefined : readFileSync(original, "utf8");
    write(file, text);
    const { status, output } = check(name);
    if (before === undefined) rmSync(original);
    else write(file, before);
    expect(status, output).not.toBe(0);
    expect(output).toContain(path.basename(file));
  });
});

test("every check has a seeded violation", () => {
  expect(CHECKS.map(({ name }) => name).filter((name) => !SEEDS.some((seed) => seed.check === name))).toEqual([]);
});
