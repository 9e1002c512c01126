/** The benchmark's programs and scripts, as files for a guest. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ExtraFile } from "../guest/initramfs.mjs";
import { CACHE } from "../setup.mjs";
import { compile, SOURCES, type TargetName } from "./compilers.ts";
import { largeProgram } from "./large-program.ts";
import { GUEST_FOLDER } from "./protocol.ts";

/** All programs and scripts, as files for the guest's initramfs. Throws a BenchError. */
export function guestPrograms(): ExtraFile[] {
  const names = readdirSync(SOURCES).sort();
  const sources = [...names.filter((name) => name.endsWith(".c")), "large.c"];
  const scripts = names.filter((name) => /\.(sh|py|sql)$/.test(name));
  return [
    ...sources.map((name) => guestFile(name.replace(/\.c$/, ""), readFileSync(compileProgram(name, "riscv64")))),
    ...scripts.map((name) => guestFile(name, readFileSync(path.join(SOURCES, name)))),
  ];
}

/** The compiled form of a file of `programs/`, or of the large program, which is written first. Throws a BenchError. */
export function compileProgram(name: string, target: TargetName): string {
  return compile(name === "large.c" ? writeLargeProgram() : path.join(SOURCES, name), target);
}

function writeLargeProgram(): string {
  const folder = path.join(CACHE, "bench");
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, "large.c");
  writeFileSync(file, largeProgram());
  return file;
}

function guestFile(name: string, data: Uint8Array): ExtraFile {
  return { path: `${GUEST_FOLDER}/${name}`, mode: 0o755, data };
}
