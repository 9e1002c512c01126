/** What a user may do wrong, and how they end it: each has one clear line and QEMU's exit code. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { COMMAND, LIMIT_MS, runToEnd, startCommand, testFolder, until, writeFirmware } from "./firmware.ts";

const folder = testFolder();
const FIRMWARE = writeFirmware(folder);
const QUIET = ["-M", "virt", "-display", "none", "-serial", "none"];
const MACHINE = ["-M", "virt", "-m", "16", "-display", "none", "-bios", FIRMWARE];

/** A file of the test's folder. */
function file(name: string, content: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** A kernel Image that says that it has `sizeBytes`; the file has less. */
function kernelImage(sizeBytes: number): Uint8Array {
  const image = new DataView(new ArrayBuffer(0x1000));
  image.setBigUint64(0x10, BigInt(sizeBytes), true);
  image.setUint32(0x38, 0x05435352, true); // "RSC\x05"
  return new Uint8Array(image.buffer);
}

const MIB = 1 << 20;
const FOLDER = join(folder, "folder");
mkdirSync(FOLDER);
const EMPTY = file("empty", "");
const TEXT = file("text", "not a kernel\n");
const CUT_ELF = file("cut.elf", Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1));
const KERNEL = file("Image", kernelImage(8 * MIB));
const BIG = file("big", new Uint8Array(4 * MIB));

test.each<[string, string[], string]>([
  ["a mistyped option", ["-kernal", KERNEL], "-kernal: invalid option; did you mean -kernel?"],
  ["an option's missing argument", ["-kernel"], "-kernel: requires an argument"],
  [
    "no such kernel",
    ["-bios", "none", "-kernel", "/nonexistent"],
    "could not load kernel '/nonexistent': there is no such file",
  ],
  ["a folder as kernel", ["-bios", "none", "-kernel", FOLDER], `could not load kernel '${FOLDER}': it is a directory`],
  ["an empty kernel", ["-bios", "none", "-kernel", EMPTY], `could not load kernel '${EMPTY}': it is empty`],
  ["a text as kernel", ["-bios", "none", "-kernel", TEXT], `${TEXT} is not a riscv64 kernel; give a Linux Image`],
  ["half a kernel", ["-bios", "none", "-kernel", CUT_ELF], `${CUT_ELF} ends before its ELF headers say that it does`],
  [
    "a folder as initrd",
    ["-bios", "none", "-kernel", KERNEL, "-initrd", FOLDER],
    `could not load initrd '${FOLDER}': it is a directory`,
  ],
  ["an initrd without a kernel", ["-initrd", KERNEL], "-initrd only allowed with -kernel option"],
  [
    "no such firmware",
    ["-bios", "nonexistent.bin"],
    "could not load firmware 'nonexistent.bin': there is no such file",
  ],
  ["empty firmware", ["-bios", EMPTY], `could not load firmware '${EMPTY}': it is empty`],
  ["a text as device tree", ["-bios", "none", "-dtb", TEXT], `could not load device tree '${TEXT}': `],
  [
    "a device tree that has no place",
    ["-bios", "none", "-M", "virt,dumpdtb=/nonexistent/x"],
    "the device tree cannot be written to /nonexistent/x: ",
  ],
  ["too little memory", ["-m", "1"], "1 MiB of memory cannot hold the firmware: use at least 4 MiB"],
  [
    "too little for the kernel",
    ["-m", "8", "-bios", FIRMWARE, "-kernel", KERNEL],
    "the machine's 8 MiB of memory are too little: the kernel needs 8 MiB",
  ],
  [
    "too little for the initrd",
    ["-m", "12", "-bios", FIRMWARE, "-kernel", KERNEL, "-initrd", BIG],
    "the machine's 12 MiB of memory are too little: the initrd needs 4 MiB",
  ],
  ["too much memory", ["-m", "5G"], "cannot set up guest memory of 5 GiB: the most is 3 GiB"],
  ["too many vCPUs", ["-smp", "65", "-bios", "none"], "65 vCPUs are too many; this machine has at most 64"],
  ["no such disk", ["-bios", "none", "-drive", "file=/nonexistent"], "/nonexistent does not exist; check the name"],
  ["a folder as disk", ["-bios", "none", "-drive", `file=${FOLDER}`], `${FOLDER} is a directory, not a disk image`],
  [
    "an unknown machine",
    ["-M", "vrit"],
    "unsupported machine type; use -machine help to list supported machines; did you mean virt?",
  ],
])("%s", async (_name, args, message) => {
  const { exitCode, output, errors } = await runToEnd([...QUIET, ...args], "");
  expect([exitCode, output]).toEqual([1, ""]);
  expect(errors).toMatch(/^tinamou-system-riscv64: [^\n]*\n$/);
  expect(errors).toContain(message);
});

test("memory that the host does not have", async () => {
  // Node itself takes more than one GiB of address space; with the memory as well V8 would find none for its threads.
  const limit = "ulimit -v 4500000 2>/dev/null || exit 77";
  const command = `${limit}; exec ${process.execPath} ${COMMAND} ${[...QUIET, "-m", "3G", "-smp", "16"].join(" ")} -bios none`;
  const { status, stderr } = spawnSync("/bin/sh", ["-c", command], { encoding: "utf8", timeout: LIMIT_MS });
  if (status === 77) return;
  expect(stderr).toMatch(
    /^tinamou-system-riscv64: the host did not give the \d+ MiB of memory that the machine needs; /,
  );
  expect(status).toBe(1);
});

test.each([
  ["SIGTERM", 15],
  ["SIGINT", 2],
  ["SIGHUP", 1],
] as const)("%s ends with 0 and a line", async (signal, number) => {
  const terminal = startCommand([...MACHINE, "-serial", "stdio"]);
  await terminal.waitFor(/ready\n/, LIMIT_MS);
  process.kill(terminal.pid, signal);
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
  expect(terminal.errors).toBe(`tinamou-system-riscv64: terminating on signal ${number} (${signal})\n`);
});

test("the end of the input does not end the machine", async () => {
  const terminal = startCommand([...MACHINE, "-serial", "stdio", "-trace", "vcpu_park"]);
  terminal.type("x");
  terminal.endInput();
  await terminal.waitFor(/ready\nx/, LIMIT_MS);
  await until(() => terminal.errors.includes("vcpu_park hart 0 for wfi"));
  process.kill(terminal.pid, "SIGTERM");
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
});

test("a reader that goes away does not end the machine", async () => {
  const child = spawn(process.execPath, [COMMAND, ...MACHINE, "-serial", "stdio"], { stdio: ["pipe", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk) => (errors += String(chunk)));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  child.stdout.destroy();
  child.stdin.write("hello");
  child.stdin.write("q");
  expect(await ended).toBe(0);
  expect(errors).toBe("");
});

const hasScript = spawnSync("script", ["--version"]).status === 0;

/** Keys to type once a text has been shown. */
type Cue = readonly [shown: string, keys: string];

/** Runs the command on a terminal of its own. Resolves with what was shown. */
function onTerminal(args: readonly string[], cues: readonly Cue[]): Promise<string> {
  const command = `${process.execPath} ${COMMAND} ${[...MACHINE, ...args].join(" ")}; echo "status $?"; stty -a`;
  return new Promise((resolve, reject) => {
    const child = spawn("script", ["-qec", command, "/dev/null"], { stdio: ["pipe", "pipe", "ignore"] });
    const limit = setTimeout(() => child.kill(), LIMIT_MS);
    const left = [...cues];
    let shown = "";
    child.stdout.on("data", (chunk: Buffer) => {
      shown += chunk.toString("latin1");
      for (let next = left[0]; next && shown.includes(next[0]); next = left[0]) {
        child.stdin.write(next[1]);
        left.shift();
      }
    });
    child.on("error", reject);
    child.on("close", () => {
      clearTimeout(limit);
      resolve(shown);
    });
  });
}

test.skipIf(!hasScript).each<[string, string[], Cue[], RegExp]>([
  [
    "Ctrl-C on -serial stdio ends the process",
    ["-serial", "stdio"],
    [["ready", "\x03"]],
    /terminating on signal 2 \(SIGINT\)[^]*status 0\r\n/,
  ],
  ["Ctrl-\\ kills it", ["-serial", "stdio"], [["ready", "\x1c"]], /status 131\r\n/],
  [
    "Ctrl-C goes to the guest with mon:stdio, Ctrl-A x ends",
    ["-serial", "mon:stdio"],
    [
      ["ready", "\x03"],
      ["\x03", "\x01x"],
    ],
    /\x03[^]*status 0\r\n/,
  ],
  [
    "Ctrl-C goes to the guest with signal=off",
    ["-chardev", "stdio,id=c,signal=off", "-serial", "chardev:c"],
    [["ready", "\x03q"]],
    /\x03status 0\r\n/,
  ],
])("%s; the terminal is as before", async (_name, args, cues, expected) => {
  const shown = await onTerminal(args, cues);
  expect(shown).toMatch(expected);
  expect(shown).toMatch(/ icanon /);
});
