/**
 * Compiles the programs for the guest. What is compiled is kept in the cache folder under the hash of everything that
 * went into it, so that it is made once.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import path from "node:path";
import type { ExtraFile } from "../guest/initramfs.mjs";
import { CACHE, ROOT } from "../setup.mjs";
import { BenchError } from "./bench-error.ts";
import { findTool } from "./peers.ts";
import { GUEST_FOLDER } from "./protocol.ts";

const SOURCES = path.join(ROOT, "tools", "bench", "programs");
const COMPILER = "riscv64-linux-gnu-gcc";
const FLAGS = [
  "-O2",
  "-D_GNU_SOURCE",
  "-static",
  "-s",
  "-march=rv64gc",
  "-mabi=lp64d",
  "-pthread",
  "-Wall",
  "-Wextra",
  "-Werror",
];
const LIBRARIES = ["-lm"];

/** All programs and scripts, as files for the guest's initramfs. Throws a {@link BenchError}. */
export function guestPrograms(): ExtraFile[] {
  const compiler = findTool(COMPILER, "gcc-riscv64-linux-gnu and libc6-dev-riscv64-cross");
  const version = spawnSync(compiler, ["--version"], { encoding: "utf8" }).stdout;
  const names = readdirSync(SOURCES).sort();
  const headers = names.filter((name) => name.endsWith(".h")).map((name) => readFileSync(path.join(SOURCES, name)));
  const common = [version, ...FLAGS, ...LIBRARIES, ...headers];
  const programs = names
    .filter((name) => name.endsWith(".c"))
    .map((name) =>
      guestFile(name.replace(/\.c$/, ""), readFileSync(compiled(compiler, path.join(SOURCES, name), common))),
    );
  const scripts = names
    .filter((name) => name.endsWith(".sh"))
    .map((name) => guestFile(name, readFileSync(path.join(SOURCES, name))));
  return [...programs, ...scripts];
}

/** A program of one C file, compiled for the guest; `source` is its absolute name. Throws a {@link BenchError}. */
export function compileForGuest(source: string): string {
  const compiler = findTool(COMPILER, "gcc-riscv64-linux-gnu and libc6-dev-riscv64-cross");
  const version = spawnSync(compiler, ["--version"], { encoding: "utf8" }).stdout;
  return compiled(compiler, source, [version, ...FLAGS, ...LIBRARIES]);
}

function guestFile(name: string, data: Uint8Array): ExtraFile {
  return { path: `${GUEST_FOLDER}/${name}`, mode: 0o755, data };
}

/** The file with the program. */
function compiled(compiler: string, source: string, common: readonly (string | Uint8Array)[]): string {
  const name = path.basename(source);
  const hash = createHash("sha256");
  for (const part of [...common, readFileSync(source)]) hash.update(part).update("\0");
  const folder = path.join(CACHE, "bench");
  const file = path.join(folder, `${name.replace(/\.c$/, "")}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  const partial = `${file}.${process.pid}.tmp`;
  const { error, status, stderr } = spawnSync(compiler, [...FLAGS, "-o", partial, source, ...LIBRARIES], {
    encoding: "utf8",
    timeout: 120_000,
  });
  if (error !== undefined || status !== 0) {
    const reason = error?.message ?? stderr.trim();
    throw new BenchError("compile", `${COMPILER} did not compile ${name} (is its C library there?): ${reason}`, {
      cause: error,
    });
  }
  renameSync(partial, file);
  return file;
}
