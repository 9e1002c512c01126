/** Moves a running Linux: by a file, by a unix socket, by TCP. The source is the npm API, the destination the command. */
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type * as Api from "../src/app/api/index.ts";
import { fetchGuest } from "../tools/guest/fetch-guest.mjs";
import { COMMAND, Guest } from "./guest.ts";

const folder = mkdtempSync(join(tmpdir(), "tinamou-migration-"));
const MEMORY = "192M";
const open: { kill(): void }[] = [];
afterAll(() => {
  for (const one of open) one.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** A guest at its shell. */
async function source(smp: number): Promise<Api.Machine> {
  const bundle = new URL("../dist/index.js", import.meta.url).href;
  const { Machine } = (await import(bundle)) as typeof Api;
  const guest = await fetchGuest({});
  const machine = await Machine.create({
    firmware: guest.firmware,
    kernel: guest.kernel,
    initrd: guest.initrd,
    append: "console=ttyS0 quiet COLUMNS=1000",
    memory: MEMORY,
    smp,
  });
  open.push({ kill: () => void machine.quit() });
  await machine.start();
  await machine.console.waitFor(/Tinamou guest ready[^]*# /);
  return machine;
}

async function destination(smp: number, uri: string): Promise<Guest> {
  const { firmware } = await fetchGuest({});
  const machine = ["-M", "virt", "-smp", String(smp), "-m", MEMORY, "-nographic", "-bios", firmware];
  const guest = new Guest(process.execPath, [COMMAND, ...machine, "-incoming", uri]);
  open.push(guest);
  return guest;
}

/** Writes a file in memory and keeps a process busy that writes more; returns the file's sum. */
async function prepare(machine: Api.Machine): Promise<string> {
  machine.console.type("KEPT='from before'; seq 1 100000 >/tmp/data; md5sum </tmp/data\n");
  const seen = await machine.console.waitFor(/[0-9a-f]{32} {2}-\r?\n/);
  machine.console.type("(while :; do seq 1 30000 >/tmp/busy; done) & echo bu''sy\n");
  await machine.console.waitFor(/busy\r?\n/);
  return /[0-9a-f]{32}/.exec(seen)?.[0] ?? "";
}

/** What a machine that was loaded wrongly would hardly get right: memory, timers, every vCPU. */
async function expectAlive(guest: Guest, smp: number, sum: string): Promise<void> {
  const { text } = await guest.ask("nproc; md5sum </tmp/data; sleep 1; echo $KEPT");
  expect(text).toBe(`${smp}\n${sum}  -\nfrom before\n`);
  expect(await guest.powerOff()).toBe(0);
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** The destination's process takes a moment until it listens. */
async function migrateWhenListening(machine: Api.Machine, uri: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    machine.migration.migrate({ uri });
    const info = await machine.migration.untilOver();
    if (info.status === "completed") return;
    expect(info["error-desc"]).toMatch(/ECONNREFUSED/);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`nobody listens on ${uri}`);
}

function statuses(machine: Api.Machine): string[] {
  const seen: string[] = [];
  machine.migration.on((event) => {
    if (event.event === "MIGRATION") seen.push(event.data.status);
  });
  return seen;
}

test("a file: another process goes on where the first stopped", async () => {
  const path = join(folder, "state");
  const machine = await source(1);
  const sum = await prepare(machine);
  machine.migration.migrate({ uri: `file:${path},offset=4096` });
  expect(await machine.migration.untilOver()).toMatchObject({ status: "completed" });
  await machine.quit();
  await expectAlive(await destination(1, `file:${path},offset=4096`), 1, sum);
});

test("unix and tcp: a busy guest moves while it runs, again and again", async () => {
  const machine = await source(2);
  const sum = await prepare(machine);
  const seen = statuses(machine);
  // Nobody listens there.
  machine.migration.migrate({ uri: `unix:${join(folder, "nobody")}` });
  expect(await machine.migration.untilOver()).toMatchObject({ status: "failed" });
  expect(seen).toEqual(["setup", "failed"]);
  seen.length = 0;

  const path = join(folder, "socket");
  const bundle = new URL("../dist/index.js", import.meta.url).href;
  const { Machine } = (await import(bundle)) as typeof Api;
  const { firmware } = await fetchGuest({});
  const second = await Machine.create({ firmware, memory: MEMORY, smp: 2, args: ["-incoming", `unix:${path}`] });
  open.push({ kill: () => void second.quit() });
  machine.migration.setCapabilities([{ capability: "return-path", state: true }]);
  machine.migration.setParameters({ "max-bandwidth": 0 });
  machine.migration.migrate({ uri: `unix:${path}` });
  const info = await machine.migration.untilOver();
  await second.arrived;
  expect(info.status).toBe("completed");
  expect(seen).toEqual(["setup", "active", "device", "completed"]);
  await machine.quit();

  const port = await freePort();
  const guest = await destination(2, `tcp:127.0.0.1:${port}`);
  second.migration.setCapabilities([{ capability: "return-path", state: true }]);
  await migrateWhenListening(second, `tcp:127.0.0.1:${port}`);
  await second.quit();
  await expectAlive(guest, 2, sum);
});
