/**
 * Devices while guest memory is still to come: rings and buffers are all missing and come one by one, in any order.
 * A device never touches a page that is missing, and in the end memory, backend and interrupts are as if all had been there.
 */
import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CharBackend, CharFrontend, Disk, Random } from "#core/host.ts";
import { GuestDriver, type GuestBuffer } from "#hw/bus/virtio/guest-driver.ts";
import type { VirtioDevice } from "#hw/bus/virtio/virtio-device.ts";
import { VirtioBalloon } from "#hw/devices/virtio-balloon.ts";
import { VirtioBlk } from "#hw/devices/virtio-blk.ts";
import { VirtioConsole } from "#hw/devices/virtio-console.ts";
import { VirtioRng } from "#hw/devices/virtio-rng.ts";

const RAM_PAGES = 24;
const PAGES = Array.from({ length: RAM_PAGES }, (_, page) => page);
const RUNS = 15;
const time = { clock: { nowNs: () => 0, wallMs: () => 1000 }, timers: { at: () => () => {} } };

/** Everybody who waits for a promise has had a turn. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class MemoryDisk implements Disk {
  readonly name = "memory";
  readonly sizeBytes = 64 * 512;
  readonly readOnly = false;
  readonly bytes = Uint8Array.from({ length: this.sizeBytes }, (_, i) => i >> 9);
  async read(offset: number, into: Uint8Array): Promise<void> {
    into.set(this.bytes.subarray(offset, offset + into.length));
  }
  async write(offset: number, from: Uint8Array): Promise<void> {
    this.bytes.set(from, offset);
  }
  async flush(): Promise<void> {}
  async discard(): Promise<void> {}
  async writeZeroes(): Promise<void> {}
  async close(): Promise<void> {}
}

class Line implements CharBackend {
  readonly name = "line";
  frontend: CharFrontend | undefined;
  out = "";
  input = "";
  attach(frontend: CharFrontend): void {
    this.frontend = frontend;
  }
  write(bytes: Uint8Array): void {
    this.out += Buffer.from(bytes).toString();
  }
  type(text: string): void {
    this.input += text;
    this.poke();
  }
  poke(): void {
    const room = this.input === "" ? 0 : (this.frontend?.canReceive() ?? 0);
    if (room === 0) return;
    const part = this.input.slice(0, 3);
    this.input = this.input.slice(3);
    this.frontend?.receive(Buffer.from(part));
    this.poke();
  }
  close(): void {}
}

/** A device with a guest that has put work into its queues and not yet kicked. */
type Scene = { readonly guest: GuestDriver; go(): void; outside(): unknown };
type MakeScene = (legacy: boolean, offers: boolean) => Scene;

const driver = (device: VirtioDevice, legacy: boolean): GuestDriver => new GuestDriver(device, legacy, RAM_PAGES << 12);

const blkScene: MakeScene = (legacy, offers) => {
  const disk = new MemoryDisk();
  const guest = driver(new VirtioBlk(disk), legacy);
  if (offers) {
    guest.start(1, 16);
    // Headers, data over a page's end, and status bytes in pages of their own.
    const request = (slot: number, type: number, sector: number, data: readonly GuestBuffer[]): void => {
      const header = 0x8000 + 0x20 * slot;
      guest.view.setUint32(header, type, true);
      guest.view.setBigUint64(header + 8, BigInt(sector), true);
      guest.offer(0, [
        { at: header, lengthBytes: 16 },
        ...data,
        { at: 0xa000 + 0x1000 * slot, lengthBytes: 1, write: true },
      ]);
    };
    guest.ram.fill(0x77, 0x1_0e00, 0x1_1200);
    request(0, 1, 3, [{ at: 0x1_0e00, lengthBytes: 1024 }]);
    request(1, 0, 10, [{ at: 0x1_2f00, lengthBytes: 512, write: true }]);
    request(2, 0, 20, [
      { at: 0x1_4000, lengthBytes: 256, write: true },
      { at: 0x1_6000, lengthBytes: 256, write: true },
    ]);
    request(3, 8, 0, [{ at: 0x1_7000, lengthBytes: 20, write: true }]);
  }
  return { guest, go: () => guest.kick(0), outside: () => [...disk.bytes.subarray(3 * 512, 6 * 512)] };
};

const consoleScene: MakeScene = (legacy, offers) => {
  const line = new Line();
  let typed = 0;
  const guest = driver(
    new VirtioConsole({ maxPorts: 1, ports: [{ number: 0, console: true, chardev: line }] }),
    legacy,
  );
  if (offers) {
    guest.start(2, 8);
    for (let i = 0; i < 5; i++) guest.offer(0, [{ at: 0xa000 + 0x1000 * i, lengthBytes: 3, write: true }]);
    for (let i = 0; i < 3; i++) {
      guest.ram.set(Buffer.from(`line ${i}\n`), 0x1_0000 + 0xffd * i);
      guest.offer(1, [{ at: 0x1_0000 + 0xffd * i, lengthBytes: 7 }]);
    }
  }
  return {
    guest,
    go() {
      if (typed++ === 0) line.type("typing");
      guest.kick(1);
      guest.kick(0);
      if (typed === 1) line.type(" more\n");
    },
    outside: () => [line.out, line.input],
  };
};

const counting: Random = { fill: (into) => void into.forEach((_, i) => (into[i] = i + 1)) };
const rngScene: MakeScene = (legacy, offers) => {
  const guest = driver(new VirtioRng({ random: counting, ...time }), legacy);
  if (offers) {
    guest.start(1);
    for (let i = 0; i < 3; i++) guest.offer(0, [{ at: 0x8ff0 + 0x2000 * i, lengthBytes: 64, write: true }]);
  }
  return { guest, go: () => guest.kick(0), outside: () => undefined };
};

const balloonScene: MakeScene = (legacy, offers) => {
  const balloon = new VirtioBalloon(time, { memoryBytes: RAM_PAGES << 12 });
  const guest = driver(balloon, legacy);
  if (offers) {
    guest.start(3);
    guest.offer(0, [{ at: 0xdffe, lengthBytes: 20 }]);
    guest.offer(1, [{ at: 0xf000, lengthBytes: 4 }]);
    guest.view.setUint16(0x1_0ffb, 4, true);
    guest.view.setBigUint64(0x1_0ffd, 777n, true);
    guest.offer(2, [{ at: 0x1_0ffb, lengthBytes: 10 }]);
  }
  const go = (): void => [0, 1, 2].forEach((queue) => guest.kick(queue));
  return { guest, go, outside: () => balloon.guestStats.stats["stat-free-memory"] };
};

const SCENES: readonly (readonly [string, MakeScene])[] = [
  ["blk", blkScene],
  ["console", consoleScene],
  ["rng", rngScene],
  ["balloon", balloonScene],
];

async function bringAll(guest: GuestDriver, order: readonly number[]): Promise<void> {
  for (const page of order) {
    guest.bring(page);
    await settle();
    expect(guest.isUntouched).toBe(true);
  }
  guest.runLater();
  await settle();
}

/** All that can be seen in the end; chains that were under way together may end in any order. */
function result({ guest, outside }: Scene, legacy: boolean): unknown {
  const ram = guest.ram.slice();
  const view = new DataView(ram.buffer);
  const used: unknown[] = [];
  for (let area = 0; area < 0xc000; area += 0x4000) {
    const ring = area + (legacy ? 0x1000 : 0x2000);
    const count = view.getUint16(ring + 2, true);
    const entries = Array.from({ length: Math.min(count, 16) }, (_, i) => view.getBigUint64(ring + 4 + 8 * i, true));
    used.push(entries.map(String).sort());
    ram.fill(0, ring + 4, ring + 4 + 8 * 16);
  }
  const digest = createHash("sha256").update(ram).digest("hex");
  return { ram: digest, used, irq: guest.irq, errors: guest.errors, outside: outside() };
}

describe.each(SCENES)("%s", (_name, makeScene) => {
  test.each([true, false])("work that meets missing pages ends as with all there (legacy: %s)", async (legacy) => {
    const whole = makeScene(legacy, true);
    whole.go();
    await bringAll(whole.guest, []);
    const wanted = result(whole, legacy);
    const order = fc.shuffledSubarray(PAGES, { minLength: RAM_PAGES });
    await fc.assert(
      fc.asyncProperty(order, fc.integer({ min: 0, max: RAM_PAGES }), async (pages, goAt) => {
        const scene = makeScene(legacy, true);
        scene.guest.hide(PAGES);
        await bringAll(scene.guest, pages.slice(0, goAt));
        scene.go();
        scene.go();
        expect(scene.guest.isUntouched).toBe(true);
        await bringAll(scene.guest, pages.slice(goAt));
        expect(result(scene, legacy)).toEqual(wanted);
      }),
      { numRuns: RUNS },
    );
  });

  test.each([true, false])(
    "a device that was loaded takes up the work when its pages come (legacy: %s)",
    async (legacy) => {
      const source = makeScene(legacy, true);
      const section = source.guest.transport.migration[0];
      const body = section?.save() ?? new Uint8Array();
      const whole = makeScene(legacy, false);
      whole.guest.ram.set(source.guest.ram);
      whole.guest.transport.migration[0]?.load(body, section?.version ?? 0);
      whole.go();
      await bringAll(whole.guest, []);
      const wanted = result(whole, legacy);
      await fc.assert(
        fc.asyncProperty(fc.shuffledSubarray(PAGES, { minLength: RAM_PAGES }), async (pages) => {
          const scene = makeScene(legacy, false);
          scene.guest.ram.set(source.guest.ram);
          scene.guest.hide(PAGES);
          scene.guest.transport.migration[0]?.load(body, section?.version ?? 0);
          scene.go();
          expect(scene.guest.isUntouched).toBe(true);
          await bringAll(scene.guest, pages);
          expect(result(scene, legacy)).toEqual(wanted);
        }),
        { numRuns: RUNS },
      );
    },
  );

  test("a reset forgets what waits", async () => {
    const scene = makeScene(false, true);
    scene.guest.hide(PAGES);
    scene.go();
    scene.guest.write(0x70, 0);
    const before = scene.guest.irqLevels.length;
    await bringAll(scene.guest, PAGES);
    expect(scene.guest.used(0)).toEqual([]);
    expect(scene.guest.irqLevels.slice(before).includes(true)).toBe(false);
  });
});

test("rings that a load brought are checked when they come: a wrong index breaks the device, and nothing else", async () => {
  const source = blkScene(false, true);
  const section = source.guest.transport.migration[0];
  const body = section?.save() ?? new Uint8Array();
  const target = blkScene(false, false);
  target.guest.ram.set(source.guest.ram);
  target.guest.view.setUint16(source.guest.parts(0).available + 2, 500, true);
  target.guest.hide(PAGES);
  target.guest.transport.migration[0]?.load(body, section?.version ?? 0);
  expect(target.guest.status & 64).toBe(0);
  target.go();
  await bringAll(target.guest, PAGES);
  expect(target.guest.status & 64).toBe(64);
  expect(target.guest.errors.join()).toMatch(/available index is 500 entries ahead/);
});

test("a driver that moves its rings while a request is in flight breaks its device, and nothing else", async () => {
  const scene = blkScene(false, true);
  scene.go();
  // The used ring is somewhere else now, and that page has not come.
  scene.guest.hide([23]);
  scene.guest.write(0xa0, 0x8000_0000 + (23 << 12));
  scene.guest.write(0x44, 1);
  await settle();
  expect(scene.guest.status & 64).toBe(64);
  expect(scene.guest.isUntouched).toBe(true);
});

type Step = {
  readonly kind: "kick" | "bring" | "later" | "register" | "byte" | "go";
  readonly a: number;
  readonly b: number;
};
const REGISTERS = [0x30, 0x38, 0x40, 0x44, 0x50, 0x70, 0x80, 0x90, 0xa0, 0xc0];
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("kick", "kick", "bring", "bring", "later", "register", "byte", "go"),
  a: fc.nat(0xffff),
  b: fc.nat(0xffff),
});

test.each(SCENES)(
  "%s: whatever the rings hold and wherever they are, a missing page is never touched and nothing escapes",
  async (_name, makeScene) => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(step, { minLength: 10, maxLength: 60 }), async (legacy, steps) => {
        const scene = makeScene(legacy, true);
        const { guest } = scene;
        guest.hide(PAGES);
        const here = new Set<number>();
        for (const { kind, a, b } of steps) {
          const page = a % RAM_PAGES;
          if (kind === "kick") guest.kick(a % 4);
          if (kind === "go") scene.go();
          if (kind === "later") guest.runLater(1);
          if (kind === "bring") {
            guest.bring(page);
            here.add(page);
          }
          // A register of the queues; addresses are those of pages.
          const register = REGISTERS[a % REGISTERS.length] as number;
          const isAddress = register >= 0x80 && register < 0xc0;
          const pfn = 0x8_0000 + (b % RAM_PAGES);
          if (kind === "register") guest.write(register, isAddress ? pfn * 4096 : register === 0x40 ? pfn : b % 18);
          // The guest writes into what is there.
          if (kind === "byte" && here.has(page)) guest.ram[page * 4096 + (b % 64)] = b >> 8;
          await Promise.resolve();
          expect(guest.isUntouched).toBe(true);
        }
        await bringAll(guest, PAGES);
      }),
      { numRuns: 60 },
    );
  },
);
