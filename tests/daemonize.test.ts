/** `-daemonize` of the built command. */
import { existsSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { runToEnd, testFolder, until, writeFirmware } from "./firmware.ts";

const folder = testFolder();
const MACHINE = ["-M", "virt", "-bios", writeFirmware(folder), "-m", "16", "-display", "none"];
const pidfile = join(folder, "pid");

afterEach(() => {
  if (existsSync(pidfile)) process.kill(daemonPid(), "SIGKILL");
});

const daemonPid = (): number => Number(readFileSync(pidfile, "utf8"));

/** Types `keys`; resolves when all of `answer` has come. */
async function talk(socket: Socket, keys: string, answer: string): Promise<void> {
  let seen = "";
  socket.on("data", (chunk) => (seen += String(chunk)));
  socket.write(keys);
  await until(() => seen.endsWith(answer));
}

test("the shell goes on with 0 once the machine runs; the daemon answers on its socket and cleans up", async () => {
  const path = join(folder, "serial");
  const { exitCode, errors, pid } = await runToEnd(
    [...MACHINE, "-serial", `unix:${path},server=on,wait=off`, "-daemonize", "-pidfile", pidfile],
    "",
  );
  // The end of its output has come too: the daemon does not hold the terminal.
  expect([exitCode, errors]).toEqual([0, ""]);
  expect(daemonPid()).not.toBe(pid);
  expect(process.kill(daemonPid(), 0)).toBe(true);
  const socket = connect(path);
  await talk(socket, "hello", "hello");
  socket.write("q");
  await until(() => !existsSync(pidfile));
  expect(existsSync(path)).toBe(false);
});

test("SIGTERM ends a daemon; what the guest printed is in the file", async () => {
  const file = join(folder, "out");
  const { exitCode } = await runToEnd(
    [...MACHINE, "-serial", `file:${file}`, "-daemonize", "-pidfile", pidfile, "-D", join(folder, "log"), "-d", "int"],
    "",
  );
  expect(exitCode).toBe(0);
  await until(() => readFileSync(file, "utf8") === "ready\n");
  process.kill(daemonPid(), "SIGTERM");
  await until(() => !existsSync(pidfile));
});

test("a daemon that cannot start: its line, exit 1, no pidfile", async () => {
  const { exitCode, errors } = await runToEnd(
    [...MACHINE, "-serial", "unix:/nonexistent/serial,server=on", "-daemonize", "-pidfile", pidfile],
    "",
  );
  expect(exitCode).toBe(1);
  expect(errors).toMatch(/^tinamou-system-riscv64: chardev serial0 cannot listen on unix:\/nonexistent\/serial: .*\n$/);
  expect(existsSync(pidfile)).toBe(false);
});

test.each([
  [["-nographic"], /-nographic cannot be used with -daemonize/],
  [["-serial", "stdio"], /-serial stdio: cannot use stdio with -daemonize/],
  [["-serial", "null", "-pidfile", "/nonexistent/pid"], /cannot create PID file '\/nonexistent\/pid': /],
])("%j is refused", async (args, message) => {
  const { exitCode, errors } = await runToEnd([...MACHINE, ...args, "-daemonize"], "");
  expect(exitCode).toBe(1);
  expect(errors).toMatch(message);
  expect(errors.trim().split("\n")).toHaveLength(1);
});
