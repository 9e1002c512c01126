/** Snapshots by name: monitor, -loadvm and npm API, with a small firmware and with Linux. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import type * as Api from "../src/app/api/index.ts";
import { fetchGuest } from "../tools/guest/fetch-guest.mjs";
import { LIMIT_MS, runToEnd, startCommand, testFolder, until, writeFirmware } from "./firmware.ts";
import { QmpClient } from "./qmp-client.ts";
import type { Terminal } from "./terminal.ts";

const folder = testFolder();
const firmware = writeFirmware(folder);
const MACHINE = ["-M", "virt", "-m", "16", "-display", "none", "-nodefaults", "-bios", firmware];
const RAM = 0x8000_0000;
const { Machine } = (await import(new URL("../dist/index.js", import.meta.url).href)) as typeof Api;
const open = new Set<Api.Machine>();
afterAll(() => {
  for (const machine of open) void machine.quit();
});
let directories = 0;

function directory(): string {
  const path = join(folder, `snapshots${directories++}`);
  mkdirSync(path);
  return path;
}

async function create(args: readonly string[] = [], options: Partial<Api.MachineOptions> = {}): Promise<Api.Machine> {
  const machine = await Machine.create({ firmware, memory: "16M", args, ...options });
  open.add(machine);
  return machine;
}

/** A key that the firmware gives back. */
async function expectEcho(machine: Api.Machine, key: string): Promise<void> {
  machine.console.type(key);
  await machine.console.waitFor(new RegExp(key), LIMIT_MS);
}

type Monitored = { readonly terminal: Terminal; readonly client: QmpClient; hmp(line: string): Promise<string> };
async function start(...args: string[]): Promise<Monitored> {
  const path = join(folder, `qmp${directories++}`);
  const terminal = startCommand([...MACHINE, "-serial", "stdio", "-qmp", `unix:${path},server=on,wait=off`, ...args]);
  const client = await QmpClient.connect(path);
  await client.execute("qmp_capabilities");
  const hmp = async (line: string): Promise<string> =>
    String(await client.result("human-monitor-command", { "command-line": line })).replaceAll("\r\n", "\n");
  return { terminal, client, hmp };
}

test("API: the machine is exactly where it was, in the same process and in another", async () => {
  const path = directory();
  const machine = await create(["-snapshot-dir", path]);
  await machine.start();
  await machine.console.waitFor(/ready\n/, LIMIT_MS);
  await machine.stop();
  const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => 1 + (i % 251));
  machine.writeMemory(RAM + 0x10_0000, bytes);
  const memory = machine.readMemory(RAM, 16 << 20);
  const registers = machine.readRegisters(0);
  await machine.saveSnapshot("here");
  await machine.saveSnapshot(join(path, "there.file"));
  expect(statSync(join(path, "there.file")).size).toBeLessThan(100_000);
  expect(machine.listSnapshots().map(({ tag }) => tag)).toEqual(["here"]);

  machine.writeMemory(RAM + 0x20_0000, bytes);
  machine.writeMemory(RAM + 0x10_0000, new Uint8Array(10_000));
  await machine.start();
  await expectEcho(machine, "x");
  await machine.stop();
  await machine.loadSnapshot("here");
  expect(Buffer.from(machine.readMemory(RAM, 16 << 20) ?? []).equals(Buffer.from(memory ?? []))).toBe(true);
  expect(machine.readRegisters(0)).toEqual(registers);
  await machine.start();
  await expectEcho(machine, "y");
  await machine.loadSnapshot(join(path, "there.file"));
  await expectEcho(machine, "z");
  expect([machine.deleteSnapshot("here"), machine.deleteSnapshot("here")]).toEqual([true, false]);
  await machine.quit();

  const other = await create(["-loadvm", join(path, "there.file")]);
  await other.arrived;
  expect(Buffer.from(other.readMemory(RAM, 16 << 20) ?? []).equals(Buffer.from(memory ?? []))).toBe(true);
  expect(other.readRegisters(0)).toEqual(registers);
  await other.start();
  await expectEcho(other, "w");
  // What it boots from is there again, too.
  await other.reset();
  await other.console.waitFor(/ready\n/, LIMIT_MS);
  await other.quit();
});

test("HMP: savevm, loadvm, delvm, info snapshots as QEMU's", async () => {
  const path = directory();
  const { terminal, client, hmp } = await start("-snapshot-dir", path);
  await terminal.waitFor(/ready/, LIMIT_MS);
  expect(await hmp("info snapshots")).toBe("There is no snapshot available.\n");
  expect(await hmp("savevm a")).toBe("");
  await client.event("STOP");
  await client.event("RESUME");
  expect(await hmp("savevm")).toBe("");
  expect(await hmp("savevm a")).toBe("");
  const rows = (await hmp("info snapshots")).split("\n");
  expect(rows[1]).toBe("ID        TAG               VM SIZE                DATE     VM CLOCK     ICOUNT");
  expect(
    rows
      .slice(2, 4)
      .map((row) => row.slice(10, 26).trim())
      .toSorted(),
  ).toEqual(["a", expect.stringMatching(/^vm-\d{13}/)]);
  expect(rows[2]).toMatch(/^-- {8}\S+ +\d+ KiB \d{4}-\d\d-\d\d \d\d:\d\d:\d\d 00:00:\d\d\.\d{3} {11}$/);
  // It runs on if it ran, as it was when it was saved.
  await hmp("stop");
  expect(await hmp("loadvm a")).toBe("");
  expect(await hmp("info status")).toBe("VM status: paused\n");
  await hmp("cont");
  expect(await hmp("loadvm a")).toBe("");
  expect(await hmp("info status")).toBe("VM status: running\n");
  terminal.type("k");
  await terminal.waitFor(/k/, LIMIT_MS);
  expect(await hmp("loadvm b")).toBe("Error: Snapshot 'b' does not exist in one or more devices\n");
  expect(await hmp("info status")).toBe("VM status: running\n");
  expect(await hmp("delvm b")).toBe("");
  expect(await hmp("delvm a")).toBe("");
  expect((await hmp("info snapshots")).split("\n")).toHaveLength(4);
  expect(readdirSync(path)).toHaveLength(1);
});

test("a guest that has powered off comes back", async () => {
  const { terminal, client, hmp } = await start("-snapshot-dir", directory(), "-no-shutdown");
  await terminal.waitFor(/ready/, LIMIT_MS);
  await hmp("savevm a");
  terminal.type("q");
  await client.event("SHUTDOWN");
  expect(await hmp("loadvm a")).toBe("");
  await hmp("cont");
  terminal.type("k");
  await terminal.waitFor(/k/, LIMIT_MS);
});

test("QMP: snapshot jobs", async () => {
  const disk = join(folder, "disk.raw");
  writeFileSync(disk, new Uint8Array(65_536));
  const drive = ["-drive", `if=none,id=d0,format=raw,file=${disk}`, "-device", "virtio-blk-device,drive=d0"];
  const { terminal, client, hmp } = await start("-snapshot-dir", directory(), ...drive);
  await terminal.waitFor(/ready/, LIMIT_MS);
  const job = async (name: string, id: string, args: object = {}): Promise<string | undefined> => {
    const rest = name === "snapshot-delete" ? {} : { vmstate: "snapshot-dir" };
    await client.result(name, { "job-id": id, tag: "t", devices: [], ...rest, ...args });
    for (;;) {
      const jobs = (await client.result("query-jobs")) as readonly { id: string; status: string; error?: string }[];
      const own = jobs.find((one) => one.id === id);
      if (own?.status === "concluded") return own.error;
    }
  };
  expect(await job("snapshot-load", "j0")).toBe("Snapshot 't' does not exist in one or more devices");
  expect(await job("snapshot-save", "j1")).toBeUndefined();
  expect(await job("snapshot-save", "j2")).toBe("Snapshot 't' already exists in one or more devices");
  expect(await job("snapshot-load", "j3")).toBeUndefined();
  terminal.type("k");
  await terminal.waitFor(/k/, LIMIT_MS);
  expect(await job("snapshot-save", "j4", { tag: "u", devices: ["d0"] })).toBe(
    "Device 'd0' is writable but does not support snapshots",
  );
  expect(await job("snapshot-save", "j5", { tag: "u", devices: ["d1"] })).toBe("No block device node 'd1'");
  expect(await job("snapshot-save", "j6", { tag: "u", vmstate: "d0" })).toMatch(/^vmstate block device 'd0' does not/);
  expect(await job("snapshot-delete", "j7")).toBeUndefined();
  expect(await job("snapshot-delete", "j8")).toBeUndefined();
  await client.result("job-dismiss", { id: "j8" });
  const states = client.events
    .filter(({ event }) => event === "JOB_STATUS_CHANGE")
    .map(({ data }) => data as { readonly id: string; readonly status: string });
  const of = (id: string): string[] => states.filter((one) => one.id === id).map(({ status }) => status);
  expect(of("j1")).toEqual(["created", "running", "waiting", "pending", "concluded"]);
  expect(of("j2")).toEqual(["created", "running", "aborting", "concluded"]);
  expect(of("j8").at(-1)).toBe("null");
  expect(await hmp("savevm x")).toBe("Error: Device 'd0' is writable but does not support snapshots\n");
  expect(await hmp("loadvm x")).toBe("Error: Device 'd0' is writable but does not support snapshots\n");
});

test("without a directory the monitor says what to give", async () => {
  const { hmp } = await start();
  const says = "no block device can store vmstate for snapshot; name a directory for snapshots with -snapshot-dir\n";
  expect(await hmp("info snapshots")).toBe(says);
  for (const line of ["savevm a", "loadvm a", "delvm a"]) expect(await hmp(line)).toBe(`Error: ${says}`);
});

test("-loadvm: errors end the process with 1 and a sentence", async () => {
  const path = directory();
  const machine = await create(["-snapshot-dir", path]);
  await machine.saveSnapshot("a");
  machine.migration.migrate({ uri: `file:${join(path, "stream")}` });
  await machine.migration.untilOver();
  await machine.quit();
  const file = join(path, "a.snapshot");
  writeFileSync(join(path, "text.snapshot"), "no snapshot");
  copyFileSync(file, join(path, "short.snapshot"));
  truncateSync(join(path, "short.snapshot"), statSync(file).size - 1);
  const disk = join(folder, "disk2.raw");
  writeFileSync(disk, new Uint8Array(65_536));
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["-loadvm", "b"], /Snapshot 'b' does not exist in one or more devices/],
    [["-loadvm", join(path, "b")], /b': no such file or directory/],
    [["-loadvm", path], /is not a regular file/],
    [["-loadvm", "text"], /'text' is not a snapshot/],
    [["-loadvm", "short"], /the snapshot 'short' is damaged/],
    [["-loadvm", join(path, "stream")], /is a migration stream; load it with -incoming file:/],
    [["-loadvm", "a", "-m", "32"], /16 MiB in the snapshot 'a' and 32 MiB here; give the machine the same -m/],
    [["-loadvm", "a", "-smp", "2"], /the device 'cpu\S*#1' is not in the snapshot 'a'; .* the same -smp/],
    [["-loadvm", "a", "-device", "virtio-rng-device"], /virtio/],
    [
      ["-loadvm", "a", "-drive", `if=virtio,id=d,format=raw,file=${disk}`],
      /Device 'd' is writable but does not support/,
    ],
  ];
  for (const [args, message] of cases) {
    const ended = await runToEnd([...MACHINE, "-serial", "null", "-snapshot-dir", path, ...args], "");
    expect([args, ended.exitCode, ended.errors]).toEqual([args, 1, expect.stringMatching(message)]);
    expect(ended.errors.trimEnd().split("\n")).toHaveLength(1);
  }
});

test("a damaged file is refused or loads; nothing else happens", async () => {
  const path = directory();
  const machine = await create(["-snapshot-dir", path]);
  await machine.start();
  await machine.console.waitFor(/ready\n/, LIMIT_MS);
  await machine.saveSnapshot("good");
  const good = readFileSync(join(path, "good.snapshot"));
  const change = fc.record({ at: fc.nat(good.length - 1), bit: fc.nat(7), isCut: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(change, async ({ at, bit, isCut }) => {
      const bad = Buffer.from(isCut ? good.subarray(0, at) : good);
      if (!isCut) bad[at] = (bad[at] as number) ^ (1 << bit);
      writeFileSync(join(path, "bad.snapshot"), bad);
      const failure = await machine.loadSnapshot("bad").catch((error: Error) => error);
      if (failure) expect(failure).toMatchObject({ code: "snapshot", message: expect.stringMatching(/^[^\n]+$/) });
      else expect(isCut).toBe(false);
    }),
    { numRuns: 60 },
  );
  await machine.loadSnapshot("good");
  await machine.start();
  await expectEcho(machine, "k");
  await machine.quit();
});

test("memory that cannot be read any more ends the machine with a sentence", async () => {
  const path = join(directory(), "large.snapshot");
  const machine = await create([], { memory: "128M" });
  machine.writeMemory(RAM + 0x10_0000, new Uint8Array(100 << 20).fill(1));
  await machine.saveSnapshot(path);
  const copy = `${path}.copy`;
  copyFileSync(path, copy);
  await machine.quit();
  const { terminal } = await start("-m", "128", "-loadvm", copy);
  truncateSync(copy, 1 << 20);
  expect(await terminal.exit(LIMIT_MS)).toBe(1);
  expect(terminal.errors).toMatch(/^\S+: a page of the machine's memory cannot be read: the file ends at byte \d+\n$/);
  const next = await create(["-loadvm", path], { memory: "128M" });
  truncateSync(path, 1 << 20);
  await next.start();
  await expect(next.arrived).rejects.toThrow(/memory cannot be read: the file ends at byte \d+/);
});

test("a process that is killed while it saves leaves nothing under the name", async () => {
  const path = directory();
  const { terminal, client } = await start("-snapshot-dir", path, "-m", "64");
  await terminal.waitFor(/ready/, LIMIT_MS);
  client.write(`{"execute":"human-monitor-command","arguments":{"command-line":"savevm a"}}`);
  await until(() => readdirSync(path).length > 0);
  terminal.kill();
  await terminal.exit(LIMIT_MS);
  const left = readdirSync(path);
  if (existsSync(join(path, "a.snapshot"))) {
    // It was faster than we: what is there is whole.
    const again = await create(["-loadvm", join(path, "a.snapshot")], { memory: "64M" });
    await again.arrived;
    return;
  }
  expect(left).toEqual([expect.stringMatching(/^\.a\.snapshot\.\d+\.part$/)]);
});

const BUSY =
  "seq 1 60000 >/tmp/data; for i in 1 2; do (while :; do cp /tmp/data /tmp/copy$i; " +
  "cmp /tmp/data /tmp/copy$i || echo BA''D; done) & done; echo bu''sy\n";

test("Linux at work on two vCPUs goes on lazily, twice, and finds its memory as it was", async () => {
  const path = directory();
  const guest = await fetchGuest({});
  const options = { firmware: guest.firmware, memory: "192M", smp: 2 };
  const { kernel, initrd } = guest;
  const append = "console=ttyS0 quiet COLUMNS=1000";
  const machine = await create(["-snapshot-dir", path], { ...options, kernel, initrd, append });
  await machine.start();
  await machine.console.waitFor(/Tinamou guest ready[^]*# /);
  machine.console.type(BUSY);
  await machine.console.waitFor(/busy\r?\n/);
  await machine.saveSnapshot("work");
  await expectAlive(machine);
  await machine.loadSnapshot("work");
  await expectAlive(machine);
  await machine.quit();
  for (let round = 0; round < 2; round++) {
    const next = await create(["-snapshot-dir", path, "-loadvm", "work"], options);
    await next.start();
    // Stopped and saved while pages are still on their way.
    if (round === 1) {
      await next.stop();
      await next.saveSnapshot("again");
      await next.start();
    }
    await expectAlive(next);
    await next.arrived;
    await expectAlive(next);
    if (round === 1) {
      await next.loadSnapshot("again");
      await expectAlive(next);
    }
    await next.quit();
  }
});

async function expectAlive(machine: Api.Machine): Promise<void> {
  machine.console.type("echo al''ive $((6*7)) $(nproc); md5sum </tmp/data; sleep 1; md5sum </tmp/data; echo do''ne\n");
  const seen = await machine.console.waitFor(/done\r?\n/, 60_000);
  expect(seen).not.toContain("BAD");
  expect(seen).toMatch(/alive 42 2\r?\n/);
  const sums = seen.match(/[0-9a-f]{32} {2}-/g);
  expect([sums?.length, sums?.[0]]).toEqual([2, sums?.[1]]);
}

test("query-status while it is saved and put back: save-vm, restore-vm", async () => {
  const { terminal, client } = await start("-snapshot-dir", directory());
  await terminal.waitFor(/ready/, LIMIT_MS);
  const job = { tag: "t", vmstate: "snapshot-dir", devices: [] };
  for (const [name, state] of [
    ["snapshot-save", "save-vm"],
    ["snapshot-load", "restore-vm"],
  ] as const) {
    const seen = new Set<string>();
    await client.result(name, { ...job, "job-id": name });
    for (let isOver = false; !isOver; ) {
      seen.add(((await client.result("query-status")) as { readonly status: string }).status);
      const jobs = (await client.result("query-jobs")) as readonly { readonly id: string; readonly status: string }[];
      isOver = jobs.every(({ id, status }) => id !== name || status === "concluded");
    }
    expect([...seen]).toContain(state);
    expect(await client.result("query-status")).toMatchObject({ status: "running" });
  }
});

test("stop while a machine is waited for: it stands when it has come", async () => {
  const path = join(directory(), "stream");
  const source = await start();
  await source.terminal.waitFor(/ready/, LIMIT_MS);
  await source.client.result("migrate", { uri: `file:${path}` });
  await expect
    .poll(async () => ((await source.client.result("query-migrate")) as { status?: string }).status)
    .toBe("completed");
  const destination = await start("-incoming", "defer");
  expect(await destination.client.result("query-status")).toMatchObject({ status: "inmigrate" });
  await destination.client.result("stop");
  await destination.client.result("migrate-incoming", { uri: `file:${path}` });
  await expect
    .poll(async () => ((await destination.client.result("query-status")) as { status?: string }).status)
    .toBe("paused");
  await destination.client.result("cont");
  destination.terminal.type("x");
  await destination.terminal.waitFor(/x/, LIMIT_MS);
});
