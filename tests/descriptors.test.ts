/**
 * Descriptors over the monitor's socket, and the migrations that managers of machines do with them, in the order in which
 * libvirt does. What needs koffi is skipped where it cannot be loaded.
 */
import { spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { descriptorSender, type DescriptorSender } from "#platform/node/testing/descriptor-sender.ts";
import { fetchGuest } from "../tools/guest/fetch-guest.mjs";
import { COMMAND, LIMIT_MS, testFolder, until, writeFirmware } from "./firmware.ts";
import { bootGuest, Guest } from "./guest.ts";
import type { Message } from "./qmp-client.ts";
import { control, here, type Side, startSide, withoutKoffi } from "./side.ts";

const folder = testFolder();
const sender = await descriptorSender();
const hasPython = spawnSync("python3", ["-c", "import socket; socket.send_fds"]).status === 0;
const MACHINE = ["-M", "virt", "-m", "16", "-display", "none", "-nodefaults", "-serial", "stdio"];
const FIRMWARE = writeFirmware(folder);
const NO_FD = "No file descriptor supplied via SCM_RIGHTS";
let files = 0;

const start = (...args: string[]): Promise<Side> => startSide(here, folder, [...MACHINE, "-bios", FIRMWARE, ...args]);

/** Passes a descriptor, and closes it here. */
async function getfd({ client }: Side, fdname: string, fd: number): Promise<void> {
  expect(await client.pass(sender as DescriptorSender, [fd], "getfd", { fdname })).toEqual({ return: {} });
  closeSync(fd);
}

async function refusal({ client }: Side, name: string, args?: Message): Promise<unknown> {
  const reply = await client.execute(name, args);
  return (reply["error"] as { desc?: string } | undefined)?.desc ?? reply;
}

async function become(side: Side, status: string): Promise<void> {
  const of = ({ event, data }: Message): boolean =>
    event === "MIGRATION" && (data as { status: string }).status === status;
  await until(() => side.client.events.some(of));
}

/** The guest answers keys there. */
async function answers({ terminal }: Side): Promise<void> {
  terminal.type("x");
  await terminal.waitFor(/x/, LIMIT_MS);
}

function openDescriptors({ terminal }: Side): number {
  return readdirSync(`/proc/${terminal.pid}/fd`).length;
}

/** What libvirt sets before a migration: all that it knows and the emulator has, most of it off. */
function capabilities(side: Side, ...on: string[]): Promise<unknown> {
  const known = [
    ["xbzrle", "auto-converge", "rdma-pin-all", "postcopy-ram", "compress", "pause-before-switchover"],
    ["late-block-activate", "multifd", "dirty-bitmaps", "return-path", "zero-copy-send"],
  ].flat();
  return side.client.result("migrate-set-capabilities", {
    capabilities: known.map((capability) => ({ capability, state: on.includes(capability) })),
  });
}

/** What libvirt asks of a machine that it has started. */
async function begin(side: Side): Promise<void> {
  await side.client.result("query-migrate-capabilities");
  const events = { capability: "events", state: true };
  await side.client.result("migrate-set-capabilities", { capabilities: [events] });
  for (const name of ["query-chardev", "query-cpus-fast", "query-iothreads"]) await side.client.result(name);
}

/** `9223372036853727232` is no number of JavaScript: it goes out as text. */
async function setBandwidth({ client }: Side, members = ""): Promise<void> {
  const args = `{${members}"max-bandwidth":9223372036853727232}`;
  expect(await client.ask(`{"execute":"migrate-set-parameters","arguments":${args}}`)).toEqual({ return: {} });
}
const NO_TLS = '"tls-creds":"","tls-hostname":"",';

/** The source's part up to the reply; the event `setup` stands before the reply. */
async function migrate(side: Side): Promise<void> {
  side.client.events.length = 0;
  side.client.text = "";
  await side.client.result("migrate", { detach: true, resume: false, uri: "fd:migrate" });
  expect(side.client.text).toMatch(/"setup"[^]*"return"/);
}

test.skipIf(!sender)("the errors of a monitor, and what a hostile client leaves", async () => {
  const side = await start("-S");
  const { client } = side;
  expect(await refusal(side, "getfd", { fdname: "a" })).toBe(NO_FD);
  expect(await refusal(side, "add-fd")).toBe(NO_FD);
  expect(await refusal(side, "closefd", { fdname: "a" })).toBe("File descriptor named 'a' not found");
  for (const uri of ["fd:a", "fd:migrate"]) {
    expect(await refusal(side, "migrate", { uri })).toBe(`File descriptor named '${uri.slice(3)}' has not been found`);
  }
  const before = openDescriptors(side);
  const fd = openSync(FIRMWARE, "r");
  const pass = (descriptors: number[], name: string, args?: Message): Promise<Message> =>
    client.pass(sender as DescriptorSender, descriptors, name, args);
  expect(await pass([fd], "getfd", { fdname: "0a" })).toMatchObject({
    error: { desc: "Parameter 'fdname' expects a name not starting with a digit" },
  });
  expect(await pass([fd], "getfd", {})).toMatchObject({ error: { desc: "Parameter 'fdname' is missing" } });
  expect(openDescriptors(side)).toBe(before);
  // The same name again, and more descriptors than one.
  for (let i = 0; i < 3; i++) expect(await pass([fd, fd, fd], "getfd", { fdname: "a" })).toEqual({ return: {} });
  expect(openDescriptors(side)).toBe(before + 1);
  await client.result("closefd", { fdname: "a" });
  for (let i = 0; i < 300; i++) {
    await pass(
      Array.from({ length: 100 }, () => fd),
      "getfd",
      { fdname: `n${i}` },
    );
  }
  expect(openDescriptors(side)).toBeLessThan(before + 100);
  // Commands that have nothing to do with descriptors, and half of one.
  for (let i = 0; i < 100; i++) await pass([fd, fd], "query-status");
  client.close();
  await until(() => openDescriptors(side) <= before + 64);
  const next = await control(side.terminal, side.path);
  expect(await refusal(next, "getfd", { fdname: "a" })).toBe(NO_FD);
  // Names are the monitor's, not the client's.
  expect(await next.client.result("closefd", { fdname: "n0" })).toEqual({});
  // A migration that cannot begin takes none.
  await getfd(next, "a", fd);
  await next.client.result("migrate-set-capabilities", {
    capabilities: ["postcopy-ram", "postcopy-preempt"].map((capability) => ({ capability, state: true })),
  });
  expect(await refusal(next, "migrate", { uri: "fd:a" })).toBe("Migration requires multi-channel URIs (e.g. tcp)");
  expect(await refusal(next, "migrate", { uri: "fd:a", resume: true })).toBe(
    "Cannot resume if there is no paused migration",
  );
  expect(await refusal(next, "migrate-incoming", { uri: "fd:a" })).toBe(
    "The incoming migration has already been started",
  );
  expect(await next.client.result("closefd", { fdname: "a" })).toEqual({});
});

test("without koffi the monitor works as ever, and getfd says what to install", async () => {
  const side = await startSide(withoutKoffi(folder), folder, [...MACHINE, "-S", "-bios", FIRMWARE]);
  expect(await refusal(side, "getfd", { fdname: "a" })).toBe(
    `${NO_FD}; descriptors can be received with the package koffi only, which cannot be loaded: npm install koffi`,
  );
  expect(await side.client.result("query-status")).toMatchObject({ status: "prelaunch" });
});

test.skipIf(!sender)("a machine is saved behind what is in a file already, and comes from there", async () => {
  const source = await start();
  await source.terminal.waitFor(/ready/, LIMIT_MS);
  await begin(source);
  expect(await source.client.result("query-migrate")).toEqual({});
  await source.client.result("stop");
  await capabilities(source);
  await setBandwidth(source);
  const path = join(folder, "saved");
  const saved = openSync(path, "w+");
  writeSync(saved, "HEAD");
  await getfd(source, "migrate", saved);
  await migrate(source);
  await become(source, "completed");
  expect(await source.client.result("query-migrate")).toMatchObject({ status: "completed" });
  expect(readFileSync(path).toString("latin1", 0, 8)).toBe("HEADQEVM");
  await setBandwidth(source);

  const destination = await start("-incoming", "defer");
  await begin(destination);
  const from = openSync(path, "r");
  expect(readFileSync(from, { encoding: "latin1" })).toHaveLength(statSync(path).size);
  closeSync(from);
  const again = openSync(path, "r");
  // The position is of the open file, whoever reads it.
  expect(spawnSync("dd", ["bs=4", "count=1", "status=none"], { stdio: [again, "pipe", "inherit"] }).stdout).toEqual(
    Buffer.from("HEAD"),
  );
  await getfd(destination, "restore", again);
  await destination.client.result("migrate-incoming", { uri: "fd:restore" });
  await become(destination, "completed");
  expect(await destination.client.result("query-status")).toMatchObject({ status: "paused" });
  await destination.client.result("cont");
  await answers(destination);

  // A set's file, by its own opening, at an offset.
  const other = await start("-incoming", "defer");
  await begin(other);
  const inSet = openSync(path, "r");
  const reply = await other.client.pass(sender as DescriptorSender, [inSet], "add-fd", { "fdset-id": 7 });
  expect(reply).toMatchObject({ return: { "fdset-id": 7 } });
  closeSync(inSet);
  await other.client.result("migrate-incoming", { uri: "file:/dev/fdset/7,offset=4" });
  await become(other, "completed");
  await other.client.result("remove-fd", { "fdset-id": 7 });
  await other.client.result("cont");
  await answers(other);
});

test.skipIf(!sender)("a machine goes over a pipe, and the ends are closed", async () => {
  const [source, destination] = await Promise.all([start(), start("-incoming", "defer")]);
  await source.terminal.waitFor(/ready/, LIMIT_MS);
  for (const side of [source, destination]) await begin(side);
  const before = openDescriptors(source);
  const [from, to] = (sender as DescriptorSender).pipe();
  await getfd(source, "migrate", to);
  await getfd(destination, "m", from);
  const addr = { transport: "socket", type: "fd", str: "m" };
  await destination.client.result("migrate-incoming", { channels: [{ "channel-type": "main", addr }] });
  await migrate(source);
  await become(destination, "completed");
  await answers(destination);
  await become(source, "completed");
  await until(() => openDescriptors(source) === before);
  expect(await refusal(source, "closefd", { fdname: "migrate" })).toBe("File descriptor named 'migrate' not found");
});

/** A connection of TCP that is made here and passed. */
async function connectedSocket(port: number): Promise<{ readonly fd: number; close(): void }> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.pause();
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const { fd } = Reflect.get(socket, "_handle") as { readonly fd: number };
  return { fd, close: () => socket.destroy() };
}

test.skipIf(!sender)("libvirt's live migration over a connection that it has made", async () => {
  const [source, destination] = await Promise.all([start(), start("-incoming", "defer", "-S")]);
  await source.terminal.waitFor(/ready/, LIMIT_MS);
  for (const side of [source, destination]) await begin(side);
  await destination.client.result("query-migrate-parameters");
  await capabilities(destination, "return-path", "late-block-activate");
  await destination.client.result("migrate-set-parameters", { "tls-creds": "", "tls-hostname": "" });
  destination.client.text = "";
  await destination.client.result("migrate-incoming", { uri: "tcp:127.0.0.1:0" });
  expect(destination.client.text).toMatch(/"setup"[^]*"return"/);
  const { "socket-address": where } = (await destination.client.result("query-migrate")) as {
    readonly "socket-address": readonly { readonly port: string }[];
  };

  for (const name of ["query-block", "query-migrate", "query-migrate-parameters"]) await source.client.result(name);
  await capabilities(source, "pause-before-switchover", "return-path");
  await setBandwidth(source, NO_TLS);
  const connection = await connectedSocket(Number(where[0]?.port));
  const passed = await source.client.pass(sender as DescriptorSender, [connection.fd], "getfd", { fdname: "migrate" });
  expect(passed).toEqual({ return: {} });
  connection.close();
  await migrate(source);
  await become(source, "pre-switchover");
  expect(await source.client.result("query-status")).toMatchObject({ status: "finish-migrate" });
  expect(await source.client.result("query-migrate")).toMatchObject({ status: "pre-switchover" });
  await source.client.result("migrate-continue", { state: "pre-switchover" });
  await become(source, "completed");
  expect(await source.client.result("query-migrate")).toMatchObject({ status: "completed" });
  await become(destination, "completed");
  await destination.client.result("query-chardev");
  await destination.client.result("qom-list", { path: "/machine/peripheral" });
  await destination.client.result("query-block");
  await destination.client.result("cont");
  await answers(destination);
  await capabilities(destination);
  await setBandwidth(destination, NO_TLS);
});

test.skipIf(!sender)("libvirt's postcopy, over a pair of sockets, and what migrate_cancel leaves", async () => {
  const [source, destination] = await Promise.all([start(), start("-incoming", "defer", "-S")]);
  await source.terminal.waitFor(/ready/, LIMIT_MS);
  for (const side of [source, destination]) await begin(side);
  // One that nobody answers on is given up.
  const limit = { "max-bandwidth": 1000, "max-postcopy-bandwidth": 0, "tls-creds": "", "tls-hostname": "" };
  await source.client.result("migrate-set-parameters", limit);
  const before = openDescriptors(source);
  const [lost, silent] = (sender as DescriptorSender).socketPair();
  await getfd(source, "migrate", lost);
  await migrate(source);
  await become(source, "active");
  await source.client.result("migrate_cancel");
  await become(source, "cancelled");
  closeSync(silent);
  await until(() => openDescriptors(source) === before);
  await answers(source);

  const [near, far] = (sender as DescriptorSender).socketPair();
  await capabilities(destination, "postcopy-ram", "return-path", "late-block-activate");
  await getfd(destination, "m", far);
  await destination.client.result("migrate-incoming", { uri: "fd:m" });
  await capabilities(source, "postcopy-ram", "pause-before-switchover", "return-path");
  await getfd(source, "migrate", near);
  await migrate(source);
  await become(source, "active");
  await source.client.result("migrate-start-postcopy");
  await become(source, "pre-switchover");
  await source.client.result("migrate-continue", { state: "pre-switchover" });
  await become(source, "postcopy-active");
  await become(destination, "postcopy-active");
  await destination.client.result("cont");
  await answers(destination);
  await setBandwidth(source);
  await become(source, "completed");
  await become(destination, "completed");
  await answers(destination);
  expect(await destination.client.result("query-status")).toMatchObject({ status: "running" });
  expect(await source.client.result("query-status")).toMatchObject({ status: "postmigrate" });
});

test.skipIf(!sender)("a Linux at work goes over a passed connection", async () => {
  const started = join(folder, `qmp${files++}`);
  const guest = await bootGuest(["-qmp", `unix:${started},server=on,wait=off`], { smp: 2 });
  const source = await control(guest, started);
  const { text: sum } = await guest.ask("KEPT='from before'; seq 1 100000 >/tmp/data; md5sum </tmp/data");
  guest.type("(while :; do seq 1 30000 >/tmp/busy; done) & echo bu''sy\n");
  await guest.waitFor(/busy\r?\n/, LIMIT_MS);
  const { firmware } = await fetchGuest({});
  const path = join(folder, `qmp${files++}`);
  const machine = ["-M", "virt", "-smp", "2", "-m", "256", "-nographic", "-bios", firmware];
  const qmp = ["-qmp", `unix:${path},server=on,wait=off`, "-incoming", "defer"];
  const moved = new Guest(process.execPath, [COMMAND, ...machine, ...qmp]);
  const destination = await control(moved, path);
  for (const side of [source, destination]) await begin(side);
  const [near, far] = (sender as DescriptorSender).socketPair();
  await getfd(destination, "m", far);
  await destination.client.result("migrate-incoming", { uri: "fd:m" });
  await getfd(source, "migrate", near);
  await migrate(source);
  await become(source, "completed");
  await become(destination, "completed");
  const { text } = await moved.ask("nproc; md5sum </tmp/data; sleep 1; echo $KEPT");
  expect(text).toBe(`2\n${sum}from before\n`);
  expect(await moved.powerOff()).toBe(0);
});

const CLIENT = `
import json, os, socket, sys
monitor = socket.socket(socket.AF_UNIX)
monitor.connect(sys.argv[1])
lines = monitor.makefile()
lines.readline()
def ask(name, fds=(), **arguments):
    socket.send_fds(monitor, [json.dumps({"execute": name, "arguments": arguments}).encode()], fds)
    while True:
        message = json.loads(lines.readline())
        if "event" not in message: return message
        if message.get("data") == {"status": "completed"}: break
ask("qmp_capabilities")
ask("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
fd = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
print(ask("getfd", [fd], fdname="out"))
os.close(fd)
print(ask("migrate", uri="fd:out"))
while json.loads(lines.readline()).get("data") != {"status": "completed"}: pass
`;

test.skipIf(!sender || !hasPython)("a client that is not ours", async () => {
  const { terminal, client, path } = await start();
  await terminal.waitFor(/ready/, LIMIT_MS);
  client.close();
  const saved = join(folder, "by-python");
  const python = spawn("python3", ["-c", CLIENT, path, saved], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  python.stdout.on("data", (chunk) => (said += String(chunk)));
  expect(await new Promise((resolve) => python.once("close", resolve))).toBe(0);
  expect(said).toBe("{'return': {}}\n{'return': {}}\n");
  expect(readFileSync(saved).toString("latin1", 0, 4)).toBe("QEVM");
});

test.skipIf(!sender)("HMP: getfd, closefd, and a migration over what was passed", async () => {
  const path = join(folder, `hmp${files++}`);
  const side = await start("-monitor", `unix:${path},server=on,wait=off`);
  await side.terminal.waitFor(/ready/, LIMIT_MS);
  const socket = connect(path);
  let text = "";
  // Without what draws the line that is typed.
  socket.on("data", (bytes) => (text = (text + String(bytes)).replaceAll(/\u001b\[[\d;]*[A-Za-z]/g, "")));
  const prompted = async (): Promise<string> => {
    await until(() => text.endsWith("(qemu) "));
    const said = text;
    text = "";
    return said;
  };
  await prompted();
  const before = openDescriptors(side);
  const stream = join(folder, `stream${files++}`);
  const fd = openSync(stream, "w");
  const pass = async (line: string): Promise<string> => {
    (sender as DescriptorSender).send(socket, `${line}\n`, [fd]);
    return prompted();
  };
  const ask = async (line: string): Promise<string> => {
    socket.write(`${line}\n`);
    return prompted();
  };
  expect(await pass("getfd a")).not.toContain("Error");
  expect(openDescriptors(side)).toBe(before + 1);
  expect(await ask("closefd a")).not.toContain("Error");
  expect(await ask("closefd a")).toContain("Error: File descriptor named 'a' not found");
  expect(await pass("getfd 0a")).toContain("expects a name not starting with a digit");
  expect(await ask("getfd a")).toContain(NO_FD);
  // With another command it is nobody's, and is closed when the next one comes.
  await pass("info name");
  await pass("getfd m");
  expect(openDescriptors(side)).toBe(before + 1);
  closeSync(fd);
  expect(await ask("migrate fd:m")).not.toMatch(/Error|failed/);
  expect(readFileSync(stream).subarray(0, 4).toString()).toBe("QEVM");
  await until(() => openDescriptors(side) === before);
  socket.destroy();
});

test.skipIf(!sender)(
  "of two that take up a postcopy at once one does, and the other's descriptor is closed",
  async () => {
    const [source, destination] = await Promise.all([start(), start("-incoming", "defer")]);
    await source.terminal.waitFor(/ready/, LIMIT_MS);
    for (const side of [source, destination]) {
      await begin(side);
      await capabilities(side, "postcopy-ram", "return-path");
    }
    const idle = openDescriptors(source);
    await source.client.result("migrate-set-parameters", { "max-bandwidth": 30_000, "max-postcopy-bandwidth": 30_000 });
    await destination.client.result("migrate-incoming", { uri: "tcp:127.0.0.1:0" });
    const port = async (): Promise<number> => {
      const { "socket-address": where } = (await destination.client.result("query-migrate")) as {
        readonly "socket-address": readonly { readonly port: string }[];
      };
      return Number(where[0]?.port);
    };
    await source.client.result("migrate", { uri: `tcp:127.0.0.1:${await port()}` });
    await become(source, "active");
    await source.client.result("migrate-start-postcopy");
    await become(destination, "postcopy-active");
    await become(source, "postcopy-active");
    await source.client.result("migrate-pause");
    await become(source, "postcopy-paused");
    await become(destination, "postcopy-paused");
    await destination.client.result("migrate-recover", { uri: "tcp:127.0.0.1:0" });
    const connection = await connectedSocket(await port());
    const passed = await source.client.pass(sender as DescriptorSender, [connection.fd], "getfd", { fdname: "a" });
    expect(passed).toEqual({ return: {} });
    connection.close();
    const [near, far] = (sender as DescriptorSender).socketPair();
    await getfd(source, "b", near);
    await source.client.result("migrate-set-parameters", { "max-postcopy-bandwidth": 0 });
    const resume = (name: string): string =>
      JSON.stringify({ execute: "migrate", arguments: { uri: `fd:${name}`, resume: true } });
    source.client.write(resume("a") + resume("b"));
    expect(await source.client.next()).toEqual({ return: {} });
    expect(await source.client.next()).toMatchObject({
      error: { desc: "Cannot resume if there is no paused migration" },
    });
    await become(source, "completed");
    await become(destination, "completed");
    // Both are closed by then.
    await source.client.execute("closefd", { fdname: "b" });
    await until(() => openDescriptors(source) === idle);
    closeSync(far);
  },
);
