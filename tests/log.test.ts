/** `-d`, `-D` and `-trace` of the built command. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runToEnd, testFolder, writeFirmware } from "./firmware.ts";

const folder = testFolder();
const MACHINE = ["-M", "virt", "-bios", writeFirmware(folder), "-m", "16", "-display", "none", "-serial", "stdio"];

test("int, guest_errors and trace events come in order, whatever thread they are from", async () => {
  const { exitCode, output, errors } = await runToEnd([...MACHINE, "-d", "int,guest_errors,trace:*mailbox*"], "tbq");
  expect([exitCode, output]).toEqual([0, "ready\ntb"]);
  expect(errors.split("\n")).toEqual([
    expect.stringMatching(/^riscv_cpu_do_interrupt: hart:0, async:0, cause:0{15}b, epc:0x0{8}8.*, desc=machine_ecall$/),
    "hart 0: read of 4 bytes at 0x50000: no device answers",
    expect.stringMatching(/cause:0{15}5, .*, tval:0x0{11}50000, desc=fault_load$/),
    "mmio_mailbox_write hart 0 addr 0x100000 size 4 value 0x5555",
    "",
  ]);
});

test("events of devices and vCPUs; -D takes the log, %d is the process, and nothing else is on standard error", async () => {
  const events = join(folder, "events");
  writeFileSync(events, "# what we want\nriscv_plic_*\n\nserial_write\n-riscv_plic_request\nvm_*\n");
  const log = join(folder, "log-%d");
  const args = [...MACHINE, "-trace", `events=${events}`, "-trace", "vcpu_*", "-D", log];
  const { exitCode, errors, pid } = await runToEnd(args, "xq");
  expect([exitCode, errors]).toEqual([0, ""]);
  const lines = readFileSync(log.replace("%d", String(pid)), "utf8")
    .trimEnd()
    .split("\n");
  expect(lines.slice(0, 4)).toEqual([
    "vcpu_park hart 0 for stop",
    "vm_state_notify running 1",
    "vcpu_unpark hart 0",
    "serial_write write addr 0x1 val 0x1",
  ]);
  expect(lines.slice(4, 10)).toEqual(Array.from("ready\n", (c) => `serial_write write addr 0x0 val 0x${hex(c)}`));
  expect(lines).toContain("riscv_plic_claim context 0 source 10");
  expect(lines).toContain(`serial_write write addr 0x0 val 0x${hex("x")}`);
  expect(lines.at(-1)).toBe("vm_state_notify running 0");
});

test("with -msg timestamp=on an event carries process and time", async () => {
  const { errors, pid } = await runToEnd([...MACHINE, "-msg", "timestamp=on", "-trace", "system_shut*"], "q");
  expect(errors).toMatch(new RegExp(`^${pid}@\\d+\\.\\d{6}:system_shutdown_request exit code 0\\n$`));
});

test("an event that does not exist is said, and the machine runs", async () => {
  const { exitCode, errors } = await runToEnd([...MACHINE, "-trace", "foo"], "q");
  expect(exitCode).toBe(0);
  expect(errors).toMatch(/warning: trace event 'foo' does not exist/);
});

test.each([
  ["-D", ["-d", "int", "-D", "/nonexistent/log"], /Error opening logfile \/nonexistent\/log: /],
  ["a template", ["-d", "int", "-D", "/tmp/%x"], /Bad logfile template: \/tmp\/%x/],
  ["events", ["-trace", "events=/nonexistent"], /the trace events file \/nonexistent cannot be read: /],
  ["an item", ["-d", "op_opt"], /-d op_opt: log item 'op_opt' is not available: /],
  ["no item", ["-d", "foo"], /-d foo: unknown log item 'foo'/],
])("%s that cannot be had: one line, exit 1", async (_name, args, message) => {
  const { exitCode, errors } = await runToEnd([...MACHINE, ...args], "");
  expect(exitCode).toBe(1);
  expect(errors).toMatch(message);
  expect(errors.trim().split("\n")).toHaveLength(1);
});

function hex(character: string): string {
  return character.charCodeAt(0).toString(16);
}
