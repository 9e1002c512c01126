/**
 * Disks that fail under a guest: the machine stops, goes on when the host is mended, or moves to where the disk is whole,
 * to QEMU and from it.
 *
 * A file fails by the host's limit for its size, which Node lets writes fail at; QEMU has blkdebug.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { qemu11, qemu7 } from "../tools/peers/qemu.ts";
import type { Emulator } from "../tools/peers/vm.ts";
import { diskFirmware } from "./disk-firmware.ts";
import { LIMIT_MS, testFolder } from "./firmware.ts";
import { arrived, here, migrate, runState, type Side, startSide } from "./side.ts";

const folder = testFolder();
const FIRMWARE = join(folder, "disk.bin");
writeFileSync(FIRMWARE, diskFirmware());
const MACHINE = ["-M", "virt", "-m", "16M", "-display", "none", "-monitor", "none", "-nic", "none", "-serial", "stdio"];
/** The program that comes next may write no file. */
const NO_WRITES: Emulator = {
  name: "here",
  program: "sh",
  args: ["-c", 'ulimit -S -f 0 && exec "$@"', "sh", here.program, ...here.args],
};
const hasPrlimit = spawnSync("prlimit", ["--version"]).error === undefined;
const DRIVE = "if=none,id=d0,format=raw,rerror=stop,werror=stop";

let files = 0;

function newDisk(): string {
  const file = join(folder, `disk-${files++}`);
  const bytes = Buffer.alloc(1 << 16);
  bytes.write("A", 0);
  bytes.write("B", 512);
  writeFileSync(file, bytes);
  return file;
}

const start = (emulator: Emulator, drive: string, ...more: string[]): Promise<Side> => {
  const disk = ["-drive", `${DRIVE},${drive}`, "-device", "virtio-blk-device,drive=d0"];
  return startSide(emulator, folder, [...MACHINE, "-bios", FIRMWARE, ...disk, ...more]);
};
const ioStatus = async ({ client }: Side): Promise<unknown> =>
  ((await client.result("query-block")) as readonly { readonly "io-status"?: string }[])[0]?.["io-status"];

/** Has the guest write, which fails: the machine stands then, with both requests still to be done. */
async function fail(side: Side): Promise<void> {
  const { terminal, client } = side;
  await terminal.waitFor(/ready/, LIMIT_MS);
  terminal.type("w");
  for (const _ of [1, 2]) {
    expect(await client.event("BLOCK_IO_ERROR")).toMatchObject({ device: "d0", operation: "write", action: "stop" });
  }
  await client.event("STOP");
  expect([await runState(side), await ioStatus(side)]).toEqual(["io-error", "failed"]);
}

/** Writes succeed again, of what it starts, too. */
function mend({ terminal }: Side): void {
  spawnSync("prlimit", ["--pid", String(terminal.pid), "--fsize=unlimited"]);
}

async function save(side: Side): Promise<string> {
  const file = join(folder, `stream-${files++}`);
  expect(await migrate(side, `exec:cat >${file}`)).toBe("completed");
  return file;
}

test.skipIf(!hasPrlimit)("a machine whose disk fails stands, and does it again when it is told to go on", async () => {
  const file = newDisk();
  const side = await start(NO_WRITES, `file=${file}`);
  const { terminal, client } = side;
  await terminal.waitFor(/ready/, LIMIT_MS);
  terminal.type("r");
  await terminal.waitFor(/0A0B\n/, LIMIT_MS);
  terminal.type("w");
  const failure = {
    device: "d0",
    "node-name": "#block000",
    operation: "write",
    action: "stop",
    nospace: false,
    reason: "File too large",
  };
  for (const _ of [1, 2]) expect(await client.event("BLOCK_IO_ERROR")).toEqual(failure);
  await client.event("STOP");
  expect([await runState(side), await ioStatus(side)]).toEqual(["io-error", "failed"]);

  await client.result("cont");
  await client.event("RESUME");
  for (const _ of [1, 2]) expect(await client.event("BLOCK_IO_ERROR")).toEqual(failure);
  await client.event("STOP");
  expect([await runState(side), await ioStatus(side)]).toEqual(["io-error", "failed"]);

  mend(side);
  await client.result("cont");
  await terminal.waitFor(/0001\n/, LIMIT_MS);
  expect([await runState(side), await ioStatus(side)]).toEqual(["running", "ok"]);
  const bytes = readFileSync(file);
  expect([bytes[0], bytes[512]]).toEqual([0x30, 0x31]);
});

test.skipIf(!hasPrlimit)("a reset forgets what has failed", async () => {
  const side = await start(NO_WRITES, `file=${newDisk()}`);
  await fail(side);
  await side.client.result("system_reset");
  expect(await runState(side)).toBe("prelaunch");
  await side.client.result("cont");
  await side.terminal.waitFor(/ready/, LIMIT_MS);
  side.terminal.type("r");
  await side.terminal.waitFor(/0A0B\n/, LIMIT_MS);
});

const PEERS = { here, "QEMU 7.2": qemu7(), "QEMU 11.1": qemu11() };
const CELLS = [
  ["here", "here"],
  ["here", "QEMU 11.1"],
  ["QEMU 7.2", "here"],
  ["QEMU 11.1", "here"],
] as const;
for (const [from, to] of CELLS) {
  const [source, destination] = [PEERS[from], PEERS[to]];
  const missing = [source, destination].flatMap((one) => ("missing" in one ? [one.missing] : []));
  if (from === "here" && !hasPrlimit) missing.push("there is no prlimit");
  const name = `requests that have failed move with the machine: ${from} -> ${to}`;
  test.skipIf(missing.length > 0)(name, async () => {
    if ("missing" in source || "missing" in destination) throw new Error(missing.join());
    const broken =
      "file.driver=blkdebug,file.image.driver=file,file.inject-error.0.iotype=write,file.inject-error.0.errno=5";
    const failing =
      from === "here"
        ? await start(NO_WRITES, `file=${newDisk()}`)
        : await start(source, `${broken},file.inject-error.0.event=write_aio,file.image.filename=${newDisk()}`);
    await fail(failing);
    if (from === "here") mend(failing);
    const stream = await save(failing);
    const file = newDisk();
    const side = await arrived(await start(destination, `file=${file}`, "-incoming", `exec:cat ${stream}`));
    expect(await runState(side)).toBe("io-error");
    await side.client.result("cont");
    await side.terminal.waitFor(/0001\n/, LIMIT_MS);
    const bytes = readFileSync(file);
    expect([bytes[0], bytes[512]]).toEqual([0x30, 0x31]);
    side.terminal.type("r");
    await side.terminal.waitFor(/0001\n/, LIMIT_MS);
  });
}
