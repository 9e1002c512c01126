/** Options of the built command whose effect shows outside: time, reset and poweroff, names, firmware, configuration files. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LIMIT_MS, runToEnd, startCommand, testFolder, until, writeFirmware } from "./firmware.ts";

const folder = testFolder();
const FIRMWARE = writeFirmware(folder);
const SMALL = ["-M", "virt", "-m", "16", "-display", "none", "-serial", "stdio"];
const MACHINE = [...SMALL, "-bios", FIRMWARE];

/** Seconds since 1970 that the guest's clock shows. */
async function guestTime(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<number> {
  const { output } = await runToEnd([...MACHINE, ...args], "cq", env);
  const digits = /^ready\n([0-9a-f]{16})\n$/.exec(output)?.[1];
  if (digits === undefined) throw new Error(`the guest said ${JSON.stringify(output)}`);
  return Number(BigInt(`0x${digits}`) / 1_000_000_000n);
}

const near = (seconds: number): readonly [number, number] => [seconds - 1, seconds + LIMIT_MS / 1000];

test.each([
  ["utc", [], () => Date.now() / 1000],
  ["localtime", ["-rtc", "base=localtime"], () => Date.now() / 1000 + 5.5 * 3600],
  ["a date", ["-rtc", "base=2006-06-17T16:01:21"], () => Date.UTC(2006, 5, 17, 16, 1, 21) / 1000],
  ["a day on machine time", ["-rtc", "base=2006-06-17,clock=vm"], () => Date.UTC(2006, 5, 17) / 1000],
  ["a day on the steady clock", ["-rtc", "clock=rt,base=2006-06-17"], () => Date.UTC(2006, 5, 17) / 1000],
])("-rtc: %s", async (_name, args, expected) => {
  const [low, high] = near(expected());
  const shown = await guestTime(args, { TZ: "Asia/Kolkata" });
  expect(shown).toBeGreaterThanOrEqual(low);
  expect(shown).toBeLessThan(high);
});

test.each([
  ["a reset starts again", [], "rq"],
  ["-no-reboot ends", ["-no-reboot"], "r"],
  ["-action reboot=shutdown ends", ["-action", "reboot=shutdown,panic=none,watchdog=pause"], "r"],
])("%s", async (_name, args, keys) => {
  const terminal = startCommand([...MACHINE, ...args]);
  // A key that comes during a reset would be lost in it.
  for (const key of keys) {
    await terminal.waitFor(/ready\n/, LIMIT_MS);
    terminal.type(key);
  }
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
  expect(terminal.output).toBe("");
});

test("a guest's failure is the exit code", async () => {
  expect((await runToEnd(MACHINE, "f")).exitCode).toBe(3);
});

test.each([
  ["q", ["-no-shutdown"]],
  ["q", ["-action", "shutdown=pause"]],
  ["f", ["-no-shutdown"]],
])("%s, %j: the process stays, stopped", async (key, args) => {
  const terminal = startCommand([...MACHINE, ...args, "-trace", "vm_state_notify"]);
  terminal.type(key);
  await until(() => terminal.errors === "vm_state_notify running 1\nvm_state_notify running 0\n");
  process.kill(terminal.pid, "SIGTERM");
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
});

test("-S: nothing runs", async () => {
  const terminal = startCommand([...MACHINE, "-S", "-d", "cpu_reset", "-trace", "vcpu_*"]);
  await until(() => terminal.errors.includes("vcpu_park hart 0 for stop"));
  process.kill(terminal.pid, "SIGTERM");
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
  expect(terminal.output).toBe("");
  expect(terminal.errors).not.toContain("vcpu_unpark");
});

test("-name process= is what the system shows; -msg puts time and guest before messages", async () => {
  const args = ["-name", "guest=box,process=emu-test", "-msg", "timestamp=on,guest-name=on"];
  const terminal = startCommand([...MACHINE, ...args]);
  await terminal.waitFor(/ready\n/, LIMIT_MS);
  expect(readFileSync(`/proc/${terminal.pid}/cmdline`, "latin1")).toMatch(/^emu-test/);
  process.kill(terminal.pid, "SIGTERM");
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
  expect(terminal.errors).toMatch(
    /^\d{4}-\d\d-\d\dT\S+Z box tinamou-system-riscv64: terminating on signal 15 \(SIGTERM\)\n$/,
  );
});

test("-L: firmware by name, and the default one", async () => {
  const data = join(folder, "data");
  mkdirSync(data);
  copyFileSync(FIRMWARE, join(data, "mine.bin"));
  copyFileSync(FIRMWARE, join(data, "fw_dynamic.bin"));
  expect((await runToEnd([...SMALL, "-L", data, "-bios", "mine.bin"], "q")).exitCode).toBe(0);
  expect((await runToEnd([...SMALL, "-L", "/nonexistent", "-L", data], "q")).output).toBe("ready\n");
});

test("-readconfig", async () => {
  const path = join(folder, "config");
  writeFileSync(path, `[machine]\n  type = "virt"\n  firmware = "${FIRMWARE}"\n[memory]\n  size = "16"\n`);
  const args = ["-readconfig", path, "-display", "none", "-serial", "stdio"];
  expect(await runToEnd(args, "xq")).toMatchObject({ exitCode: 0, output: "ready\nx", errors: "" });
});

test.each([
  [
    "harmless ones",
    "-uuid 01234567-89ab-cdef-0123-456789abcdef -sandbox off -boot order=c,menu=on -nic none -net none",
  ],
  [
    "more of them",
    "-monitor none -parallel none -vga none -watchdog-action none -overcommit mem-lock=off -no-user-config",
  ],
  [
    "of the machine",
    "-global virtio-mmio.force-legacy=false -device virtio-rng-device -object rng-random,id=r -M graphics=off",
  ],
])("%s", async (_name, options) => {
  const { exitCode, output, errors } = await runToEnd([...MACHINE, ...options.split(" ")], "q");
  expect([exitCode, output, errors]).toEqual([0, "ready\n", ""]);
});

test("a global of a device that does not exist is said, and the machine runs", async () => {
  const { exitCode, errors } = await runToEnd([...MACHINE, "-global", "foo.bar=1"], "q");
  expect(exitCode).toBe(0);
  expect(errors).toBe("tinamou-system-riscv64: warning: global foo.bar has invalid class name\n");
});

test.each([
  ["-M help", "virt "],
  ["-cpu help", "rv64\n"],
  ["-device help", 'name "virtio-blk-device", bus virtio-bus'],
  ["-device virtio-blk-device,help", "  drive="],
  ["-accel help", "wasm "],
  ["-chardev help", "  socket\n"],
  ["-object help", "  rng-random\n"],
  ["-drive help", "  file="],
  ["-boot help", "  menu="],
  ["-trace help", "virtio_queue_notify\n"],
  ["-L help", "/usr/share/qemu\n"],
])("%s: a list on standard output, exit 0", async (line, part) => {
  const { exitCode, output, errors } = await runToEnd(line.split(" "), "");
  expect([exitCode, errors]).toEqual([0, ""]);
  expect(output).toContain(part);
});
