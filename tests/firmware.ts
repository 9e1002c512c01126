/**
 * Starts the built command with the guest of `key-firmware.ts`, for tests of the emulator around it.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { ROOT } from "../tools/setup.mjs";
import { keyFirmware } from "./key-firmware.ts";
import { Terminal } from "./terminal.ts";

/** A folder for a test file's files, gone after its last test. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tinamou-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes the firmware into `folder`; returns its name. */
export function writeFirmware(folder: string): string {
  const path = join(folder, "keys.bin");
  writeFileSync(path, keyFirmware());
  return path;
}

/** How long a test waits for anything. */
export const LIMIT_MS = 20_000;

export const COMMAND = join(ROOT, "dist", "tinamou-system-riscv64.js");
const open = new Set<Terminal>();
afterAll(() => {
  for (const terminal of open) terminal.kill();
});

type Environment = Readonly<Record<string, string>>;

/** Starts the built command; it is killed after the last test if it still runs. */
export function startCommand(args: readonly string[], env: Environment = {}): Terminal {
  const terminal = new Terminal(process.execPath, [COMMAND, ...args], env);
  open.add(terminal);
  return terminal;
}

/** Resolves when `condition` holds; looks often. */
export async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + LIMIT_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`nothing happened within ${LIMIT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export type Ended = {
  readonly exitCode: number | null;
  readonly output: string;
  readonly errors: string;
  readonly pid: number;
};

/** Runs the built command to its end; `keys` are typed at once. */
export async function runToEnd(args: readonly string[], keys: string, env: Environment = {}): Promise<Ended> {
  const terminal = startCommand(args, env);
  terminal.type(keys);
  const exitCode = await terminal.exit(LIMIT_MS);
  return { exitCode, output: terminal.output, errors: terminal.errors, pid: terminal.pid };
}
