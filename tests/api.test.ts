/** The npm API, from the built bundle: boots a guest, runs a command, stops and looks. */
import { expect, test } from "vitest";
import type * as Api from "../src/app/api/index.ts";
import { fetchGuest } from "../tools/guest/fetch-guest.mjs";

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
