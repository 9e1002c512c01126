/** Boots Debian's kernel from the built command and drives its shell. */
import { existsSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { bootGuest, COMMAND, type Guest } from "./guest.ts";
import { Terminal } from "./terminal.ts";

const open: Guest[] = [];
afterAll(() => {
  for (const guest of open) guest.kill();
});

async function boot(smp: number, ...extra: string[]): Promise<Guest> {
  const guest = await bootGuest(extra, { smp });
  open.push(guest);
  return guest;
}

test.each([1, 2, 4])("%i vCPUs: the shell answers, poweroff ends the process with 0", async (smp) => {
  expect(existsSync(COMMAND)).toBe(true);
  const guest = await boot(smp);
  expect(await guest.ask("uname -m; nproc; echo $((6*7))")).toEqual({ text: `riscv64\n${smp}\n42\n`, status: 0 });
  expect(await guest.powerOff()).toBe(0);
});

test("a reboot starts the guest again; -no-reboot ends the process", async () => {
  const guest = await boot(1);
  guest.type("reboot -f\n");
  await guest.untilReady();
  guest.kill();
  const once = await boot(1, "-no-reboot");
  once.type("reboot -f\n");
  expect(await once.exit(60_000)).toBe(0);
});

test("Ctrl-A x ends the process", async () => {
  const guest = await boot(1);
  guest.type("\x01x");
  expect(await guest.exit(30_000)).toBe(0);
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
