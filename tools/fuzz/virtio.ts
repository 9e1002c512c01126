/**
 * virtio devices under a driver that means harm: descriptor tables, rings and notifications of all kinds.
 *
 * RAM: the queues | buffers that the device may write | buffers that it may only read | indirect tables | no business
 *
 * Whatever comes: no exception, nothing written that no writable descriptor names, the disk used within its bounds,
 * an end in time; and after a reset the device does its work.
 */
import * as fc from "fast-check";
import type { CharBackend, CharFrontend, Disk } from "#core/host.ts";
import { GuestDriver, TEST_RAM_START } from "#hw/bus/virtio/guest-driver.ts";
import type { VirtioDevice } from "#hw/bus/virtio/virtio-device.ts";
import { VirtioBalloon } from "#hw/devices/virtio-balloon.ts";
import { VirtioBlk } from "#hw/devices/virtio-blk.ts";
import { VirtioConsole } from "#hw/devices/virtio-console.ts";
import { VirtioRng } from "#hw/devices/virtio-rng.ts";
import { type AnyTarget, must, target } from "./target.ts";

const RAM_BYTES = 0x2_0000;
const AREA_BYTES = 0x2000;
/** Behind four queues; each area twice as long as the places in it where buffers begin. */
const WRITABLE = 0x1_0000;
const READABLE = 0x1_4000;
const TABLES = 0x1_8000;
const QUEUE_SIZE = 8;
const TABLE_ENTRIES = 16;
const TABLE_BYTES = 16 * TABLE_ENTRIES;

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
const DRIVER_OK = 4;
/** Registers that say where the queues are: the harm that they do is another target's, "mmio". */
const PLACES = [0x28, 0x38, 0x3c, 0x40, 0x44, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0xc0];

const SECTORS = 64;

type Rig = {
  readonly device: VirtioDevice;
  readonly faults: readonly string[];
  readonly input: (bytes: Uint8Array) => void;
};
type Kind = {
  readonly name: string;
  readonly queues: number;
  readonly make: (timers: Timers) => Rig;
  /** A request that every device of this kind answers, made after a reset; true when it was answered well. */
  readonly probe: (guest: GuestDriver) => boolean;
};
type Timers = ConstructorParameters<typeof VirtioRng>[0]["timers"];

const clock = { nowNs: () => 0, wallMs: () => 0 };

/** Notes every access that is not within its bounds: a device may turn what it throws into a failed request. */
function checkedDisk(readOnly: boolean, faults: string[]): Disk {
  const sizeBytes = SECTORS * 512;
  const check = async (what: string, offset: number, lengthBytes: number): Promise<void> => {
    await Promise.resolve();
    if (offset < 0 || offset + lengthBytes > sizeBytes) faults.push(`${what} of ${lengthBytes} bytes at ${offset}`);
    if (readOnly && what !== "read") faults.push(`${what} on a read-only disk`);
  };
  return {
    name: "disk",
    sizeBytes,
    readOnly,
    read: (offset, into) => check("read", offset, into.length),
    write: (offset, from) => check("write", offset, from.length),
    flush: async () => {},
    discard: (offset, lengthBytes) => check("discard", offset, lengthBytes),
    writeZeroes: (offset, lengthBytes) => check("writeZeroes", offset, lengthBytes),
    close: async () => {},
  };
}

class Chardev implements CharBackend {
  readonly name = "c";
  frontend: CharFrontend | undefined;
  attach(frontend: CharFrontend): void {
    this.frontend = frontend;
  }
  write(): void {}
  poke(): void {}
  close(): void {}
}

const blk = (readOnly: boolean): Kind => ({
  name: readOnly ? "virtio-blk-ro" : "virtio-blk",
  queues: 1,
  make: () => {
    const faults: string[] = [];
    return { device: new VirtioBlk(checkedDisk(readOnly, faults)), faults, input: () => {} };
  },
  probe(guest) {
    // A read of sector 0.
    guest.ram.fill(0, READABLE, READABLE + 16);
    guest.ram.fill(0xff, WRITABLE, WRITABLE + 513);
    guest.offer(0, [
      { at: READABLE, lengthBytes: 16 },
      { at: WRITABLE, lengthBytes: 512, write: true },
      { at: WRITABLE + 512, lengthBytes: 1, write: true },
    ]);
    guest.kick(0);
    return true;
  },
});

const KINDS: readonly Kind[] = [
  blk(false),
  blk(true),
  {
    name: "virtio-rng",
    queues: 1,
    make: (timers) => ({
      device: new VirtioRng({ random: { fill: (into) => void into.fill(0x5a) }, clock, timers }),
      faults: [],
      input: () => {},
    }),
    probe(guest) {
      guest.offer(0, [{ at: WRITABLE, lengthBytes: 16, write: true }]);
      guest.kick(0);
      return true;
    },
  },
  {
    name: "virtio-console",
    queues: 4,
    make: () => {
      const [console, port] = [new Chardev(), new Chardev()];
      const device = new VirtioConsole({
        maxPorts: 2,
        ports: [
          { number: 0, console: true, chardev: console },
          { number: 1, console: false, name: "p", chardev: port },
        ],
      });
      const input = (bytes: Uint8Array): void => {
        for (const { frontend } of [console, port]) {
          frontend?.event("opened");
          const room = frontend?.canReceive() ?? 0;
          if (room > 0) frontend?.receive(bytes.subarray(0, room));
        }
      };
      return { device, faults: [], input };
    },
    probe(guest) {
      guest.offer(1, [{ at: READABLE, lengthBytes: 4 }]);
      guest.kick(1);
      return guest.used(1).length === 1;
    },
  },
  {
    name: "virtio-balloon",
    queues: 3,
    make: (timers) => {
      const device = new VirtioBalloon({ clock, timers }, { memoryBytes: RAM_BYTES });
      device.setPollingSeconds(1);
      return { device, faults: [], input: (bytes) => device.setTargetBytes(4096 * bytes.length) };
    },
    probe(guest) {
      guest.offer(0, [{ at: READABLE, lengthBytes: 4 }]);
      guest.kick(0);
      return guest.used(0).length === 1;
    },
  },
];

type Step =
  | {
      readonly kind: "register";
      readonly offset: number;
      readonly size: 1 | 2 | 4;
      readonly value: number;
      readonly write: boolean;
    }
  | { readonly kind: "descriptor"; readonly table: number; readonly index: number; readonly to: Descriptor }
  | { readonly kind: "available"; readonly queue: number; readonly head: number }
  | { readonly kind: "ring"; readonly queue: number; readonly offset: number; readonly value: number }
  | {
      readonly kind: "header";
      readonly at: number;
      readonly type: number;
      readonly sector: bigint;
      readonly sectors: number;
    }
  | {
      readonly kind: "control";
      readonly at: number;
      readonly id: number;
      readonly event: number;
      readonly value: number;
    }
  | {
      readonly kind: "chain";
      readonly queue: number;
      readonly readable: Buffers;
      readonly writable: Buffers;
      readonly kick: boolean;
    }
  | {
      readonly kind: "disk";
      readonly type: number;
      readonly sector: bigint;
      readonly sectors: number;
      readonly at: number;
    }
  | { readonly kind: "kick"; readonly queue: number }
  | { readonly kind: "input"; readonly bytes: Uint8Array }
  | { readonly kind: "start" | "later" | "settle" };
type Buffers = readonly { readonly offset: number; readonly lengthBytes: number }[];
type Descriptor = {
  readonly at: "buffer" | "table" | "end" | "below" | "beyond";
  readonly offset: number;
  readonly lengthBytes: number;
  readonly flags: number;
  readonly next: number;
};

const HEADER_PLACES = [0, 32, 0x100, 0x1000] as const;
const MAX_QUEUES = 4;
const queue = fc.nat(MAX_QUEUES - 1);
const descriptor: fc.Arbitrary<Descriptor> = fc.record({
  at: fc.oneof(
    { weight: 12, arbitrary: fc.constant("buffer" as const) },
    { weight: 4, arbitrary: fc.constant("table" as const) },
    fc.constantFrom("end" as const, "below" as const, "beyond" as const),
  ),
  offset: fc.oneof(fc.constantFrom(0, 16, 0x100, 0x1000), fc.nat(AREA_BYTES - 1)),
  lengthBytes: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(1, 8, 10, 16, 17, 32, 512, 513, 4096, TABLE_BYTES) },
    fc.constantFrom(0, 15, AREA_BYTES, 0x7fff_ffff, 0xffff_ffff),
  ),
  flags: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(0, NEXT, NEXT, WRITE, WRITE | NEXT, INDIRECT) },
    fc.nat(7),
    fc.nat(0xffff),
  ),
  next: fc.oneof({ weight: 4, arbitrary: fc.nat(QUEUE_SIZE - 1) }, fc.constantFrom(8, 15, 16, 0xffff)),
});
const buffers = fc.array(
  fc.record({
    offset: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...HEADER_PLACES) }, fc.nat(AREA_BYTES - 1)),
    lengthBytes: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(1, 16, 32, 512, 513) },
      fc.integer({ min: 1, max: 4096 }),
    ),
  }),
  { maxLength: 3 },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    // Tables 0 to 3 are the queues' own, then indirect ones.
    arbitrary: fc.record({
      kind: fc.constant("descriptor"),
      table: fc.nat(MAX_QUEUES + 3),
      index: fc.nat(TABLE_ENTRIES - 1),
      to: descriptor,
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("available"),
      queue,
      head: fc.oneof(fc.nat(7), fc.nat(20), fc.nat(0xffff)),
    }),
  },
  {
    weight: 14,
    arbitrary: fc.record({
      kind: fc.constant("chain"),
      queue,
      readable: buffers,
      writable: buffers,
      kick: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("disk"),
      type: fc.constantFrom(0, 1, 4, 8, 11, 13),
      sector: fc.oneof(fc.bigInt(0n, BigInt(SECTORS + 1)), fc.bigInt(0n, (1n << 64n) - 1n)),
      sectors: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.nat(0xffff_ffff)),
      at: fc.constantFrom(0, 0x400, 0x800),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("kick"),
      queue: fc.oneof(queue, fc.nat(8), fc.constantFrom(-1, 2 ** 32)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("ring"), queue, offset: fc.nat(0x100), value: fc.nat(0xffff) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("header"),
      at: fc.constantFrom(...HEADER_PLACES),
      type: fc.oneof(fc.nat(14), fc.nat(0xffff_ffff)),
      sector: fc.oneof(fc.bigInt(0n, BigInt(SECTORS + 1)), fc.bigInt(0n, (1n << 64n) - 1n)),
      sectors: fc.oneof(fc.nat(SECTORS + 1), fc.nat(0xffff_ffff)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("control"),
      at: fc.constantFrom(...HEADER_PLACES),
      id: fc.oneof(fc.nat(2), fc.nat(0xffff_ffff)),
      event: fc.nat(9),
      value: fc.nat(2),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("input"), bytes: fc.uint8Array({ maxLength: 64 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("register"),
      offset: fc.oneof(
        fc.nat(0x1ff),
        fc.nat(0x3f).map((word) => 4 * word),
      ),
      size: fc.constantFrom(1, 2, 4),
      value: fc.oneof(fc.nat(255), fc.nat(0xffff_ffff)),
      write: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("start", "later", "settle") }) },
);

class Attack {
  readonly guest: GuestDriver;
  readonly rig: Rig;
  readonly #kind: Kind;
  readonly #due: (() => void)[] = [];
  /** What lies where the device may not write, as the driver left it. */
  #guarded: Uint8Array = new Uint8Array(0);

  constructor(kind: Kind, legacy: boolean) {
    this.#kind = kind;
    const timers: Timers = {
      at: (_, callback) => {
        this.#due.push(callback);
        return () => void this.#due.splice(this.#due.indexOf(callback), 1);
      },
    };
    this.rig = kind.make(timers);
    this.guest = new GuestDriver(this.rig.device, legacy, RAM_BYTES);
    for (let at = READABLE; at < RAM_BYTES; at += 4) this.guest.view.setUint32(at, at * 0x9e37, true);
    this.#remember();
    this.start();
  }

  guardedIsSame(): boolean {
    return Buffer.compare(this.#guarded, this.guest.ram.subarray(READABLE)) === 0;
  }
  #remember(): void {
    this.#guarded = this.guest.ram.slice(READABLE);
  }

  start(): void {
    this.guest.start(this.#kind.queues, QUEUE_SIZE);
  }

  later(): void {
    this.guest.runLater();
    for (const callback of this.#due.splice(0)) callback();
  }

  async settle(): Promise<void> {
    await this.rig.device.drain?.();
  }

  async perform(one: Step): Promise<void> {
    const { guest } = this;
    switch (one.kind) {
      case "register":
        if (!one.write) guest.read(one.offset & ~(one.size - 1), one.size);
        else if (!PLACES.includes(one.offset & ~3)) guest.write(one.offset & ~(one.size - 1), one.value, one.size);
        return;
      case "descriptor":
        return this.#describe(one.table, one.index, one.to);
      case "available":
        return guest.makeAvailable(one.queue % this.#kind.queues, one.head);
      case "ring": {
        const { available } = guest.parts(one.queue % this.#kind.queues);
        return guest.view.setUint16(available + 2 * (one.offset % (QUEUE_SIZE + 3)), one.value, true);
      }
      case "header":
        guest.view.setUint32(READABLE + one.at, one.type, true);
        guest.view.setBigUint64(READABLE + one.at + 8, one.sector, true);
        guest.view.setUint32(READABLE + one.at + 24, one.sectors, true);
        return this.#remember();
      case "control":
        guest.view.setUint32(READABLE + one.at, one.id, true);
        guest.view.setUint16(READABLE + one.at + 4, one.event, true);
        guest.view.setUint16(READABLE + one.at + 6, one.value, true);
        return this.#remember();
      case "chain":
        return this.#offer(one);
      case "disk":
        return this.#request(one);
      case "kick":
        return guest.kick(one.queue);
      case "input":
        return this.rig.input(one.bytes);
      case "start":
        return this.start();
      case "later":
        return this.later();
      case "settle":
        return this.settle();
    }
  }

  /** A request as a driver of disks makes them: header, data or a range to clear, status. */
  #request({ type, sector, sectors, at }: Step & { readonly kind: "disk" }): void {
    const { guest } = this;
    const header = READABLE + at;
    guest.view.setUint32(header, type, true);
    guest.view.setBigUint64(header + 8, sector, true);
    guest.view.setBigUint64(header + 16, sector, true);
    guest.view.setUint32(header + 24, sectors, true);
    guest.view.setUint32(header + 28, 0, true);
    this.#remember();
    const toDisk = type !== 0 && type !== 8;
    const lengthBytes = type >= 11 ? 16 : Math.min(sectors, 8) * 512;
    guest.offer(0, [
      { at: header, lengthBytes: toDisk ? 16 + lengthBytes : 16 },
      ...(toDisk ? [] : [{ at: WRITABLE + at, lengthBytes, write: true }]),
      { at: WRITABLE + AREA_BYTES + at, lengthBytes: 1, write: true },
    ]);
    guest.kick(0);
  }

  /** A request as drivers make them. */
  #offer({ queue, readable, writable, kick }: Step & { readonly kind: "chain" }): void {
    const own = queue % this.#kind.queues;
    const all = [
      ...readable.map(({ offset, lengthBytes }) => ({ at: READABLE + offset, lengthBytes })),
      ...writable.map(({ offset, lengthBytes }) => ({ at: WRITABLE + offset, lengthBytes, write: true })),
    ];
    if (all.length > 0) this.guest.offer(own, all);
    if (kick) this.guest.kick(own);
  }

  /** A buffer that the device may write lies where it may. */
  #describe(table: number, index: number, to: Descriptor): void {
    const { guest } = this;
    const base = (to.flags & WRITE) !== 0 ? WRITABLE : READABLE;
    const lengthBytes =
      base === WRITABLE && to.lengthBytes < 2 ** 31 ? Math.min(to.lengthBytes, AREA_BYTES) : to.lengthBytes;
    const address = {
      buffer: TEST_RAM_START + base + to.offset,
      // Never one that may be written, whatever its flags say.
      table:
        (to.flags & INDIRECT) !== 0 ? TEST_RAM_START + TABLES + TABLE_BYTES * (to.offset % 4) : TEST_RAM_START + base,
      end: TEST_RAM_START + RAM_BYTES - Math.min(to.offset, Math.max(0, lengthBytes - 1)),
      below: to.offset,
      beyond: 2 ** 64 - 4096 * (1 + to.offset),
    }[to.at];
    const place =
      table < this.#kind.queues
        ? guest.parts(table).descriptors + 16 * (index % QUEUE_SIZE)
        : TABLES + TABLE_BYTES * (table % 4) + 16 * index;
    guest.view.setBigUint64(place, BigInt.asUintN(64, BigInt(address)), true);
    guest.view.setUint32(place + 8, lengthBytes, true);
    guest.view.setUint16(place + 12, to.flags, true);
    guest.view.setUint16(place + 14, to.next, true);
    this.#remember();
  }
}

const attackOn = (kind: Kind): AnyTarget =>
  target({
    name: kind.name,
    input: fc.record({ legacy: fc.boolean(), steps: fc.array(step, { maxLength: 60, size: "max" }) }),
    errors: [],
    shortRuns: 150,
    async run({ legacy, steps }) {
      const attack = new Attack(kind, legacy);
      const { guest, rig } = attack;
      for (const one of steps) {
        await attack.perform(one);
        must(attack.guardedIsSame(), `${one.kind} writes nothing else`);
      }
      attack.later();
      await attack.settle();
      must(rig.faults.length === 0, `the disk is used within its bounds: ${rig.faults.join(", ")}`);
      attack.start();
      must((guest.status & DRIVER_OK) !== 0 && (guest.status & 64) === 0, "a reset device works");
      must(kind.probe(guest), "the request after a reset is answered");
      await attack.settle();
      await new Promise(setImmediate);
      if (kind.name.startsWith("virtio-blk"))
        must(guest.ram[WRITABLE + 512] === 0, "the read after a reset is answered");
      if (kind.name === "virtio-rng") must(guest.used(0)[0]?.lengthBytes === 16, "there is entropy after a reset");
    },
  });

export const VIRTIO_TARGETS = KINDS.map(attackOn);
