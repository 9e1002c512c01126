/**
 * The guest that notices when its memory is not what it wrote: the usual one with `memory_check`, which says a line a
 * second, in which the errors must be 0.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BenchError } from "../bench/bench-error.ts";
import { compile } from "../bench/compilers.ts";
import { fetchGuest, type Guest } from "./fetch-guest.mjs";

const SOURCE = fileURLToPath(new URL("memory-check.c", import.meta.url));
const PROGRAM = "root/memory_check";

/** With the drivers of virtio devices if asked. Rejects with a `GuestError`, or a `BenchError` without a compiler. */
export async function memoryCheckGuest(withModules = false): Promise<Guest> {
  const data = readFileSync(compile(SOURCE, "riscv64"));
  return fetchGuest({ withModules, extraFiles: [{ path: PROGRAM, mode: 0o755, data }] });
}

/** Why that guest cannot be made here; undefined when it can. */
export function missingMemoryCheck(): string | undefined {
  try {
    compile(SOURCE, "riscv64");
    return undefined;
  } catch (error) {
    if (error instanceof BenchError) return error.message;
    throw error;
  }
}

/** What is typed at the shell to start it in the background. */
export function memoryCheckLine(mib: number, threads: number): string {
  return `/${PROGRAM} ${mib} ${threads} &\n`;
}

export type CheckLine = { readonly seconds: number; readonly rounds: readonly number[]; readonly errors: number };

/** All lines of the program that stand whole in `console`. */
export function checkLines(console: string): CheckLine[] {
  return [...console.matchAll(/check (\d+): rounds((?: \d+)+) errors (\d+)\r?\n/g)].map(
    ([, seconds, rounds, errors]) => ({
      seconds: Number(seconds),
      rounds: (rounds ?? "").trim().split(" ").map(Number),
      errors: Number(errors),
    }),
  );
}
