/** `-pidfile`: the process's number in a file while it runs. */
import { rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { StartError } from "#app/start-error.ts";

let written: string | undefined;

/** It is removed when the process ends. Throws `StartError`. */
export function writePidfile(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`);
  } catch (cause) {
    throw new StartError(`cannot create PID file '${path}': ${(cause as Error).message}`, { cause });
  }
  // A daemon changes its folder.
  written = resolve(path);
  process.once("exit", removePidfile);
}

function removePidfile(): void {
  if (written !== undefined) rmSync(written, { force: true });
  written = undefined;
}
