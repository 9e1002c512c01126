/** Moves a running Linux: by a file, by a unix socket, by TCP. The source is the npm API, the destination the command. */
import { mkdtempSync, rmSync } from "node:fs";
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

/** Something that a machine that was loaded wrongly would hardly get right: memory, timers, every vCPU. */
async function checkAlive(guest: Guest, smp: number): Promise<void> {
  const answer = await guest.ask("nproc; md5sum </tmp/data; sleep 1; echo $KEPT");
  expect(answer.text).toBe(`${smp}\n${DATA_SUM}  -\nfrom before\n`);
}
const DATA_SUM = "4b8d9a0c1c7b5b0d2f6a";

async function prepare(machine: Api.Machine): Promise<void> {
  machine.console.type("KEPT='from before'; seq 1 100000 >/tmp/data; md5sum </tmp/data; echo do''ne\n");
  await machine.console.waitFor(/done\r?\n/);
}

test("a file: another process goes on where the first stopped", async () => {
  const path = join(folder, "state");
  const machine = await source(2);
  await prepare(machine);
  machine.migration.migrate({ uri: `file:${path}` });
  expect(await machine.migration.untilOver()).toMatchObject({ status: "completed" });
  const guest = await destination(2, `file:${path}`);
  await checkAlive(guest, 2);
  expect(await guest.powerOff()).toBe(0);
  await machine.quit();
});
