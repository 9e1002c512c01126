/** The source against a destination that only listens: what is sent, and in which order. */
import { expect, test } from "vitest";
import { Board } from "../../../tools/fuzz/board.ts";
import { ByteReader, ByteWriter } from "#core/bytes.ts";
import { OutgoingMigration } from "#control/migration/outgoing.ts";
import { saveSections } from "#control/migration/machine-functions.ts";
import { DEFAULT_PARAMETERS } from "#control/migration/parameters.ts";
import type { MigrationStatus } from "#control/migration/status.ts";
import type { MigrationMemory } from "#machine/migration-memory.ts";
import { nodeClock, nodeTimers } from "#platform/node/clock.ts";

const RAM = "riscv_virt_board.ram";
const RAM_BYTES = 1 << 20;

/** What was written, and a way to answer. */
class Wire {
  readonly #chunks: Uint8Array[] = [];
  readonly #answers: Uint8Array[] = [];
  #read: (() => void) | undefined;
  isGone = false;

  readonly channel = {
    read: async (): Promise<Uint8Array | undefined> => {
      while (this.#answers.length === 0 && !this.isGone) await new Promise<void>((resolve) => (this.#read = resolve));
      return this.#answers.shift();
    },
    write: async (bytes: Uint8Array): Promise<void> => {
      if (this.isGone) throw new Error("gone");
      this.#chunks.push(bytes.slice());
    },
    close: async (): Promise<void> => {},
    abort: (): void => this.leave(),
  };
  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#chunks));
  }
  leave(): void {
    this.isGone = true;
    this.#read?.();
  }
  answer(type: number, body: (to: ByteWriter) => void): void {
    const [message, content] = [new ByteWriter(), new ByteWriter()];
    body(content);
    message.u16(type);
    message.u16(content.length);
    message.bytes(content.finish());
    this.#answers.push(message.finish());
    this.#read?.();
  }
}

/** The board's memory, with a run state of its own. */
function runningMemory(memory: MigrationMemory, machine: { isRunning: boolean }): MigrationMemory {
  return new Proxy(memory, {
    get(target, name) {
      if (name === "isRunning") return machine.isRunning;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function start(bandwidth: number, pauseBeforeSwitchover = false) {
  const board = new Board();
  const { ram: memory } = board.migration;
  memory.dirty.collect(0, memory.dirty.pages, new Uint8Array(memory.dirty.pages));
  for (let i = 0; i < RAM_BYTES; i += 4) board.ram[i] = 1 + (i >>> 12);
  memory.dirty.mark(memory.blocks[0]?.host ?? 0, RAM_BYTES);
  const machine = {
    isRunning: true,
    saveSections: async () => saveSections(board.migration),
    stop: async () => void (machine.isRunning = false),
    start: async () => void (machine.isRunning = true),
  };
  const clock = nodeClock();
  const wire = new Wire();
  const statuses: MigrationStatus[] = [];
  const outgoing = new OutgoingMigration({
    memory: runningMemory(memory, machine),
    machine,
    clock,
    timers: nodeTimers(clock),
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    parameters: () => ({ ...DEFAULT_PARAMETERS, "max-bandwidth": bandwidth, "downtime-limit": 0 }),
    returnPath: true,
    pauseBeforeSwitchover,
    postcopy: true,
    preempt: false,
    observer: { status: (status) => void statuses.push(status), pass: () => {} },
  });
  const over = outgoing.run(async () => wire.channel);
  // The pings before the package.
  for (const value of [5, 2]) wire.answer(2, (to) => to.u32(value));
  return { board, machine, wire, outgoing, statuses, over };
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

/** Commands and pages in order: "command 7", "page 0x3000". */
function events(bytes: Uint8Array, ram: Uint8Array): string[] {
  const from = new ByteReader(bytes);
  const seen: string[] = [];
  from.bytes(8);
  for (;;) {
    const mark = from.u8();
    if (mark === 0) return [...seen, "end"];
    if (mark === 7) from.bytes(from.u32());
    else if (mark === 8) {
      const command = from.u16();
      const data = from.bytes(from.u16());
      seen.push(`command ${command}`);
      if (command === 7) from.bytes(new ByteReader(data).u32());
    } else {
      from.u32();
      if (mark === 1) {
        from.shortString();
        from.bytes(8);
      }
      pages(from, ram, seen);
      expect(from.u8()).toBe(0x7e);
      from.u32();
    }
  }
}

function pages(from: ByteReader, ram: Uint8Array, seen: string[]): void {
  let block = "";
  for (;;) {
    const word = Number(from.u64());
    const [flags, address] = [word & 0xfff, word & ~0xfff];
    if (flags === 0x10) return;
    if (flags === 4) {
      for (let left = address; left > 0; ) {
        from.shortString();
        left -= Number(from.u64());
      }
      continue;
    }
    if ((flags & 0x20) === 0) block = from.shortString();
    if (flags & 2) from.u8();
    else ram.set(from.bytes(4096), block === RAM ? address : 0);
    seen.push(`page 0x${address.toString(16)}`);
  }
}

test("postcopy: what is missing is announced, the machine's state goes in one piece, wanted pages go first", async () => {
  const { board, wire, outgoing, statuses, over, machine } = start(100_000);
  await until(() => statuses.includes("active"));
  outgoing.startPostcopy();
  // The last page that would be sent.
  wire.answer(3, (to) => {
    to.u64(BigInt(RAM_BYTES - 4096));
    to.u32(4096);
    to.shortString(RAM);
  });
  wire.answer(4, (to) => {
    to.u64(BigInt(RAM_BYTES - 4096));
    to.u32(4096);
  });
  wire.answer(2, (to) => to.u32(4));
  await until(() => statuses.includes("postcopy-active") && !machine.isRunning);
  wire.answer(1, (to) => to.u32(0));
  await over;
  expect(statuses).toEqual(["active", "postcopy-active", "completed"]);
  const ram = new Uint8Array(RAM_BYTES);
  const seen = events(wire.bytes, ram);
  expect(ram).toEqual(board.ram.slice());
  expect(seen.slice(0, 3)).toEqual(["command 1", "command 2", "command 3"]);
  const packaged = seen.indexOf("command 7");
  const discards = seen.filter((one) => one === "command 6").length;
  if (discards > 0) {
    expect(seen.slice(packaged - 2, packaged)).toEqual(["command 6", "command 2"]);
    expect(seen.slice(packaged + 1, packaged + 3)).toEqual(["command 2", "page 0xff000"]);
  }
  expect(new Set(seen.filter((one) => one.startsWith("page"))).size).toBe(256);
  expect(outgoing.info()).toMatchObject({ status: "completed", ram: { "postcopy-requests": 2, remaining: 0 } });
});

test("a destination that goes away in precopy leaves the machine running; in postcopy it cannot", async () => {
  const early = start(100_000);
  await until(() => early.statuses.includes("active"));
  early.wire.leave();
  await early.over;
  expect([early.statuses, early.machine.isRunning]).toEqual([["active", "failed"], true]);

  const late = start(100_000);
  await until(() => late.statuses.includes("active"));
  late.outgoing.startPostcopy();
  await until(() => late.statuses.includes("postcopy-active"));
  await until(() => !late.machine.isRunning);
  late.wire.leave();
  await until(() => late.statuses.includes("postcopy-paused"));
  expect(late.machine.isRunning).toBe(false);
});

test("a destination that wants what is not there", async () => {
  const { wire, outgoing, statuses } = start(100_000);
  await until(() => statuses.includes("active"));
  outgoing.startPostcopy();
  await until(() => statuses.includes("postcopy-active"));
  wire.answer(3, (to) => {
    to.u64(BigInt(RAM_BYTES));
    to.u32(4096);
    to.shortString(RAM);
  });
  await until(() => statuses.includes("postcopy-paused"));
  expect(outgoing.info()["error-desc"]).toBe(`the destination wants pages that '${RAM}' has not`);
});

test("a pause before postcopy: the machine stands until it is told to go on, or runs on here", async () => {
  const { machine, wire, outgoing, statuses, over } = start(100_000, true);
  await until(() => statuses.includes("active"));
  outgoing.startPostcopy();
  await until(() => statuses.includes("pre-switchover"));
  expect(machine.isRunning).toBe(false);
  outgoing.continueSwitchover();
  wire.answer(1, (to) => to.u32(0));
  await over;
  expect(statuses).toEqual(["active", "pre-switchover", "postcopy-active", "completed"]);

  const other = start(100_000, true);
  await until(() => other.statuses.includes("active"));
  other.outgoing.startPostcopy();
  await until(() => other.statuses.includes("pre-switchover"));
  other.outgoing.cancel();
  await other.over;
  expect([other.statuses.at(-1), other.machine.isRunning]).toEqual(["cancelled", true]);
});
