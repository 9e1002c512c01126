/** Gets another Node.js through npm into the cache folder. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import type { Log } from "../support/progress.mjs";
import { CACHE } from "../setup.mjs";
import { BenchError } from "./bench-error.ts";

const VERSION = /^\d+(\.\d+){0,2}$/;
const TIMEOUT_MS = 10 * 60_000;

/** A Node.js program: `word` itself, or what npm has for it when it is a version ("24"). Throws a {@link BenchError}. */
export function nodeProgram(word: string, log: Log): string {
  if (!VERSION.test(word)) return word;
  // The package `node` would get this one in a script of its installation.
  const name = `node-${process.platform}-${process.arch}`;
  const folder = installPackage(`${name}@${word}`, log);
  const program = path.join(folder, "node_modules", name, "bin", "node");
  if (existsSync(program)) return program;
  throw new BenchError("missing-tool", `npm's ${name}@${word} holds no bin/node; give --nodes the path of a Node.js`);
}

/** Installs a package into a folder of its own, once, without running its scripts; gives the folder. */
export function installPackage(name: string, log: Log): string {
  const folder = path.join(CACHE, "npm", name.replaceAll(/[^\w.-]/g, "_"));
  if (existsSync(path.join(folder, "node_modules", ".package-lock.json"))) return folder;
  mkdirSync(folder, { recursive: true });
  log.step(`Getting ${name} through npm`);
  const args = ["install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", name];
  const { error, status, stderr } = spawnSync("npm", args, { cwd: folder, encoding: "utf8", timeout: TIMEOUT_MS });
  if (error !== undefined || status !== 0) {
    const reason = error?.message ?? stderr.trim().split("\n")[0] ?? "";
    throw new BenchError("missing-tool", `npm could not get ${name} (${reason}); is there a network?`, {
      cause: error,
    });
  }
  log.done();
  return folder;
}
