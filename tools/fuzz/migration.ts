/**
 * Migration streams that were damaged on the way, or made up: the destination loads them or refuses them with an error
 * of its own, and writes nothing but RAM blocks and the state of harts and devices.
 */
import * as fc from "fast-check";
import { parseChannels, parseUri } from "#control/migration/address.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import { RamSaver } from "#control/migration/ram-save.ts";
import { StreamLoader } from "#control/migration/stream-load.ts";
import { StreamReader } from "#control/migration/stream-reader.ts";
import {
  writeCommand,
  writeDevices,
  writeEnd,
  writeHeader,
  writeRamEnd,
  writeRamPart,
  writeRamStart,
} from "#control/migration/stream-save.ts";
import { StreamWriter } from "#control/migration/stream-writer.ts";
import { Command } from "#control/migration/wire.ts";
import { CONTROL, VCPU_TLBS } from "#cpu/vcpu/layout.ts";
import type { MigrationPort } from "#machine/migration-port.ts";
import { Board } from "./board.ts";
import { damaged } from "./mutation.ts";
import { must, target } from "./target.ts";

/** A stream with a few pages of each block. */
async function goodStream(): Promise<Uint8Array> {
  const { migration: port } = new Board();
  const chunks: Uint8Array[] = [];
  const out = new StreamWriter({ write: async (bytes) => void chunks.push(bytes.slice()) });
  const ram = new RamSaver(port);
  // What earlier boards have marked does not matter.
  port.dirty.collect(0, port.dirty.pages, new Uint8Array(port.dirty.pages));
  for (const { host } of port.blocks) port.dirty.mark(host, 2 * 4096);
  new Uint8Array(port.memory)[(port.blocks[0]?.host ?? 0) + 100] = 1;
  await ram.sync();
  writeHeader(out);
  writeCommand(out, Command.OpenReturnPath);
  writeCommand(out, Command.Ping, Uint8Array.of(0, 0, 0, 1));
  writeRamStart(out, ram);
  while (ram.remaining > 0) writeRamPart(out, ram, 5);
  writeRamEnd(out);
  await writeEnd(out, await writeDevices(out, port));
  await out.drain();
  return new Uint8Array(Buffer.concat(chunks));
}

/** What a stream must not touch: control words but for the doorbell's and the clock's, TLBs, page maps. */
export function guarded({ memory }: MigrationPort, { layout }: Board): readonly Uint8Array[] {
  const view = (start: number, end: number): Uint8Array => new Uint8Array(memory, start, end - start);
  return [
    view(4 * (CONTROL.dirtyAnswers + 1), 768),
    view(792, 2560),
    view(layout.vcpus + VCPU_TLBS, layout.vcpus + layout.codePages),
    view(layout.dirtyMap, layout.ramStart),
  ];
}

export function sum(bytes: Uint8Array): number {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  let hash = 0;
  for (const word of words) hash = (Math.imul(hash, 31) + word) | 0;
  return hash;
}

const good = await goodStream();
/** Most of what can be wrong is in the sections behind the pages. */
const DEVICES_BYTES = 90_000;
const [pages, devices] = [good.subarray(0, -DEVICES_BYTES), good.subarray(-DEVICES_BYTES)];
const inPieces = (bytes: Uint8Array, pieceBytes: number): StreamReader => {
  let at = 0;
  return new StreamReader({
    read: async () => {
      if (at >= bytes.length) return undefined;
      const piece = bytes.slice(at, at + pieceBytes);
      at += pieceBytes;
      return piece;
    },
  });
};

const stream = target({
  name: "migration-stream",
  input: fc.record({
    bytes: fc.oneof(
      { weight: 20, arbitrary: damaged(good) },
      { weight: 20, arbitrary: damaged(devices).map((tail) => new Uint8Array(Buffer.concat([pages, tail]))) },
      fc.uint8Array({ maxLength: 200 }),
    ),
    pieceBytes: fc.constantFrom(1 << 20, 65_536, 4096, 1000),
  }),
  errors: [MigrationError],
  shortRuns: 100,
  async run({ bytes, pieceBytes }) {
    const board = new Board();
    const { migration } = board;
    const before = guarded(migration, board).map(sum);
    const answers: number[] = [];
    const loader = new StreamLoader(migration, inPieces(bytes, pieceBytes), () => ({
      pong: async (value) => void answers.push(value),
    }));
    try {
      await loader.load();
      migration.finishLoad();
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
