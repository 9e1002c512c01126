/**
 * Linux's own drivers against the virtio devices: a disk that is read, written, flushed, discarded and carries a file
 * system, one that is read-only, entropy, and a console. The drivers come in a package of 116 MB; without it the tests
 * are skipped.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fetchGuest } from "../tools/guest/fetch-guest.mjs";
import { GuestError } from "../tools/guest/guest-error.mjs";
import { bootGuest, type Guest } from "./guest.ts";

const DISK_BYTES = 4 << 20;
const SMALL_DISK_BYTES = 1 << 20;
const PATTERN_OFFSET = 5 * 4096;
const PATTERN = Buffer.from("tinamou\n".repeat(2048));
const CONSOLE_INPUT = "from the host\n";
const SUPERBLOCK_MAGIC_OFFSET = 1024 + 56;
const EXT_MAGIC = 0xef53;

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

const words = (...lines: readonly string[]): string[] => lines.flatMap((line) => line.split(" "));

/** The disks are vda, vdb and vdc in this order. */
const SYNTAXES: readonly (readonly [string, (disk: string, second: string, third: string) => readonly string[]])[] = [
  [
    "-drive and the legacy transport",
    (disk, second, third) =>
      words(
        `-drive if=none,file=${disk},format=raw,id=d0 -device virtio-blk-device,drive=d0`,
        `-drive if=none,file=${second},format=raw,id=d1,readonly=on -device virtio-blk-device,drive=d1,serial=second`,
        `-drive if=virtio,file=${third},format=raw -global virtio-mmio.force-legacy=true`,
      ),
  ],
  [
    "-blockdev in JSON and the modern transport",
    (disk, second, third) => {
      const disks = [
        { "node-name": "d0", driver: "raw", file: { driver: "file", filename: disk } },
        { "node-name": "d1", driver: "raw", "read-only": true, file: { driver: "file", filename: second } },
        { "node-name": "d2", driver: "file", filename: third },
      ];
      const devices = ["d0", "d1", "d2"].map((drive) => ({
        driver: "virtio-blk-device",
        drive,
        ...(drive === "d1" ? { serial: "second" } : {}),
      }));
      return [
        ...disks.flatMap((one) => ["-blockdev", JSON.stringify(one)]),
        ...devices.flatMap((one) => ["-device", JSON.stringify(one)]),
        ...words("-global virtio-mmio.force-legacy=false"),
      ];
    },
  ],
];

const files = await fetchGuest({ withModules: true }).catch((error: unknown) => {
  if (!(error instanceof GuestError)) throw error;
  console.log(`tests/disk.test.ts is skipped: ${error.message}`);
  return undefined;
});
const { modules, busybox } = files ?? { modules: [], busybox: "" };
const why = files ? "" : " (skipped: the package with the drivers could not be had)";

describe.skipIf(!files).each(SYNTAXES)(`%s${why}`, (_name, options) => {
  let folder: string;
  let guest: Guest;
  const path = (name: string): string => join(folder, name);
  const content = randomBytes(DISK_BYTES);
  const second = randomBytes(SMALL_DISK_BYTES);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tinamou-disk-"));
    writeFileSync(path("disk"), content);
    writeFileSync(path("second"), second);
    writeFileSync(path("third"), Buffer.alloc(DISK_BYTES));
    writeFileSync(path("console-in"), CONSOLE_INPUT);
    const fileSystem = modules.filter(({ name }) => !/virtio|rng/.test(name));
    const chardev = `file,id=c0,path=${path("console-out")},input-path=${path("console-in")}`;
    guest = await bootGuest(
      [
        ...options(path("disk"), path("second"), path("third")),
        ...words("-device virtio-rng-device -device virtio-balloon-device"),
        ...words(`-device virtio-serial-device -chardev ${chardev} -device virtconsole,chardev=c0`),
      ],
      {
        smp: 2,
        withModules: true,
        extraFiles: fileSystem.map((module, order) => ({
          path: `root/modules/${order}-${basename(module.path)}`,
          data: readFileSync(module.path),
        })),
      },
    );
  });
  afterAll(() => {
    guest?.kill();
    rmSync(folder, { recursive: true });
  });

  test("the guest sees the disks, their sizes and their properties", async () => {
    const { text } = await guest.ask("cd /sys/block; for d in vd*; do cat $d/size $d/ro; done; cat vdb/serial; cd");
    const sectors = (lengthBytes: number): number => lengthBytes / 512;
    const expected = [sectors(DISK_BYTES), 0, sectors(SMALL_DISK_BYTES), 1, sectors(DISK_BYTES), 0, "second"];
    expect(text.trim().split("\n")).toEqual(expected.map(String));
  });

  test("it reads what is on the host's file", async () => {
    const { text } = await guest.ask("sha256sum /dev/vda /dev/vdb");
    expect(text).toBe(`${sha256(content)}  /dev/vda\n${sha256(second)}  /dev/vdb\n`);
  });

  test("what it writes and flushes is in the host's file, and nothing else changes", async () => {
    const blocks = PATTERN.length / 4096;
    const write = `dd of=/dev/vda bs=4096 seek=${PATTERN_OFFSET / 4096} count=${blocks} iflag=fullblock conv=fsync`;
    expect(await guest.ask(`yes tinamou | ${write} 2>/dev/null`)).toEqual({ text: "", status: 0 });
    PATTERN.copy(content, PATTERN_OFFSET);
    expect(sha256(readFileSync(path("disk")))).toBe(sha256(content));
    const again = await guest.ask("echo 3 > /proc/sys/vm/drop_caches; sha256sum < /dev/vda");
    expect(again.text).toBe(`${sha256(content)}  -\n`);
  });

  test("a read-only disk refuses a write", async () => {
    const { text, status } = await guest.ask("dd if=/dev/zero of=/dev/vdb bs=512 count=1 conv=fsync");
    expect(status).not.toBe(0);
    expect(text).toMatch(/not permitted|Read-only/);
    expect(sha256(readFileSync(path("second")))).toBe(sha256(second));
  });

  test("a discard is taken, and leaves the rest of the disk alone", async () => {
    const [offset, lengthBytes] = [1 << 20, 1 << 20];
    expect(await guest.ask(`blkdiscard -o ${offset} -l ${lengthBytes} /dev/vda`)).toEqual({ text: "", status: 0 });
    const [disk, around] = [readFileSync(path("disk")), Buffer.from(content)];
    for (const bytes of [disk, around]) bytes.fill(0, offset, offset + lengthBytes);
    expect(sha256(disk)).toBe(sha256(around));
    const refused = await guest.ask("blkdiscard /dev/vdb");
    expect(refused.status).not.toBe(0);
  });

  test("it makes a file system, and finds its files again", async () => {
    const steps = [
      "for module in modules/*; do insmod $module; done",
      "mke2fs -F /dev/vdc > /dev/null",
      "mount -t ext4 /dev/vdc /mnt",
      "cp /bin/busybox /mnt/copy",
      "umount /mnt",
      "echo 3 > /proc/sys/vm/drop_caches",
      "mount -t ext4 -o ro /dev/vdc /mnt",
      "cmp /bin/busybox /mnt/copy",
      "umount /mnt",
    ];
    expect(await guest.ask(steps.join(" && "))).toEqual({ text: "", status: 0 });
    const third = readFileSync(path("third"));
    expect(third.readUInt16LE(SUPERBLOCK_MAGIC_OFFSET)).toBe(EXT_MAGIC);
    const start = readFileSync(busybox).subarray(0, 1024);
    expect(third.includes(start)).toBe(true);
  });

  test("it gets random bytes", async () => {
    const { text } = await guest.ask("for i in 1 2; do head -c 4096 /dev/hwrng | xxd -p -c 4096; done");
    const [first = "", other = ""] = text.trim().split("\n");
    expect([first.length, other.length]).toEqual([8192, 8192]);
    expect(first).not.toBe(other);
    // Random bytes do not become smaller; zeros or a short cycle would.
    const kinds = new Set(Buffer.from(first + other, "hex"));
    expect(kinds.size).toBeGreaterThan(250);
  });

  test("its console on virtio reads and writes", async () => {
    const { text } = await guest.ask("head -n 1 < /dev/hvc0; echo from the guest > /dev/hvc0");
    expect(text).toBe(CONSOLE_INPUT);
    expect(readFileSync(path("console-out"), "latin1")).toContain("from the guest");
  });

  test("poweroff ends the process with 0", async () => {
    expect(await guest.powerOff()).toBe(0);
  });
});
