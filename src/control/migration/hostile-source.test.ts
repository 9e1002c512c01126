/** The destination of a postcopy against sources that say what they should not, or too little. */
import { expect, test } from "vitest";
import { Board } from "../../../tools/fuzz/board.ts";
import { ScriptedChannel, until } from "../../../tools/support/scripted-channel.ts";
import { FaultService } from "#control/migration/fault-service.ts";
import { IncomingMigration } from "#control/migration/incoming.ts";
import { loadSections, type NumberedHead } from "#control/migration/section-load.ts";
import { type SavedSection, saveSections } from "#control/migration/machine-functions.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import {
  writeAdvise,
  writeBitmapRequest,
  writeDiscards,
  writePackage,
  writePing,
} from "#control/migration/postcopy-save.ts";
import { RamSaver } from "#control/migration/ram-save.ts";
import type { MigrationStatus } from "#control/migration/status.ts";
import {
  end,
  RAM_ID,
  writeCommand,
  writeHeader,
  writeRamEnd,
  writeRamPart,
  writeRamStart,
} from "#control/migration/stream-save.ts";
import { StreamWriter } from "#control/migration/stream-writer.ts";
import { Command, Mark, Ping, RamFlag } from "#control/migration/wire.ts";
import { ByteWriter } from "#core/bytes.ts";
import { CONTROL } from "#cpu/vcpu/layout.ts";
import type { MigrationMemory } from "#machine/migration-memory.ts";
import { nodeClock, nodeTimers } from "#platform/node/clock.ts";

const RAM = "riscv_virt_board.ram";
const PAGES = 4;

async function bytesOf(fill: (out: StreamWriter) => Promise<void> | void): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const out = new StreamWriter({ write: async (bytes) => void chunks.push(bytes.slice()) });
  await fill(out);
  await out.drain();
  return new Uint8Array(Buffer.concat(chunks));
}
const command = (number: number, data?: Uint8Array): Promise<Uint8Array> =>
  bytesOf((out) => writeCommand(out, number, data));
const ping = (value: number): Promise<Uint8Array> => bytesOf((out) => writePing(out, value));

/** A good postcopy of four pages, in its parts. */
const GOOD = await (async () => {
  const { migration: port, ram: bytes } = new Board();
  const { ram: memory } = port;
  const ram = new RamSaver(memory);
  await ram.sync();
  // Those are gone.
  await bytesOf((out) => ram.writePages(out, Infinity));
  bytes.fill(7, 0, PAGES * 4096);
  memory.dirty.mark(memory.blocks[0]?.host ?? 0, PAGES * 4096);
  await ram.sync();
  const sections: readonly SavedSection[] = saveSections(port);
  return {
    begin: await bytesOf((out) => {
      writeHeader(out);
      writeCommand(out, Command.OpenReturnPath);
      writeAdvise(out);
      writeRamStart(out, ram);
    }),
    discards: await bytesOf((out) => writeDiscards(out, ram, memory.blocks)),
    package: await bytesOf((out) => writePackage(out, sections)),
    pages: await bytesOf((out) => writeRamPart(out, ram, PAGES)),
    end: await bytesOf((out) => {
      writeRamEnd(out);
      out.u8(Mark.Eof);
    }),
    bitmaps: await bytesOf((out) => {
      for (const block of memory.blocks) writeBitmapRequest(out, block);
    }),
    sections,
  };
})();

/** A page filled with a byte. */
function page(address: number, byte: number): Promise<Uint8Array> {
  return bytesOf((out) => {
    out.u8(Mark.Part);
    out.u32(RAM_ID);
    out.u64(address + RamFlag.Zero);
    out.shortString(RAM);
    out.u8(byte);
    out.u64(RamFlag.Eos);
    end(out, RAM_ID);
  });
}

/** RAM_DISCARD. */
function discard(
  version: number,
  block: string,
  ...ranges: readonly (readonly [number, number])[]
): Promise<Uint8Array> {
  const data = new ByteWriter();
  data.u8(version);
  data.shortString(block);
  data.u8(0);
  for (const [start, lengthBytes] of ranges) {
    data.u64(BigInt(start));
    data.u64(BigInt(lengthBytes));
  }
  return command(Command.PostcopyRamDiscard, data.finish());
}

/** A destination, and its first connection. `load` stands for what loads sections, when `present` resolves. */
async function start({
  preempt = false,
  load = loadSections,
  present = async (_memory: MigrationMemory): Promise<void> => {},
} = {}) {
  const board = new Board();
  const { migration, layout } = board;
  const { ram: memory } = migration;
  new Uint8Array(memory.memory, layout.missingMap, layout.ramStart - layout.missingMap).fill(0);
  new Int32Array(memory.memory)[CONTROL.missingPages] = 0;
  const statuses: MigrationStatus[] = [];
  const machine = { isRunning: false, rehearsals: 0, rehearsed: 0 };
  /** Who has come to the last listener. */
  let arrived: ScriptedChannel[] = [];
  const clock = nodeClock();
  const incoming = new IncomingMigration({
    hurry: () => {},
    faults: new FaultService(memory, { clock }),
    rehearsal: { begin: () => void (machine.rehearsals += 1), end: () => void (machine.rehearsed += 1) },
    freshBlocks: [],
    memory,
    machine: {
      loadSections: async (head: NumberedHead, bytes: Uint8Array) => {
        await present(memory);
        return load(migration, head, bytes);
      },
      runLoaded: async () => void (machine.isRunning = true),
    },
    channels: {
      listen: async (address) => {
        const own: ScriptedChannel[] = [];
        arrived = own;
        const accept = async (): Promise<ScriptedChannel["channel"]> => {
          await until(() => own.length > 0);
          return (own.shift() as ScriptedChannel).channel;
        };
        return { address, accept, close: () => {} };
      },
    },
    clock,
    timers: nodeTimers(clock),
    autostart: true,
    postcopy: true,
    blocktime: true,
    preempt,
    observer: { status: (status) => void statuses.push(status) },
  });
  await incoming.listen({ kind: "unix", path: "here" });
  const loaded = incoming.load();
  loaded.catch(() => {});
  const connect = (): ScriptedChannel => {
    const wire = new ScriptedChannel();
    arrived.push(wire);
    return wire;
  };
  const say = async (wire: ScriptedChannel, ...parts: readonly (Uint8Array | Promise<Uint8Array>)[]): Promise<void> => {
    for (const part of parts) wire.send(await part);
  };
  const untilPaused = async (times = 1): Promise<string> => {
    await until(() => statuses.filter((one) => one === "postcopy-paused").length >= times);
    return incoming.errorText ?? "";
  };
  return { board, memory, incoming, statuses, machine, loaded, connect, say, untilPaused, wire: connect() };
}

const DISCARDED = ping(Ping.Discarded);

test("what is good works, and a package or pages that come twice change nothing", async () => {
  const { wire, say, loaded, machine, board, statuses, memory } = await start();
  await say(wire, GOOD.begin, GOOD.discards, DISCARDED, GOOD.package, page(4096, 9), GOOD.package);
  await until(() => machine.isRunning && memory.faults.missingCount === PAGES - 1);
  // What the machine has written since is kept.
  board.ram[4096] = 1;
  await say(wire, page(4096, 5), GOOD.pages, GOOD.end);
  await loaded;
  expect(statuses).toEqual(["setup", "active", "postcopy-active", "completed"].slice(1));
  expect([board.ram[0], board.ram[4096], board.ram[4097], board.ram[8192]]).toEqual([7, 1, 9, 7]);
});

test("a postcopy that is announced again and again is rehearsed once", async () => {
  const { wire, say, loaded, machine } = await start();
  const advise = await bytesOf(writeAdvise);
  await say(wire, GOOD.begin, ...Array.from({ length: 50 }, () => advise), GOOD.discards, DISCARDED, GOOD.package);
  await until(() => machine.isRunning);
  await say(wire, GOOD.pages, GOOD.end);
  await loaded;
  expect([machine.rehearsals, machine.rehearsed]).toEqual([1, 1]);
});

test("a rehearsal is over before the source stops its machine, if that says so", async () => {
  const { wire, say, machine } = await start();
  await say(wire, GOOD.begin);
  await until(() => machine.rehearsals === 1);
  expect(machine.rehearsed).toBe(0);
  await say(wire, ping(Ping.Drained));
  await until(() => machine.rehearsed === 1);
});

test("the machine is loaded before what follows it is read, unless it waits for that", async () => {
  const missing: number[] = [];
  const ready = await start({
    async present(memory) {
      // Long enough for what has come to be read.
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      missing.push(memory.faults.missingCount);
    },
  });
  await ready.say(ready.wire, ...handedOver, GOOD.package, GOOD.pages, GOOD.end);
  await ready.loaded;
  expect(missing).toEqual([PAGES]);

  const waits = await start({ present: (memory) => until(() => memory.faults.missingCount === 0) });
  await waits.say(waits.wire, ...handedOver, GOOD.package, GOOD.pages, GOOD.end);
  await waits.loaded;
  expect(waits.machine.isRunning).toBe(true);
});

const bad = (name: string, block: string, ...ranges: readonly (readonly [number, number])[]) =>
  [name, discard(0, block, ...ranges)] as const;
test.each([
  ["of an unknown version", discard(1, RAM, [0, 4096]), "unknown version"],
  [...bad("of no block", "other", [0, 4096]), "'other', which was not listed"],
  [...bad("behind the end", RAM, [1 << 20, 4096]), `missing pages at 0x100000 are not in the RAM block '${RAM}'`],
  [...bad("over the end", RAM, [4096, 1 << 20]), "are not in the RAM block"],
  [...bad("at no page", RAM, [100, 4096]), "are not in the RAM block"],
  [...bad("of a huge length", RAM, [4096, 2 ** 60]), "are not in the RAM block"],
  ["cut off", command(Command.PostcopyRamDiscard, Uint8Array.of(0, 3, 65)), "truncated"],
  ["without a name", command(Command.PostcopyRamDiscard, new Uint8Array(0)), "truncated"],
  ["of a half range", discard(0, RAM).then((bytes) => withMore(bytes)), "truncated"],
])("a list of missing pages %s", async (_what, list, why) => {
  const { wire, say, untilPaused, memory, machine } = await start();
  await say(wire, GOOD.begin, list);
  expect(await untilPaused()).toContain(why);
  expect([memory.faults.missingCount, machine.isRunning]).toEqual([0, false]);
});

/** The command with 4 more bytes of data. */
function withMore(bytes: Uint8Array): Uint8Array {
  const longer = new Uint8Array(bytes.length + 4);
  longer.set(bytes);
  longer[4] = (longer[4] ?? 0) + 4;
  return longer;
}

const handedOver = [GOOD.begin, GOOD.discards, DISCARDED] as const;
test.each([
  ["RESUME without a pause", [...handedOver, command(Command.PostcopyResume)], "nothing was interrupted"],
  ["LISTEN by itself", [...handedOver, command(Command.PostcopyListen)], "does not come in one package"],
  ["RUN by itself", [...handedOver, command(Command.PostcopyRun)], "does not come in one package"],
  ["the end without the machine", [...handedOver, GOOD.pages, GOOD.end], "the machine's state has not come"],
  ["the end without all pages", [...handedOver, GOOD.package, page(0, 1), GOOD.end], "3 pages have not come"],
  ["a question about no block", [...handedOver, command(Command.RecvBitmap, Uint8Array.of(1, 65))], "not listed"],
  ["a question without a name", [...handedOver, command(Command.RecvBitmap, Uint8Array.of(5, 65))], "name is damaged"],
  ["a page behind the end", [...handedOver, GOOD.package, page(1 << 20, 1)], "beyond the end"],
  ["garbage", [...handedOver, GOOD.package, Uint8Array.of(0x55)], "0x55"],
])("%s: waits for a better connection", async (_what, parts, why) => {
  const { wire, say, untilPaused } = await start();
  await say(wire, ...parts);
  expect(await untilPaused()).toContain(why);
});

test("a machine that did not come says what can be done", async () => {
  const { wire, say, untilPaused, incoming } = await start();
  await say(wire, ...handedOver);
  await until(() => wire.bytes.length > 0);
  wire.leave();
  expect(await untilPaused()).toMatch(/the stream ends early.*if the source says 'failed' it runs there/);
  expect(incoming.info().status).toBe("postcopy-paused");
});

test("a postcopy that was not announced", async () => {
  const { wire, say, loaded, statuses } = await start();
  const unannounced = await bytesOf((out) => writeHeader(out));
  await say(wire, unannounced, GOOD.discards);
  wire.leave();
  await expect(loaded).rejects.toThrow("a postcopy that was not announced");
  expect(statuses).toEqual(["active", "failed"]);
});

test("a package that cannot be loaded: the source is told, and nothing runs", async () => {
  const refuse = (): never => {
    throw new MigrationError("no such device");
  };
  const { wire, say, loaded, machine, statuses } = await start({ load: refuse });
  await say(wire, ...handedOver, GOOD.package);
  // A source that goes on all the same is left.
  await expect(loaded).rejects.toThrow("no such device");
  expect(Buffer.from(wire.bytes).includes(Buffer.from([0, 1, 0, 4, 0, 0, 0, 1]))).toBe(true);
  expect([statuses.at(-1), machine.isRunning]).toEqual(["failed", false]);
});

test("a package in a package", async () => {
  const { wire, say, loaded, machine } = await start();
  const length = new ByteWriter();
  length.u32(GOOD.package.length);
  await say(wire, ...handedOver, command(Command.Packaged, length.finish()), GOOD.package);
  await expect(loaded).rejects.toThrow("a package in a package");
  expect(machine.isRunning).toBe(false);
});

test("recovery: a connection that says nothing is paused, one that resumes out of turn goes on, then all is well", async () => {
  const { wire, say, untilPaused, incoming, connect, loaded, statuses, board } = await start();
  await say(wire, ...handedOver, GOOD.package, page(0, 3));
  await until(() => statuses.includes("postcopy-active"));
  await expect(incoming.recover({ kind: "unix", path: "early" })).rejects.toThrow(
    "can only be run when postcopy is paused",
  );
  incoming.pause();
  expect(await untilPaused()).toBe("Postcopy migration is paused by the user");
  expect(() => incoming.pause()).toThrow("migrate-pause is currently only supported");

  await incoming.recover({ kind: "unix", path: "nobody comes" });
  await incoming.recover({ kind: "unix", path: "again" });
  connect();
  await until(() => statuses.at(-1) === "postcopy-recover");
  await expect(incoming.recover({ kind: "unix", path: "late" })).rejects.toThrow(
    "can only be run when postcopy is paused",
  );
  incoming.pause();
  await untilPaused(2);

  await incoming.recover({ kind: "unix", path: "third" });
  const third = connect();
  await say(third, ping(Ping.HasPackage), GOOD.bitmaps, command(Command.PostcopyResume));
  await until(() => statuses.at(-1) === "postcopy-active");
  // The map: pages 1 to 3 are missing.
  expect(Buffer.from(third.bytes).includes(Buffer.from([0, 0, 0, 0, 0, 0, 0, 32, 0xf1]))).toBe(true);
  await say(third, GOOD.pages, GOOD.end);
  await loaded;
  expect([board.ram[0], board.ram[4096]]).toEqual([3, 7]);
});

test("a package that was lost is sent for, and comes over the next connection", async () => {
  const { wire, say, untilPaused, incoming, connect, loaded, machine, statuses } = await start();
  await say(wire, ...handedOver, GOOD.package.subarray(0, GOOD.package.length / 2));
  await until(() => wire.bytes.length > 0);
  wire.leave();
  await untilPaused();
  await incoming.recover({ kind: "unix", path: "again" });
  const next = connect();
  await say(next, ping(Ping.HasPackage));
  await until(() => next.bytes.length > 0);
  expect([...next.bytes]).toEqual([0, 2, 0, 4, ...new Uint8Array([0x54, 0x49, 0x4e, 0x01])]);
  await say(next, GOOD.discards, GOOD.package, GOOD.bitmaps, command(Command.PostcopyResume), GOOD.pages, GOOD.end);
  await loaded;
  expect(machine.isRunning).toBe(true);
  expect(statuses).toEqual(["active", "postcopy-paused", "postcopy-recover", "postcopy-active", "completed"]);
});

test("wanted pages may come by their channel behind the end of the stream", async () => {
  const { wire, say, connect, loaded, memory, statuses } = await start({ preempt: true });
  const urgent = connect();
  await say(wire, ...handedOver, GOOD.package, page(0, 7), page(4096, 7), page(8192, 7));
  await until(() => memory.faults.missingCount === PAGES - 3);
  await say(wire, GOOD.end);
  await until(() => wire.unread.length === 0);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await say(urgent, (await page(12_288, 7)).subarray(5, -13));
  await until(() => memory.faults.missingCount === 0);
  await say(urgent, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, RamFlag.Eos));
  await loaded;
  expect(statuses).toEqual(["active", "postcopy-active", "completed"]);
});

test("garbage on the channel for wanted pages breaks both, and says why", async () => {
  const { wire, say, untilPaused, connect, memory } = await start({ preempt: true });
  const urgent = connect();
  await say(wire, ...handedOver, GOOD.package);
  await until(() => memory.faults.missingCount === PAGES);
  const record = await page(8192, 6);
  // Without the section around it.
  await say(urgent, record.subarray(5, -13));
  await until(() => memory.faults.missingCount === PAGES - 1);
  await say(urgent, new Uint8Array(5000).fill(0xff));
  expect(await untilPaused()).toMatch(/a page belongs to the RAM block '.*', which was not listed/);
});

test("a connection that breaks behind the package, or behind the last page, does not end the machine", async () => {
  const { wire, say, untilPaused, incoming, connect, loaded, machine, statuses } = await start();
  await say(wire, ...handedOver);
  await until(() => wire.bytes.length > 0);
  await say(wire, GOOD.package);
  wire.leave();
  await untilPaused();
  await until(() => machine.isRunning);
  await incoming.recover({ kind: "unix", path: "again" });
  const next = connect();
  await say(next, ping(Ping.HasPackage), command(Command.PostcopyResume));
  await until(() => statuses.at(-1) === "postcopy-active");
  await say(next, GOOD.pages, GOOD.end);
  next.leave();
  await loaded;
  expect(statuses.at(-1)).toBe("completed");
});
