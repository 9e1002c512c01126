/** Boots Debian's kernel from the built command and drives its shell. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { fetchGuest } from "../tools/guest/fetch-guest.mjs";
import { ROOT } from "../tools/setup.mjs";
import { Terminal } from "./terminal.ts";

const COMMAND = join(ROOT, "dist", "tinamou-system-riscv64.js");
const open: Terminal[] = [];
afterAll(() => {
  for (const terminal of open) terminal.kill();
});

async function boot(smp: number, ...extra: string[]): Promise<Terminal> {
  const guest = await fetchGuest({});
  const terminal = new Terminal(process.execPath, [
    COMMAND,
    "-M",
    "virt",
    "-smp",
    String(smp),
    "-m",
    "256",
    "-nographic",
    "-bios",
    guest.firmware,
    "-kernel",
    guest.kernel,
    "-initrd",
    guest.initrd,
    "-append",
    "console=ttyS0 quiet",
    ...extra,
  ]);
  open.push(terminal);
  await terminal.waitFor(/Tinamou guest ready[^]*# /, 120_000);
  return terminal;
}

test.each([1, 2, 4])("%i vCPUs: the shell answers, poweroff ends the process with 0", async (smp) => {
  expect(existsSync(COMMAND)).toBe(true);
  const terminal = await boot(smp);
  terminal.type("uname -m; nproc; echo $((6*7))\n");
  const answer = await terminal.waitFor(/\n42\r?\n/, 30_000);
  expect(answer).toMatch(/\nriscv64\r?\n/);
  expect(answer).toContain(`\n${smp}\r\n42`);
  terminal.type("poweroff -f\n");
  expect(await terminal.exit(60_000)).toBe(0);
});

test("a reboot starts the guest again; -no-reboot ends the process", async () => {
  const terminal = await boot(1);
  terminal.type("reboot -f\n");
  await terminal.waitFor(/Tinamou guest ready[^]*# /, 120_000);
  terminal.kill();
  const once = await boot(1, "-no-reboot");
  once.type("reboot -f\n");
  expect(await once.exit(60_000)).toBe(0);
});

test("Ctrl-A x ends the process", async () => {
  const terminal = await boot(1);
  terminal.type("\x01x");
  expect(await terminal.exit(30_000)).toBe(0);
});

test.each([
  ["an unknown option", ["-foo"], /-foo: invalid option/],
  [
    "a missing kernel",
    ["-nographic", "-bios", "none", "-kernel", "/nonexistent"],
    /could not load kernel '\/nonexistent'/,
  ],
])("%s: one line on standard error, exit 1", async (_name, args, message) => {
  const terminal = new Terminal(process.execPath, [COMMAND, ...args]);
  expect(await terminal.exit(20_000)).toBe(1);
  expect(terminal.errors).toMatch(message);
  expect(terminal.errors.trim().split("\n")).toHaveLength(1);
});
