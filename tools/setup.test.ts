/** The set-up of a fresh clone, as far as it can be tried without the network. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PEERS } from "./peers/peers.mjs";
import { ensureNodeModules, ROOT } from "./setup.mjs";
import { summarize } from "./test-summary.mjs";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "setup-"));
  mkdirSync(path.join(folder, "node_modules"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Writes the lock file, and npm's record of what it installed. */
function writeLock(wanted: Record<string, object>, installed: Record<string, object>): void {
  writeFileSync(
    path.join(folder, "package-lock.json"),
    JSON.stringify({ lockfileVersion: 3, packages: { "": {}, ...wanted } }),
  );
  const record = path.join(folder, "node_modules/.package-lock.json");
  writeFileSync(record, JSON.stringify({ packages: installed }));
}
const isStamped = (): boolean => existsSync(path.join(folder, "node_modules/.tinamou-stamp"));

test("packages that are there are taken; other platforms' binaries may be absent", () => {
  writeLock(
    { "node_modules/a": { version: "1.0.0" }, "node_modules/b": { version: "1.0.0", optional: true } },
    { "node_modules/a": { version: "1.0.0" } },
  );
  ensureNodeModules(folder);
  expect(isStamped()).toBe(true);
});

test("a package of another version is installed again, and a failing npm says so", () => {
  writeLock({ "node_modules/a": { version: "2.0.0" } }, { "node_modules/a": { version: "1.0.0" } });
  // npm refuses at once: the folder has no package.json.
  expect(() => ensureNodeModules(folder)).toThrow("`npm ci` failed");
  expect(isStamped()).toBe(false);
});

test("without apt and programs every peer is reported missing with the reason, and the status is 0", () => {
  const env = { PATH: path.join(folder, "nothing"), TINAMOU_CACHE: folder };
  const script = path.join(ROOT, "tools/peers/install-peers.mjs");
  const { status, stdout } = spawnSync(process.execPath, [script], { env, encoding: "utf8", timeout: 20_000 });
  expect(status).toBe(0);
  const missing = PEERS.filter(({ programs }) => programs.length > 0).map(
    ({ name }) => `missing  ${name}: apt-get could`,
  );
  for (const line of missing) expect(stdout).toContain(line);
});

test("the summary counts tests, files that could not be loaded, and names what was skipped", () => {
  const file = (status: string, ...tests: string[]) => ({
    status,
    name: "a.test.ts",
    assertionResults: tests.map((result, i) => ({ status: result, fullName: `${result} ${i}` })),
  });
  const testResults = [
    file("passed", "passed", "passed", "pending", "todo"),
    file("failed", "passed", "failed"),
    file("failed"),
  ];
  expect(summarize({ testResults })).toEqual({ passed: 3, failed: 2, skipped: ["pending 2", "todo 3"] });
});
