/** Hostile rings: whatever a guest writes, the device neither throws nor hangs nor touches anything outside RAM. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Chain } from "#hw/bus/virtio/virtqueue.ts";
import type { Virtqueue } from "#hw/bus/virtio/virtqueue.ts";
import type { VirtioDevice, VirtioHost } from "#hw/bus/virtio/virtio-device.ts";
import { UNCONNECTED } from "#hw/bus/virtio/virtio-device.ts";
import { GuestDriver, TEST_RAM_START } from "#hw/bus/virtio/guest-driver.ts";

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
const NEEDS_RESET = 64;

/** Answers every chain at once with its writable bytes set to 0x5a. */
class Echo implements VirtioDevice {
  readonly typeName = "echo";
  readonly sectionName = "echo";
  readonly sectionVersion = 1;
  readonly deviceId = 42;
  readonly queueSizes = [16];
  readonly configBytes = 4;
  readonly chains: Chain[] = [];
  host: VirtioHost = UNCONNECTED;
  /** Keep the chains instead. */
  hold = false;
  offeredFeatures = (common: bigint): bigint => common;
  connect(host: VirtioHost): void {
    this.host = host;
  }
  readConfig(): void {}
  writeConfig(): void {}
  statusChanged(): void {}
  handleQueue(): void {
    const queue = this.host.queues[0] as Virtqueue;
    for (let taken = 0; taken < queue.size; taken++) {
      const chain = queue.pop();
      if (!chain) return;
      this.chains.push(chain);
      if (!this.hold) this.finish(chain);
    }
    this.host.handleLater(0);
  }
  finish(chain: Chain): void {
    for (const buffer of chain.writable) buffer.fill(0x5a);
    this.host.queues[0]?.push(chain, chain.writableBytes);
    this.host.queues[0]?.notify();
  }
  reset(): void {}
  saveDevicePart(): void {}
  loadDevicePart(): void {}
}

/** Makes chain 0 of buffers with these flags, in the queue's own table or in an indirect one. */
function spoilWith(guest: GuestDriver, flags: readonly number[], indirect = false): void {
  const table = 0x2_0000;
  flags.forEach((flag, i) => {
    const at = TEST_RAM_START + ((flag & INDIRECT) === 0 ? 0x8000 : table);
    if (!indirect) return guest.descriptor(0, i, at, 32, flag, i + 1);
    guest.view.setBigUint64(table + 16 * i, BigInt(at), true);
    guest.view.setUint32(table + 16 * i + 8, 32, true);
    guest.view.setUint16(table + 16 * i + 12, flag, true);
    guest.view.setUint16(table + 16 * i + 14, i + 1, true);
  });
  if (indirect) guest.descriptor(0, 0, TEST_RAM_START + table, 16 * flags.length, INDIRECT, 0);
}

function setUp(legacy: boolean, features = 0xffff_ffff_ffff_ffffn) {
  const device = new Echo();
  const guest = new GuestDriver(device, legacy);
  guest.start(1, 8, features);
  return { device, guest };
}

describe.each([true, false])("legacy: %s", (legacy) => {
  test("chains go round, more than a whole turn of the ring", () => {
    const { guest, device } = setUp(legacy);
    for (let i = 0; i < 20; i++) {
      guest.ram.fill(i, 0x8000, 0x8010);
      const head = guest.offer(0, [
        { at: 0x8000, lengthBytes: 16 },
        { at: 0x9000, lengthBytes: 10, write: true },
        { at: 0xa000, lengthBytes: 6, write: true },
      ]);
      guest.kick(0);
      expect(guest.used(0)).toHaveLength(i + 1);
      expect(guest.used(0)[i]).toEqual({ head, lengthBytes: 16 });
      expect(device.chains[i]?.readable[0]?.[0]).toBe(i);
      expect(guest.ram[0xa005]).toBe(0x5a);
      expect(guest.ram[0xa006]).toBe(0);
    }
    expect(guest.status & NEEDS_RESET).toBe(0);
  });

  test("an indirect table, also at the end of a chain, is followed", () => {
    const { guest, device } = setUp(legacy);
    const put = (at: number, address: number, lengthBytes: number, flags: number, next: number): void => {
      guest.view.setBigUint64(at, BigInt(TEST_RAM_START + address), true);
      guest.view.setUint32(at + 8, lengthBytes, true);
      guest.view.setUint16(at + 12, flags, true);
      guest.view.setUint16(at + 14, next, true);
    };
    put(0x8000, 0x9000, 8, NEXT, 20);
    put(0x8000 + 16 * 20, 0x9100, 8, WRITE, 0);
    guest.descriptor(0, 0, TEST_RAM_START + 0xa000, 4, NEXT, 3);
    guest.descriptor(0, 3, TEST_RAM_START + 0x8000, 16 * 21, INDIRECT, 0);
    guest.makeAvailable(0, 0);
    guest.kick(0);
    expect(guest.used(0)).toEqual([{ head: 0, lengthBytes: 8 }]);
    expect([device.chains[0]?.readableBytes, device.chains[0]?.writableBytes]).toEqual([12, 8]);
  });

  test("written pages are marked again when the chain is given back", () => {
    const { guest, device } = setUp(legacy);
    device.hold = true;
    guest.offer(0, [{ at: 0x9000, lengthBytes: 100, write: true }]);
    guest.kick(0);
    guest.marked.length = 0;
    device.finish(device.chains[0] as Chain);
    expect(guest.marked).toContainEqual([0x9000, 100]);
  });

  test("interrupts: on used buffers, acknowledged, suppressed by the driver's flag", () => {
    const { guest } = setUp(legacy, ~(1n << 29n)); // without EVENT_IDX
    guest.offer(0, [{ at: 0x8000, lengthBytes: 1 }]);
    guest.kick(0);
    expect([guest.irq, guest.read(0x60)]).toEqual([true, 1]);
    guest.write(0x64, 1);
    expect([guest.irq, guest.read(0x60)]).toEqual([false, 0]);
    guest.view.setUint16(guest.parts(0).available, 1, true);
    guest.offer(0, [{ at: 0x8000, lengthBytes: 1 }]);
    guest.kick(0);
    expect(guest.used(0)).toHaveLength(2);
    // A legacy driver that took NOTIFY_ON_EMPTY gets one all the same.
    expect(guest.irq).toBe(legacy);
  });

  test("EVENT_IDX: an interrupt only when the driver's event is passed, and our event follows", () => {
    const { guest } = setUp(legacy, ~(1n << 24n)); // without NOTIFY_ON_EMPTY
    const { available, used } = guest.parts(0);
    const interrupts: number[] = [];
    guest.view.setUint16(available + 4 + 2 * 8, 3, true); // used_event: entry 3
    for (let i = 0; i < 6; i++) {
      guest.offer(0, [{ at: 0x8000, lengthBytes: 1 }]);
      guest.kick(0);
      if (guest.irq) interrupts.push(i);
      guest.write(0x64, 1);
      expect(guest.view.getUint16(used + 4 + 8 * 8, true)).toBe(i + 1); // avail_event
    }
    expect(interrupts).toEqual([0, 3]); // the first is always sent
  });

  const broken: [string, (guest: GuestDriver) => void][] = [
    ["a loop", (g) => [0, 1, 2].forEach((i) => g.descriptor(0, i, TEST_RAM_START + 0x8000, 4, NEXT, (i + 1) % 3))],
    ["a descriptor that points to itself", (g) => g.descriptor(0, 0, TEST_RAM_START, 4, NEXT, 0)],
    ["a next outside the table", (g) => g.descriptor(0, 0, TEST_RAM_START, 4, NEXT, 8)],
    ["a buffer below RAM", (g) => g.descriptor(0, 0, 0x1000, 4, WRITE, 0)],
    ["a buffer across the end of RAM", (g) => g.descriptor(0, 0, TEST_RAM_START + (1 << 20) - 2, 4, WRITE, 0)],
    ["a length that overflows", (g) => g.descriptor(0, 0, TEST_RAM_START, 0xffff_ffff, WRITE, 0)],
    ["an address that overflows", (g) => g.descriptor(0, 0, 2 ** 64 - 4096, 8192, WRITE, 0)],
    ["an empty buffer", (g) => g.descriptor(0, 0, TEST_RAM_START, 0, 0, 0)],
    ["an indirect table with a next", (g) => g.descriptor(0, 0, TEST_RAM_START, 32, INDIRECT | NEXT, 1)],
    ["an indirect table of a descriptor and a half", (g) => g.descriptor(0, 0, TEST_RAM_START, 24, INDIRECT, 1)],
    ["an indirect table outside RAM", (g) => g.descriptor(0, 0, 0x1000, 32, INDIRECT, 1)],
    ["a readable buffer behind a writable one", (g) => spoilWith(g, [WRITE | NEXT, 0])],
    ["an indirect table in an indirect table", (g) => spoilWith(g, [NEXT, INDIRECT], true)],
    ["a readable buffer behind a writable one, in a table", (g) => spoilWith(g, [NEXT, WRITE | NEXT, 0], true)],
    ["more buffers than a chain may have", (g) => spoilWith(g, [...Array.from({ length: 1024 }, () => NEXT), 0], true)],
    ["a table that is its own indirect table", (g) => g.descriptor(0, 0, TEST_RAM_START, 128, INDIRECT, 0)],
  ];
  test.each(broken)("%s: needs reset, and works again after one", (_, spoil) => {
    const { guest } = setUp(legacy);
    spoil(guest);
    guest.makeAvailable(0, 0);
    guest.kick(0);
    expect(guest.status & NEEDS_RESET).toBe(NEEDS_RESET);
    expect([guest.irq, guest.read(0x60) & 2]).toEqual([true, 2]);
    expect(guest.used(0)).toEqual([]);
    expect(guest.errors).toHaveLength(1);
    guest.kick(0);
    expect(guest.used(0)).toEqual([]);
    guest.start(1);
    guest.offer(0, [{ at: 0x8000, lengthBytes: 4 }]);
    guest.kick(0);
    expect(guest.used(0)).toHaveLength(1);
  });

  test("a chain of as many buffers as one may have, longer than the queue, is taken", () => {
    const { guest, device } = setUp(legacy);
    spoilWith(guest, [...Array.from({ length: 1023 }, () => NEXT), WRITE], true);
    guest.makeAvailable(0, 0);
    guest.kick(0);
    expect(guest.used(0)).toEqual([{ head: 0, lengthBytes: 32 }]);
    expect(device.chains[0]?.readableBytes).toBe(1023 * 32);
  });

  test("rings outside RAM and a leaping index break the queue", () => {
    const { guest } = setUp(legacy);
    guest.view.setUint16(guest.parts(0).available + 2, 9, true);
    guest.kick(0);
    expect(guest.status & NEEDS_RESET).toBe(NEEDS_RESET);
    guest.start(1);
    guest.write(0x30, 0);
    if (legacy) {
      guest.write(0x40, 0x10);
    } else {
      guest.write(0x90, 0x1000);
      guest.write(0x44, 1);
    }
    guest.kick(0);
    expect(guest.status & NEEDS_RESET).toBe(NEEDS_RESET);
  });

  test("any bytes in the rings and any kicks: no exception, no endless loop, RAM elsewhere untouched", () => {
    const writes = fc.array(fc.tuple(fc.nat(0x3fff), fc.uint8Array({ minLength: 1, maxLength: 24 })), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(
        writes,
        fc.array(fc.nat(3), { maxLength: 4 }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        (all, kicks, features) => {
          const { guest } = setUp(legacy, features | (1n << 32n));
          const buffer = guest.ram.buffer;
          for (const [at, bytes] of all) {
            guest.ram.set(bytes.subarray(0, 0x4000 - at), at);
            for (const queue of kicks) guest.kick(queue);
          }
          guest.runLater();
          expect(guest.ram.buffer).toBe(buffer);
          expect(guest.read(0)).toBe(0x74726976);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("plausible rings with random links: every chain is whole or the device stops", () => {
    const flags = fc.constantFrom(0, NEXT, WRITE, NEXT | WRITE, INDIRECT, 7);
    const descriptor = fc.tuple(
      fc.constantFrom(0x8000, 0x8100, 0xff000, 0xfffff, 1 << 30),
      fc.constantFrom(1, 16, 32, 4096, 0),
      flags,
      fc.nat(9),
    );
    fc.assert(
      fc.property(
        fc.array(descriptor, { minLength: 8, maxLength: 8 }),
        fc.array(fc.nat(9), { maxLength: 12 }),
        (table, heads) => {
          const { guest, device } = setUp(legacy);
          for (const [i, [at, lengthBytes, flag, next]] of table.entries()) {
            guest.descriptor(0, i, TEST_RAM_START + at, lengthBytes, flag, next);
          }
          for (const head of heads) {
            guest.makeAvailable(0, head);
            guest.kick(0);
          }
          const stopped = (guest.status & NEEDS_RESET) !== 0;
          for (const chain of device.chains) {
            const segments = [...chain.readable, ...chain.writable];
            expect(segments.length).toBeGreaterThan(0);
            expect(segments.every((segment) => segment.buffer === guest.ram.buffer)).toBe(true);
          }
          expect(stopped || guest.used(0).length === heads.length).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });
});
