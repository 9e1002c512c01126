/** Plays QEMU's recorded register scripts against our devices: every answer, memory change and section must be equal. */
import { expect, test } from "vitest";
import type { Disk, Timers } from "#core/host.ts";
import type { Dma } from "#hw/bus/types.ts";
import type { VirtioDevice } from "#hw/bus/virtio/virtio-device.ts";
import { VirtioMmio } from "#hw/bus/virtio/virtio-mmio.ts";
import { VIRTIO_RECORDED } from "#hw/bus/virtio/virtio.recorded.ts";
import { VirtioBalloon } from "#hw/devices/virtio-balloon.ts";
import { VirtioBlk } from "#hw/devices/virtio-blk.ts";
import { VirtioConsole } from "#hw/devices/virtio-console.ts";
import { VirtioRng } from "#hw/devices/virtio-rng.ts";

const RAM_START = 0x8000_0000;
const RAM_BYTES = 4 << 20;
const clock = { nowNs: () => 0, wallMs: () => 0 };

function ramDma(ram: Uint8Array): Dma {
  return {
    view(address, lengthBytes) {
      const offset = address - RAM_START;
      if (offset < 0 || offset + lengthBytes > ram.length) return undefined;
      return new Uint8Array(ram.buffer, ram.byteOffset + offset, lengthBytes);
    },
  };
}

/** A disk in memory whose answers come later, as a file's do. */
function memoryDisk(): Disk {
  const bytes = new Uint8Array(1 << 20).map((_, i) => i >> 9);
  const later = (action: () => void): Promise<void> => Promise.resolve().then(action);
  return {
    name: "test",
    sizeBytes: bytes.length,
    readOnly: false,
    read: (offset, into) => later(() => into.set(bytes.subarray(offset, offset + into.length))),
    write: (offset, from) => later(() => bytes.set(from, offset)),
    flush: () => later(() => {}),
    discard: () => later(() => {}),
    writeZeroes: (offset, lengthBytes) => later(() => void bytes.fill(0, offset, offset + lengthBytes)),
    close: () => later(() => {}),
  };
}

function nullChardev(name: string) {
  return {
    name,
    attach() {}, // QEMU's null chardev never says that it is open
    poke() {},
    write() {},
    close() {},
  };
}

function makeDevice(name: string): VirtioDevice {
  const timers: Timers = { at: () => () => {} };
  switch (name.split(" ")[0]) {
    case "rng":
      // A stopped QEMU gives no randomness, and the recording offers no buffers.
      return new VirtioRng({ clock, timers, random: { fill() {} } });
    case "balloon":
      return new VirtioBalloon({ clock, timers }, { memoryBytes: RAM_BYTES });
    case "console":
      return new VirtioConsole({
        maxPorts: 3,
        ports: [
          { number: 0, console: true, chardev: nullChardev("c") },
          { number: 2, console: false, name: "org.tinamou.0", chardev: nullChardev("e") },
        ],
      });
    default:
      return new VirtioBlk(memoryDisk(), { serial: "tinamou-0" });
  }
}

function unpack(text: string): Uint8Array {
  const hex = text.replace(/\((..)\*(\d+)\)/g, (_, byte: string, count: string) => byte.repeat(Number(count)));
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
const toHex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

function makeTransport(name: string, ram: Uint8Array): VirtioMmio {
  const timers: Timers = { at: () => () => {} };
  return new VirtioMmio(
    { irq: { set() {} }, dma: ramDma(ram), timers },
    { forceLegacy: name.includes("legacy"), path: "virtio-mmio@0000000010008000" },
    makeDevice(name),
  );
}

/**
 * Where we mean to differ from QEMU, by the start of an operation.
 * - A legacy driver, too, sees DEVICE_NEEDS_RESET and a configuration interrupt.
 * - QueueNumMax is QEMU 11.1's; the recordings are of 7.2.
 */
function expectedAnswer(name: string, register: string, recorded: number, broken: boolean, queue: number): number {
  if (name.includes("hostile") && name.includes("legacy") && broken) {
    if (register === "70.4" && recorded === 7) return 7 | 64;
    if (register === "60.4" && recorded === 0) return 3;
  }
  return register === "34.4" && recorded === 1024 ? queueSize(name, queue) : recorded;
}

function queueSize(name: string, queue: number): number {
  if (name.startsWith("rng")) return 8;
  if (name.startsWith("console")) return queue === 2 || queue === 3 ? 32 : 128;
  return name.startsWith("balloon") ? 128 : 256;
}

test.each(VIRTIO_RECORDED)("%s", async (name, script) => {
  const ram = new Uint8Array(new SharedArrayBuffer(RAM_BYTES));
  const transport = makeTransport(name, ram);
  const region = transport.regions[0];
  if (!region) throw new Error("no registers");
  let broken = false;
  let queue = 0;
  for (const operation of script.split(/\s+/)) {
    const [target, value = ""] = operation.slice(1).split("=") as [string, string?];
    const [at = 0, size = 4] = target.split(".").map((part) => Number.parseInt(part, 16));
    const number = Number.parseInt(value, 16);
    switch (operation[0]) {
      case "r": {
        const answer = region.read(at, size as 1 | 2 | 4);
        const wanted = expectedAnswer(name, target, number, broken, queue);
        expect(`r${target}=${answer.toString(16)}`).toBe(`r${target}=${wanted.toString(16)}`);
        break;
      }
      case "w":
        region.write(at, size as 1 | 2 | 4, number);
        await transport.drain();
        if (at === 0x30) queue = number;
        if (at === 0x50) broken = true;
        if (at === 0x70 && number === 0) broken = false;
        break;
      case "m":
        ram.set(unpack(value), at);
        break;
      case "x": {
        const wanted = unpack(value);
        expect(`x${target}=${toHex(ram.slice(at, at + wanted.length))}`).toBe(`x${target}=${toHex(wanted)}`);
        break;
      }
      case "u":
        expect(`u${target}=${new DataView(ram.buffer).getUint16(at + 2, true).toString(16)}`).toBe(operation);
        break;
      case "s":
        checkSection(name, transport, ram, unpack(value));
        break;
      default:
        throw new Error(`unknown operation ${operation}`);
    }
  }
});

/** What we save is QEMU's section, and loading QEMU's section into a fresh device and saving it gives it again. */
function checkSection(name: string, transport: VirtioMmio, ram: Uint8Array, recorded: Uint8Array): void {
  const section = transport.migration[0];
  if (!section) throw new Error("no section");
  expect(toHex(section.save())).toBe(toHex(recorded));
  const other = makeTransport(name, ram.slice());
  other.migration[0]?.load(recorded, section.version);
  expect(toHex(other.migration[0]?.save() ?? new Uint8Array())).toBe(toHex(recorded));
}
