/** The npm API, from the built bundle: boots a guest, runs a command, stops and looks. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import type * as Api from "../src/app/api/index.ts";
import { fetchGuest } from "../tools/guest/fetch-guest.mjs";
import { testFolder, writeFirmware } from "./firmware.ts";

const folder = testFolder();

test("quit ends a migration's threads: nothing keeps the program alive", () => {
  const bundle = new URL("../dist/index.js", import.meta.url).href;
  const socket = join(folder, "silent");
  const program = `
    import { createServer } from "node:net";
    import { Machine } from ${JSON.stringify(bundle)};
    const firmware = ${JSON.stringify(writeFirmware(folder))};
    const silent = createServer((socket) => socket.pause());
    await new Promise((resolve) => silent.listen(${JSON.stringify(socket)}, resolve));
    const source = await Machine.create({ firmware, memory: "16M" });
    await source.start();
    source.migration.setParameters({ "max-bandwidth": 1000 });
    source.migration.migrate({ uri: "unix:${socket}" });
    const destination = await Machine.create({ firmware, memory: "16M", args: ["-incoming", "tcp:127.0.0.1:0"] });
    destination.arrived.catch((error) => console.log(error.message));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await source.quit();
    await destination.quit();
    console.log((await source.migration.query()).status);
    silent.close();
    silent.unref();
  `;
  const ended = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
    timeout: 30_000,
  });
  expect([ended.status, ended.stdout, ended.stderr]).toEqual([0, "the migration is over\nfailed\n", ""]);
}, 60_000);

test("a program boots a guest, runs a command in it and reads its memory and registers", async () => {
  const bundle = new URL("../dist/index.js", import.meta.url).href;
  const { Machine } = (await import(bundle)) as typeof Api;
  const guest = await fetchGuest({});
  const machine = await Machine.create({
    firmware: guest.firmware,
    kernel: guest.kernel,
    initrd: guest.initrd,
    append: "console=ttyS0 quiet",
    memory: "256M",
    smp: 2,
  });
  const events: string[] = [];
  machine.on((event) => events.push(event.kind));
  try {
    await machine.start();
    await machine.console.waitFor(/Tinamou guest ready[^]*# /);
    machine.console.type("echo $((6*7))\n");
    await machine.console.waitFor(/\n42\r?\n/);
    await machine.stop();
    expect(events).toEqual(["resume", "stop"]);
    const before = machine.readRegisters(0);
    expect(before.x[0]).toBe(0n);
    expect(machine.readRegisters(0)).toEqual(before);
    expect(machine.writeMemory(0x8800_0000, Uint8Array.of(1, 2, 3))).toBe(true);
    expect(machine.readMemory(0x8800_0000, 3)).toEqual(Uint8Array.of(1, 2, 3));
    expect(machine.readMemory(0x1000_0000, 4)).toBeUndefined();
  } finally {
    await machine.quit();
  }
}, 120_000);
