/** The devices driven by a small guest over the registers of both interfaces. */
import { describe, expect, test } from "vitest";
import { ByteReader, ByteWriter } from "#core/bytes.ts";
import type { CharBackend, CharFrontend, Disk, Random } from "#core/host.ts";
import { makeLog } from "#core/log.ts";
import { GuestDriver } from "#hw/bus/virtio/guest-driver.ts";
import { VirtioBalloon } from "#hw/devices/virtio-balloon.ts";
import { VirtioBlk } from "#hw/devices/virtio-blk.ts";
import { VirtioConsole } from "#hw/devices/virtio-console.ts";
import { VirtioRng } from "#hw/devices/virtio-rng.ts";

/** A clock and timers that the test moves. */
class Time {
  nowNs = 0;
  readonly #due: { atNs: number; callback: () => void }[] = [];
  readonly clock = { nowNs: () => this.nowNs, wallMs: () => 1_000_000 + this.nowNs / 1e6 };
  readonly timers = {
    at: (atNs: number, callback: () => void) => {
      const entry = { atNs, callback };
      this.#due.push(entry);
      return () => void this.#due.splice(this.#due.indexOf(entry), 1);
    },
  };
  pass(ms: number): void {
    this.nowNs += ms * 1e6;
    for (const entry of this.#due.filter((one) => one.atNs <= this.nowNs)) {
      this.#due.splice(this.#due.indexOf(entry), 1);
      entry.callback();
    }
  }
}

const counting: Random = { fill: (into) => void into.forEach((_, i) => (into[i] = i + 1)) };

describe.each([true, false])("legacy: %s", (legacy) => {
  test("rng fills buffers, within its quota and its size limit", () => {
    const time = new Time();
    const device = new VirtioRng(
      { random: counting, clock: time.clock, timers: time.timers },
      { maxBytes: 100, periodMs: 1000 },
    );
    const guest = new GuestDriver(device, legacy);
    guest.start(1);
    for (let i = 0; i < 3; i++) guest.offer(0, [{ at: 0x8000 + 0x100 * i, lengthBytes: 64, write: true }]);
    guest.kick(0);
    expect(guest.used(0).map((entry) => entry.lengthBytes)).toEqual([64, 36]);
    expect([...guest.ram.subarray(0x8000, 0x8003), guest.ram[0x8100 + 35], guest.ram[0x8100 + 36]]).toEqual([
      1, 2, 3, 36, 0,
    ]);
    time.pass(1000);
    expect(guest.used(0).map((entry) => entry.lengthBytes)).toEqual([64, 36, 64]);
    const free = new GuestDriver(new VirtioRng({ random: counting, clock: time.clock, timers: time.timers }), legacy);
    free.start(1);
    free.offer(0, [{ at: 0x8000, lengthBytes: 0x20000, write: true }]);
    free.kick(0);
    expect(free.used(0)).toEqual([{ head: 0, lengthBytes: 65_536 }]);
  });

  test("balloon: target, actual, statistics", () => {
    const time = new Time();
    const sizes: number[] = [];
    const ports = { clock: time.clock, timers: time.timers, changed: (bytes: number) => void sizes.push(bytes) };
    const balloon = new VirtioBalloon(ports, { memoryBytes: 1 << 20 });
    const guest = new GuestDriver(balloon, legacy);
    guest.start(3);
    balloon.setTargetBytes((1 << 20) - 5 * 4096);
    expect([guest.irq, guest.read(0x60), guest.read(0x100)]).toEqual([true, 3, 5]);
    guest.offer(0, [{ at: 0xc000, lengthBytes: 20 }]);
    guest.kick(0);
    expect(guest.used(0)).toEqual([{ head: 0, lengthBytes: 0 }]);
    guest.write(0x104, 5);
    expect([sizes, balloon.guestBytes]).toEqual([[(1 << 20) - 5 * 4096], (1 << 20) - 5 * 4096]);
    const report = (free: bigint): void => {
      guest.view.setUint16(0xd000, 4, true);
      guest.view.setBigUint64(0xd002, free, true);
    };
    report(777n);
    guest.offer(2, [{ at: 0xd000, lengthBytes: 10 }]);
    guest.kick(2);
    expect(guest.used(2)).toEqual([]); // kept until the next report is wanted
    expect(balloon.guestStats.stats["stat-free-memory"]).toBe(777n);
    expect(balloon.guestStats.stats["stat-swap-in"]).toBe(0xffff_ffff_ffff_ffffn);
    balloon.setPollingSeconds(2);
    time.pass(2000);
    expect(guest.used(2)).toHaveLength(1);
    report(778n);
    guest.makeAvailable(2, 0);
    guest.kick(2);
    expect(balloon.guestStats.stats["stat-free-memory"]).toBe(778n);
    expect(balloon.guestStats.lastUpdateMs).toBe(1_002_000);
  });

  test("console: both directions, held back while the guest offers nothing", () => {
    const chardev = new TestChardev();
    const device = new VirtioConsole({ maxPorts: 1, ports: [{ number: 0, console: true, chardev }] });
    const guest = new GuestDriver(device, legacy);
    guest.start(2);
    expect(chardev.frontend?.canReceive()).toBe(0);
    guest.ram.set(Buffer.from("login: "), 0xc000);
    guest.offer(1, [{ at: 0xc000, lengthBytes: 7 }]);
    guest.kick(1);
    expect(chardev.out).toBe("login: ");
    guest.offer(0, [{ at: 0xd000, lengthBytes: 4, write: true }]);
    guest.kick(0);
    expect(chardev.pokes).toBeGreaterThan(0);
    expect(chardev.frontend?.canReceive()).toBeGreaterThan(0);
    chardev.frontend?.receive(Buffer.from("root\n"));
    expect(guest.used(0)).toEqual([{ head: 0, lengthBytes: 4 }]);
    expect(chardev.frontend?.canReceive()).toBe(0);
    guest.offer(0, [{ at: 0xd100, lengthBytes: 4, write: true }]);
    guest.kick(0);
    expect(Buffer.from(guest.ram.slice(0xd000, 0xd004)).toString() + String.fromCharCode(guest.ram[0xd100] ?? 0)).toBe(
      "root\n",
    );
    guest.write(0x108, 0x21); // emergency write
    expect(chardev.out).toBe("login: !");
  });

  test("blk: requests in flight finish in any order; a reset drops their answers", async () => {
    const disk = new SlowDisk();
    const device = new VirtioBlk(disk);
    const guest = new GuestDriver(device, legacy);
    guest.start(1, 16);
    const read = (slot: number, sector: number): number => {
      guest.view.setUint32(0x8000 + 0x1000 * slot, 0, true);
      guest.view.setBigUint64(0x8008 + 0x1000 * slot, BigInt(sector), true);
      return guest.offer(0, [
        { at: 0x8000 + 0x1000 * slot, lengthBytes: 16 },
        { at: 0x8100 + 0x1000 * slot, lengthBytes: 512, write: true },
        { at: 0x8800 + 0x1000 * slot, lengthBytes: 1, write: true },
      ]);
    };
    const heads = [read(0, 1), read(1, 2)];
    guest.kick(0);
    expect(disk.pending).toHaveLength(2);
    disk.pending[1]?.answer();
    await flushPromises();
    expect(guest.used(0)).toEqual([{ head: heads[1], lengthBytes: 513 }]);
    expect(guest.ram[0x9100]).toBe(2);
    disk.pending[0]?.fail();
    await flushPromises();
    expect([guest.used(0).length, guest.ram[0x8800]]).toEqual([2, 1]);
    guest.ram.fill(0xcc, 0xa100, 0xa300);
    read(2, 3);
    guest.kick(0);
    guest.start(1, 16);
    disk.pending[2]?.answer();
    await device.drain();
    expect([guest.used(0), guest.ram[0xa100]]).toEqual([[], 0xcc]);
  });

  test("blk: many large requests do not pile up in memory, and all are answered", async () => {
    const disk = new SlowDisk();
    const guest = new GuestDriver(new VirtioBlk(disk), legacy, 48 << 20);
    guest.start(1, 16);
    guest.view.setBigUint64(0x8008, 0n, true);
    for (let i = 0; i < 5; i++) {
      guest.offer(0, [
        { at: 0x8000, lengthBytes: 16 },
        { at: 1 << 20, lengthBytes: 40 << 20, write: true },
        { at: 0x9000, lengthBytes: 1, write: true },
      ]);
    }
    guest.kick(0);
    expect(disk.pending.length).toBe(2);
    for (let i = 0; i < 5; i++) {
      disk.pending[i]?.answer();
      await flushPromises();
    }
    expect(guest.used(0)).toHaveLength(5);
  });
});

test("blk: a reset of the queue drops the answers to what was in flight, and the queue works on", async () => {
  const disk = new SlowDisk();
  const device = new VirtioBlk(disk);
  const guest = new GuestDriver(device, false);
  guest.start(1, 16);
  const read = (): number => {
    guest.view.setUint32(0x8000, 0, true);
    guest.view.setBigUint64(0x8008, 5n, true);
    return guest.offer(0, [
      { at: 0x8000, lengthBytes: 16 },
      { at: 0x8100, lengthBytes: 512, write: true },
      { at: 0x8800, lengthBytes: 1, write: true },
    ]);
  };
  guest.ram.fill(0xcc, 0x8100, 0x8900);
  read();
  guest.kick(0);
  guest.write(0x30, 0);
  guest.write(0xc0, 1); // QueueReset
  guest.placeQueue(0, 16);
  disk.pending[0]?.answer();
  await device.drain();
  expect([guest.used(0), guest.ram[0x8100], guest.ram[0x8800]]).toEqual([[], 0xcc, 0xcc]);
  const head = read();
  guest.kick(0);
  disk.pending[1]?.answer();
  await device.drain();
  expect([guest.used(0), guest.ram[0x8100], guest.ram[0x8800]]).toEqual([[{ head, lengthBytes: 513 }], 5, 0]);
});

test("blk: a request list from a QEMU that stopped on an error is started again", async () => {
  const disk = new SlowDisk();
  const source = new GuestDriver(new VirtioBlk(disk), true);
  source.start(1, 8);
  source.view.setBigUint64(0x8008, 1n, true);
  source.offer(0, [
    { at: 0x8000, lengthBytes: 16 },
    { at: 0x8100, lengthBytes: 512, write: true },
    { at: 0x8800, lengthBytes: 1, write: true },
  ]);
  source.kick(0);
  const section = source.transport.migration[0];
  const body = section?.save() ?? new Uint8Array();
  // The device part is the byte before the first subsection; put one element there, as QEMU's memory has it.
  const at = 20 + 4 + 57 + 4 + 18;
  expect(body[at]).toBe(0);
  const element = new Uint8Array(16 + 1024 * 48);
  const out = new ByteWriter();
  for (const part of [body.subarray(0, at), Uint8Array.of(1), element, body.subarray(at)]) out.bytes(part);
  const target = new GuestDriver(new VirtioBlk(disk), true);
  target.ram.set(source.ram);
  target.transport.migration[0]?.load(out.finish(), 2);
  expect(disk.pending).toHaveLength(1);
  target.transport.machineRuns(true);
  expect(disk.pending).toHaveLength(2);
  disk.pending[1]?.answer();
  await flushPromises();
  expect([target.used(0).length, target.ram[0x8100]]).toEqual([1, 1]);
});

test("a truncated or changed section is refused with an error of ours, and the device still works", () => {
  const guest = new GuestDriver(new VirtioBlk(new SlowDisk()), false);
  guest.start(1, 8);
  const section = guest.transport.migration[0];
  const body = section?.save() ?? new Uint8Array();
  const attempt = (bytes: Uint8Array): string => {
    try {
      section?.load(bytes, 2);
      return "loaded";
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    }
  };
  for (let length = 0; length < body.length; length += length < 300 ? 1 : 997) {
    expect(["truncated", "bad-state", "loaded"]).toContain(attempt(body.slice(0, length)));
  }
  for (let i = 0; i < 300; i++) {
    const changed = body.slice();
    changed[i] = (changed[i] ?? 0) ^ 0xff;
    expect(["truncated", "bad-state", "loaded"]).toContain(attempt(changed));
  }
  expect(attempt(body)).toBe("loaded");
  expect(Buffer.from(section?.save() ?? []).equals(Buffer.from(body))).toBe(true);
});

test("console sections name their ports", () => {
  const make = (numbers: number[]): VirtioConsole =>
    new VirtioConsole({ ports: numbers.map((number) => ({ number, console: true, chardev: new TestChardev() })) });
  const out = new ByteWriter();
  make([0, 3]).saveDevicePart(out);
  expect(() => make([0]).loadDevicePart(new ByteReader(out.finish()))).toThrow(/other ports/);
  make([0, 3]).loadDevicePart(new ByteReader(out.finish()));
});

const flushPromises = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

class TestChardev implements CharBackend {
  readonly name = "test";
  out = "";
  pokes = 0;
  frontend: CharFrontend | undefined;
  attach(frontend: CharFrontend): void {
    this.frontend = frontend;
  }
  write(bytes: Uint8Array): void {
    this.out += Buffer.from(bytes).toString();
  }
  poke(): void {
    this.pokes++;
  }
  close(): void {}
}

/** A disk whose reads are answered by the test: sector n is full of n. */
class SlowDisk implements Disk {
  readonly name = "slow";
  readonly sizeBytes = 64 << 20;
  readonly readOnly = false;
  readonly pending: { answer(): void; fail(): void }[] = [];
  read(offset: number, into: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.pending.push({
        answer: () => resolve(void into.fill(offset / 512)),
        fail: () => reject(new Error("EIO")),
      });
    });
  }
  async write(): Promise<void> {}
  async flush(): Promise<void> {}
  async discard(): Promise<void> {}
  async writeZeroes(): Promise<void> {}
  async close(): Promise<void> {}
}

test("a trace shows the status, what the driver kicks and what the device reports", () => {
  const lines: string[] = [];
  const { trace } = makeLog(
    { items: [], events: ["virtio_set_status", "virtio_queue_notify", "virtio_notify", "virtio_mmio_setting_irq"] },
    { write: (text) => void lines.push(text.trimEnd()), stamp: () => "" },
  );
  const time = new Time();
  const device = new VirtioRng({ random: counting, clock: time.clock, timers: time.timers });
  const guest = new GuestDriver(device, true, undefined, trace);
  guest.start(1);
  lines.splice(
    0,
    lines.findIndex((line) => line.startsWith("virtio_set_status virtio-rng-device status 0x7")),
  );
  guest.offer(0, [{ at: 0x8000, lengthBytes: 16, write: true }]);
  guest.kick(0);
  expect(lines).toEqual([
    "virtio_set_status virtio-rng-device status 0x7",
    "virtio_queue_notify virtio-rng-device queue 0",
    "virtio_notify virtio-rng-device queue 0",
    "virtio_mmio_setting_irq virtio-rng-device level 1",
  ]);
});
