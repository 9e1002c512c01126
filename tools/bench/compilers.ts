/**
 * Compiles programs of one C file. What is compiled is kept in the cache folder under the hash of everything that went
 * into it, so that it is made once.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import path from "node:path";
import { CACHE, ROOT } from "../setup.mjs";
import { BenchError } from "./bench-error.ts";
import { findTool } from "./peers.ts";

export const SOURCES = path.join(ROOT, "tools", "bench", "programs");

type Target = { readonly program: string; readonly packages: string; readonly flags: readonly string[] };

/** `native` may use what this host has, as its own programs would. */
const TARGETS = {
  riscv64: {
    program: "riscv64-linux-gnu-gcc",
    packages: "gcc-riscv64-linux-gnu and libc6-dev-riscv64-cross",
    flags: ["-static", "-march=rv64gc", "-mabi=lp64d"],
  },
  i386: {
    program: "i686-linux-gnu-gcc",
    packages: "gcc-i686-linux-gnu and libc6-dev-i386-cross",
    flags: ["-static", "-march=i686"],
  },
  native: { program: "gcc", packages: "gcc and libc6-dev", flags: ["-march=native"] },
} satisfies Record<string, Target>;

export type TargetName = keyof typeof TARGETS;

const FLAGS = ["-O2", "-D_GNU_SOURCE", "-s", "-pthread", "-Wall", "-Wextra", "-Werror"];
const LIBRARIES = ["-lm"];
const TIMEOUT_MS = 300_000;
/** Of a compiler's errors. */
const SHOWN_CHARS = 1000;

/** The file with the program; `source` is an absolute name. Throws a {@link BenchError}. */
export function compile(source: string, targetName: TargetName): string {
  const target: Target = TARGETS[targetName];
  const compiler = findTool(target.program, target.packages);
  const flags = [...FLAGS, ...target.flags, `-I${SOURCES}`];
  const name = path.basename(source);
  const file = placeFor(source, [versionOf(compiler), ...FLAGS, ...target.flags, ...LIBRARIES]);
  if (existsSync(file)) return file;
  mkdirSync(path.dirname(file), { recursive: true });
  const partial = `${file}.${process.pid}.tmp`;
  const { error, status, stderr } = spawnSync(compiler, [...flags, "-o", partial, source, ...LIBRARIES], {
    encoding: "utf8",
    timeout: TIMEOUT_MS,
  });
  if (error !== undefined || status !== 0) {
    const reason = error?.message ?? stderr.trim().slice(0, SHOWN_CHARS);
    throw new BenchError("compile", `${target.program} did not compile ${name} (is its C library there?): ${reason}`, {
      cause: error,
    });
  }
  renameSync(partial, file);
  return file;
}

const versions = new Map<string, string>();

function versionOf(compiler: string): string {
  const known = versions.get(compiler);
  if (known !== undefined) return known;
  const version = spawnSync(compiler, ["--version"], { encoding: "utf8" }).stdout ?? "";
  versions.set(compiler, version);
  return version;
}

function placeFor(source: string, parts: readonly string[]): string {
  const headers = readdirSync(SOURCES).filter((name) => name.endsWith(".h"));
  const contents = [...headers.sort().map((name) => path.join(SOURCES, name)), source].map((name) =>
    readFileSync(name),
  );
  const hash = createHash("sha256");
  for (const part of [...parts, ...contents]) hash.update(part).update("\0");
  const name = path.basename(source).replace(/\.c$/, "");
  return path.join(CACHE, "bench", `${name}-${hash.digest("hex").slice(0, 16)}`);
}
