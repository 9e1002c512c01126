/** The lines of the driver in the guest (`programs/driver.c`). */
import type { Program } from "./suites.ts";

/** Where the guest holds the programs. */
export const GUEST_FOLDER = "bench";
const FOLDER = `/${GUEST_FOLDER}`;

export const START_DRIVER = `exec ${FOLDER}/driver\n`;
export const DRIVER_READY = /^BENCH-READY$/m;
export const QUIT = "quit\n";

export type RunResult =
  | { readonly kind: "done"; readonly guestNs: number; readonly checksum: string }
  | { readonly kind: "failed"; readonly reason: string };

/** The command that runs a program; its answer begins with `name`. */
export function runCommand(name: string, program: Program, scale: number): string {
  const file = guestFile(program.program);
  const shell = file.endsWith(".sh") ? ["/bin/sh"] : [];
  const work = String(scaledWork(program.work, scale));
  return `${["run", name, ...shell, file, work, ...(program.args ?? [])].join(" ")}\n`;
}

/** At least 1: programs have no work of 0. */
export function scaledWork(work: number, scale: number): number {
  return Math.max(1, Math.round(work * scale));
}

function guestFile(program: string): string {
  return `${FOLDER}/${program.replace(/\.c$/, "")}`;
}

/** Matches the whole line that answers the command for `name`. */
export function resultPattern(name: string): RegExp {
  return new RegExp(`^BENCH(-FAILED)? ${name} .*\\n`, "m");
}

/** Reads a line that {@link resultPattern} has found. Throws when it is damaged. */
export function parseResult(line: string): RunResult {
  const done = /^BENCH \S+ (\d+) (\S+)\s*$/.exec(line);
  if (done) return { kind: "done", guestNs: Number(done[1]), checksum: done[2] ?? "" };
  const failed = /^BENCH-FAILED \S+ (.*?)\s*$/.exec(line);
  if (failed) return { kind: "failed", reason: failed[1] ?? "" };
  throw new Error(`not a result of the benchmark's driver: ${JSON.stringify(line)}`);
}
