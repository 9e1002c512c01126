/**
 * All devices of the `virt` board: accesses of any kind to their registers, and sections of a migration stream that were
 * damaged on the way. A device never throws on what a guest does; a section that it does not take is a `StateError` or
 * a `TruncatedError`.
 */
import * as fc from "fast-check";
import { parseCommandLine } from "#app/cli/command-line.ts";
import { TruncatedError } from "#core/bytes.ts";
import type { CharBackend, CharFrontend, Disk } from "#core/host.ts";
import { NO_LOG } from "#core/log.ts";
import { StateError } from "#core/vmstate.ts";
import { CONTROL } from "#cpu/vcpu/layout.ts";
import type { MmioMap } from "#hw/bus/mmio-map.ts";
import type { Dma, MigrationSection } from "#hw/bus/types.ts";
import { MigrationPort } from "#machine/migration-port.ts";
import { Deadlines, MachineClock } from "#machine/shared-words.ts";
import { makeMachineDevices } from "#machine/virt/machine-devices.ts";
import { allocateMemory } from "#machine/machine-memory.ts";
import { VIRT_MEMORY_MAP, VIRT_VIRTIO_COUNT, virtioEntry } from "#machine/virt/memory-map.ts";
import { migrationSections } from "#machine/virt/migration-sections.ts";
import { makeSharedDevices } from "#machine/virt/shared-devices.ts";
import { VirtBlock, virtLayout } from "#machine/virt/virt-layout.ts";
import { damaged } from "./mutation.ts";
import { must, target } from "./target.ts";

const ARGS =
  "-M virt,aclint=on -smp 1 -m 1M -bios none -display none -serial none -drive if=none,file=d,format=raw,id=d0 " +
  "-device virtio-blk-device,drive=d0 -device virtio-rng-device,max-bytes=64,period=1 -device virtio-balloon-device " +
  "-chardev null,id=c -device virtio-serial-device,max_ports=2 -device virtconsole,chardev=c";
const RAM_BASE = VIRT_MEMORY_MAP.dram.base;
const DISK_BYTES = 32 * 512;

const { test, rtc, fwCfg, flash0, flash1, uart0, plic, clint, aclintSswi, mrom } = VIRT_MEMORY_MAP;
const TRANSPORTS = Array.from({ length: VIRT_VIRTIO_COUNT }, (_, slot) => virtioEntry(slot));
/** The transports with a device come more often. */
const PLACES = [
  test,
  rtc,
  fwCfg,
  flash0,
  flash1,
  uart0,
  plic,
  clint,
  aclintSswi,
  mrom,
  ...TRANSPORTS,
  ...TRANSPORTS.slice(4),
];

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

const disk: Disk = {
  name: "d",
  sizeBytes: DISK_BYTES,
  readOnly: false,
  read: async () => {},
  write: async () => {},
  flush: async () => {},
  discard: async () => {},
  writeZeroes: async () => {},
  close: async () => {},
};

/** The board without harts; one memory for all runs, of which what a run may change is cleared. */
export class Board {
  static readonly #config = commandLine();
  static readonly #layout = virtLayout(Board.#config);
  static readonly #memory = allocateMemory(Board.#layout);
  readonly ram: Uint8Array;
  readonly maps: readonly MmioMap[];
  readonly sections: readonly MigrationSection[];
  readonly migration: MigrationPort;
  readonly layout = Board.#layout;
  readonly #chardev = new Chardev();
  readonly #uart: { canReceive(): number; receive(byte: number): void };
  readonly #devices: ReturnType<typeof makeMachineDevices>;
  #due: (() => void)[] = [];
  #nowNs = 0;

  constructor() {
    const [own, layout, config] = [Board.#memory, Board.#layout, Board.#config];
    const memory = own.buffer;
    const block = layout.blocks[VirtBlock.Ram] as (typeof layout.blocks)[number];
    this.ram = new Uint8Array(memory, block.host, block.sizeBytes);
    this.ram.fill(0);
    new Uint8Array(memory, 0, layout.deviceArena + layout.deviceArenaBytes).fill(0);
    const clock = { nowNs: () => this.#nowNs, wallMs: () => this.#nowNs / 1e6 };
    const machineClock = new MachineClock(clock, memory);
    machineClock.reset();
    const deadlines = new Deadlines(memory, layout.vcpuCount);
    deadlines.reset();
    const shared = makeSharedDevices(memory, layout, config.machineOptions, machineClock, deadlines);
    for (const device of [shared.plic, shared.uart, shared.mtimer]) device.reset();
    this.#uart = shared.uart;
    const dma: Dma = {
      isIncomplete: () => false,
      present: async () => {},
      view: (address, lengthBytes) => {
        const offset = address - RAM_BASE;
        if (!(offset >= 0 && lengthBytes >= 0 && offset + lengthBytes <= block.sizeBytes)) return undefined;
        return new Uint8Array(memory, block.host + offset, lengthBytes);
      },
    };
    this.#devices = makeMachineDevices(memory, layout, config, {
      clock,
      timers: {
        at: (_, callback) => {
          this.#due.push(callback);
          return () => void (this.#due = this.#due.filter((one) => one !== callback));
        },
      },
      random: { fill: (into) => void into.fill(0x5a) },
      dma,
      irq: (source) => shared.plic.source(source),
      shutdown: () => {},
      reset: () => {},
      setFlashReadable: () => {},
      requireMemory: () => {},
      diskFailed: () => {},
      balloonChanged: () => {},
      disks: new Map([["d0", disk]]),
      chardevs: new Map([["c", this.#chardev]]),
      log: NO_LOG,
      rtc: { clock, offsetNs: 0n },
    });
    for (const device of this.#devices.devices) device.reset();
    this.maps = [shared.map, this.#devices.map];
    const place = { memory: own, layout, clock: machineClock, lock: shared.lock, filledBlocks: [] };
    this.migration = new MigrationPort(
      place,
      migrationSections(
        { ...place, memory, cpu: config.cpu },
        [shared.mtimer, shared.plic, shared.uart],
        this.#devices.devices,
      ),
      async () => {},
      () => {},
    );
    // The hart is parked.
    new Int32Array(memory)[CONTROL.stoppedVcpus] = 1;
    this.sections = [shared.plic, shared.uart, shared.mtimer, ...this.#devices.devices].flatMap((one) => one.migration);
  }

  passTime(): void {
    this.#nowNs += 1e9;
    for (const callback of this.#due.splice(0)) callback();
  }

  input(bytes: Uint8Array): void {
    const room = this.#chardev.frontend?.canReceive() ?? 0;
    if (room > 0) this.#chardev.frontend?.receive(bytes.subarray(0, room));
    for (const byte of bytes.subarray(0, this.#uart.canReceive())) this.#uart.receive(byte);
  }

  access({ address, size, value, write }: Access): void {
    for (const map of this.maps) {
      if (size === 8) {
        if (write) map.write64(address, value);
        else checkRange(map.read64(address) ?? 0n, 64);
      } else if (write) map.write32(address, size, Number(BigInt.asUintN(8 * size, value)));
      else checkRange(BigInt(Math.max(map.read32(address, size), 0)), 8 * size);
    }
  }
}

function commandLine() {
  const command = parseCommandLine(ARGS.split(" "));
  if (command.kind === "print") throw new Error("the arguments make no machine");
  return command.machine;
}

function checkRange(value: bigint, bits: number): void {
  must(value >= 0n && value < 1n << BigInt(bits), "a register gives a number of its width");
}

type Access = {
  readonly address: number;
  readonly size: 1 | 2 | 4 | 8;
  readonly value: bigint;
  readonly write: boolean;
};

const number = fc.oneof(
  fc.bigInt(0n, 255n),
  fc.constantFrom(0x5555n, 0x7777n, 0xffff_ffffn, 1n << 63n, (1n << 64n) - 1n),
  // Addresses in RAM, as such and as page frames.
  fc.nat(0xff).map((page) => BigInt(RAM_BASE + 4096 * page)),
  fc.nat(0xff).map((page) => BigInt(RAM_BASE / 4096 + page)),
  fc.bigInt(0n, (1n << 64n) - 1n),
);
const access: fc.Arbitrary<Access> = fc
  .record({
    place: fc.constantFrom(...PLACES),
    offset: fc.oneof({ weight: 4, arbitrary: fc.nat(0x1f).map((word) => 4 * word) }, fc.nat(0x1ff), fc.nat()),
    size: fc.oneof(
      { weight: 3, arbitrary: fc.constant(4 as const) },
      fc.constantFrom(1 as const, 2 as const, 8 as const),
    ),
    value: number,
    write: fc.boolean(),
  })
  .map(({ place, offset, size, value, write }) => {
    const at = offset % place.sizeBytes;
    // A misaligned one never reaches a device.
    return { address: place.base + at - (at % size), size, value, write };
  });
type Step = Access | { readonly ram: number; readonly bytes: Uint8Array } | { readonly input: Uint8Array } | "time";
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 20, arbitrary: access },
  {
    weight: 4,
    arbitrary: fc.record({ ram: fc.nat(0xff).map((page) => 4096 * page), bytes: fc.uint8Array({ maxLength: 64 }) }),
  },
  fc.record({ input: fc.uint8Array({ maxLength: 32 }) }),
  fc.constant("time" as const),
);

async function perform(board: Board, steps: readonly Step[]): Promise<void> {
  for (const one of steps) {
    if (one === "time") board.passTime();
    else if ("ram" in one) board.ram.set(one.bytes, one.ram);
    else if ("input" in one) board.input(one.input);
    else board.access(one);
  }
  // What devices do later may not throw either.
  for (let i = 0; i < 3; i++) {
    await new Promise(setImmediate);
    board.passTime();
  }
}

const mmio = target({
  name: "mmio",
  input: fc.array(step, { maxLength: 100, size: "max" }),
  errors: [],
  shortRuns: 150,
  run: (steps) => perform(new Board(), steps),
});

/** Sections of devices as they are after a reset, and what became of one on the way. */
const bodies = new Board().sections.map((section) => section.save());
const sections = target({
  name: "sections",
  input: fc.nat(bodies.length - 1).chain((index) =>
    fc.record({
      index: fc.constant(index),
      body: damaged(bodies[index] as Uint8Array),
      version: fc.option(fc.nat(4), { nil: undefined }),
      steps: fc.array(step, { maxLength: 10 }),
    }),
  ),
  errors: [StateError, TruncatedError],
  shortRuns: 300,
  async run({ index, body, version, steps }) {
    const board = new Board();
    const section = board.sections[index] as MigrationSection;
    try {
      section.load(body, version ?? section.version);
    } finally {
      // A device works on, whether it took the state or not.
      await perform(board, steps);
      section.save();
    }
  },
});

export const BOARD_TARGETS = [mmio, sections];
