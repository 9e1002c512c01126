/**
 * Migration streams that were damaged on the way, or made up: the destination loads them or refuses them with an error
 * of its own, and writes nothing but RAM blocks and the state of harts and devices.
 */
import * as fc from "fast-check";
import { parseChannels, parseUri } from "#control/migration/address.ts";
import { FaultService } from "#control/migration/fault-service.ts";
import { IncomingMigration } from "#control/migration/incoming.ts";
import { saveSections } from "#control/migration/machine-functions.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import {
  writeAdvise,
  writeBitmapRequest,
  writeDiscards,
  writePackage,
  writePing,
} from "#control/migration/postcopy-save.ts";
import { RamSaver } from "#control/migration/ram-save.ts";
import { loadSections } from "#control/migration/section-load.ts";
import {
  writeCommand,
  writeEnd,
  writeHeader,
  writeRamEnd,
  writeRamPart,
  writeRamStart,
  writeSections,
} from "#control/migration/stream-save.ts";
import { StreamWriter } from "#control/migration/stream-writer.ts";
import { Command, Mark, Ping } from "#control/migration/wire.ts";
import type { ByteChannel } from "#core/host.ts";
import { CONTROL, VCPU_TLBS } from "#cpu/vcpu/layout.ts";
import type { MigrationPort } from "#machine/migration-port.ts";
import { Board } from "./board.ts";
import { damaged } from "./mutation.ts";
import { must, target } from "./target.ts";

/** What a stream must not touch: control words but for its own, the doorbell's and the clock's, and TLBs. */
export function guarded({ ram: { memory } }: MigrationPort, { layout }: Board): readonly Uint8Array[] {
  const view = (start: number, end: number): Uint8Array => new Uint8Array(memory, start, end - start);
  return [
    view(4 * (CONTROL.missingPages + 1), 768),
    view(792, 2560),
    view(layout.vcpus + VCPU_TLBS, layout.vcpus + layout.codePages),
  ];
}

export function sum(bytes: Uint8Array): number {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  let hash = 0;
  for (const word of words) hash = (Math.imul(hash, 31) + word) | 0;
  return hash;
}

/** What a source sends that has `pages` pages of each block to send. */
async function streamOf(
  pages: number,
  write: (out: StreamWriter, ram: RamSaver, port: MigrationPort) => Promise<void>,
): Promise<Uint8Array> {
  const { migration: port } = new Board();
  const { ram: memory } = port;
  const chunks: Uint8Array[] = [];
  const out = new StreamWriter({ write: async (bytes) => void chunks.push(bytes.slice()) });
  const ram = new RamSaver(memory);
  // What earlier boards have marked does not matter.
  memory.dirty.collect(0, memory.dirty.pages, new Uint8Array(memory.dirty.pages));
  for (const { host } of memory.blocks) memory.dirty.mark(host, pages * 4096);
  new Uint8Array(memory.memory)[(memory.blocks[0]?.host ?? 0) + 100] = 1;
  await ram.sync();
  await write(out, ram, port);
  await out.drain();
  return new Uint8Array(Buffer.concat(chunks));
}
/** The pages that are left, and the end. */
function writeRest(out: StreamWriter, ram: RamSaver): void {
  while (ram.remaining > 0) writeRamPart(out, ram, 5);
  writeRamEnd(out);
}

const good = await streamOf(2, async (out, ram, port) => {
  writeHeader(out);
  writeCommand(out, Command.OpenReturnPath);
  writeCommand(out, Command.Ping, Uint8Array.of(0, 0, 0, 1));
  writeRamStart(out, ram);
  writeRest(out, ram);
  const sections = saveSections(port);
  await writeSections(out, sections);
  await writeEnd(out, sections);
});
/** The same as a postcopy: half of the pages follow the machine's state. */
const goodPostcopy = await streamOf(4, async (out, ram, port) => {
  writeHeader(out);
  writeCommand(out, Command.OpenReturnPath);
  writeAdvise(out);
  writeRamStart(out, ram);
  writeRamPart(out, ram, 6);
  await writeDiscards(out, ram, port.ram.blocks);
  writePing(out, Ping.Discarded);
  await writePackage(out, saveSections(port));
  writeRest(out, ram);
  out.u8(Mark.Eof);
});
/** What follows when that was interrupted: everything again that may be missing. */
const goodRecovery = await streamOf(4, async (out, ram, port) => {
  writePing(out, Ping.HasPackage);
  await writeDiscards(out, ram, port.ram.blocks);
  await writePackage(out, saveSections(port));
  for (const block of port.ram.blocks) writeBitmapRequest(out, block);
  writeCommand(out, Command.PostcopyResume);
  writeRest(out, ram);
  out.u8(Mark.Eof);
});
/** Most of what can be wrong is in the sections behind the pages. */
const DEVICES_BYTES = 90_000;
const [pages, devices] = [good.subarray(0, -DEVICES_BYTES), good.subarray(-DEVICES_BYTES)];
/** A peer that sends `bytes`, and hears whatever it is told. */
const inPieces = (bytes: Uint8Array, pieceBytes: number): ByteChannel => {
  let at = 0;
  return {
    isDuplex: true,
    read: async () => {
      if (at >= bytes.length) return undefined;
      const piece = bytes.slice(at, at + pieceBytes);
      at += pieceBytes;
      return piece;
    },
    write: async () => {},
    close: async () => {},
    abort: () => {},
  };
};

/**
 * Resolves when the machine is there, or its postcopy waits for another connection than those: the second is one of a
 * recovery.
 */
async function load({ migration }: Board, channels: ByteChannel[], postcopy: boolean): Promise<void> {
  let paused: () => void = () => {};
  const untilPaused = (): Promise<void> => new Promise((resolve) => (paused = resolve));
  const clock = { nowNs: () => 0, wallMs: () => 0 };
  const incoming = new IncomingMigration({
    hurry: () => {},
    faults: new FaultService(migration.ram, { clock }),
    rehearsal: { begin() {}, end() {} },
    freshBlocks: [],
    memory: migration.ram,
    machine: {
      loadSections: async (head, bytes) => loadSections(migration, head, bytes),
      runLoaded: async () => migration.finishLoad(),
    },
    channels: {
      listen: async (address) => ({ address, accept: async () => channels.shift() as ByteChannel, close: () => {} }),
    },
    clock,
    timers: { at: () => () => {} },
    autostart: true,
    postcopy,
    blocktime: true,
    preempt: false,
    observer: { status: (status) => status === "postcopy-paused" && paused() },
  });
  const address = { kind: "unix", path: "fuzz" } as const;
  await incoming.listen(address);
  let interrupted = untilPaused();
  const loaded = incoming.load();
  loaded.catch(() => {});
  await Promise.race([loaded, interrupted]);
  while (incoming.status === "postcopy-paused" && channels.length > 0) {
    interrupted = untilPaused();
    await incoming.recover(address);
    await Promise.race([loaded, interrupted]);
  }
}

const stream = target({
  name: "migration-stream",
  input: fc.record({
    bytes: fc.oneof(
      { weight: 20, arbitrary: damaged(good) },
      { weight: 20, arbitrary: damaged(devices).map((tail) => new Uint8Array(Buffer.concat([pages, tail]))) },
      { weight: 20, arbitrary: damaged(goodPostcopy) },
      fc.uint8Array({ maxLength: 200 }),
    ),
    again: fc.option(damaged(goodRecovery)),
    pieceBytes: fc.constantFrom(1 << 20, 65_536, 4096, 1000),
    postcopy: fc.boolean(),
  }),
  errors: [MigrationError],
  shortRuns: 100,
  async run({ bytes, again, pieceBytes, postcopy }) {
    const board = new Board();
    const { migration, layout } = board;
    const missing = new Uint8Array(migration.ram.memory, layout.missingMap, layout.ramStart - layout.missingMap);
    missing.fill(0);
    new Int32Array(migration.ram.memory)[CONTROL.missingPages] = 0;
    const before = guarded(migration, board).map(sum);
    try {
      const channels = [bytes, ...(again ? [again] : [])].map((stream) => inPieces(stream, pieceBytes));
      await load(board, channels, postcopy);
      must(/^[a-z-]*$/.test(migration.runState), "the run state is a name");
    } finally {
      must(
        guarded(migration, board).every((bytes, i) => sum(bytes) === before[i]),
        "only RAM and declared state are written",
      );
    }
  },
});

const address = target({
  name: "migration-address",
  input: fc.oneof(
    fc.string(),
    fc
      .tuple(fc.constantFrom("tcp:", "unix:", "exec:", "fd:", "file:", "rdma:"), fc.string())
      .map((parts) => parts.join("")),
    fc.array(
      fc.record({ "channel-type": fc.constantFrom("main", "x"), addr: fc.dictionary(fc.string(), fc.anything()) }),
    ),
  ),
  errors: [MigrationError],
  shortRuns: 300,
  run(input) {
    if (typeof input === "string") parseUri(input);
    else parseChannels(input);
  },
});

export const MIGRATION_TARGETS = [stream, address];
