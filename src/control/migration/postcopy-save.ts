/** What a source writes for postcopy: the announcement, what is still missing, the machine's state, the questions of a recovery. */
import type { SavedSection } from "#control/migration/machine-functions.ts";
import type { WantedPages } from "#control/migration/return-path.ts";
import type { RamSaver } from "#control/migration/ram-save.ts";
import { end, RAM_ID, writeCommand, writeSections } from "#control/migration/stream-save.ts";
import { StreamWriter } from "#control/migration/stream-writer.ts";
import { Command, Mark, PAGE_BYTES, Ping, RamFlag } from "#control/migration/wire.ts";
import { ByteWriter } from "#core/bytes.ts";
import type { RamBlock } from "#cpu/vcpu/layout.ts";

/** Ranges in one command. */
const DISCARDS = 12;
const COMMAND_BYTES = 512;

export function writePing(out: StreamWriter, value: number): void {
  out.u8(Mark.Command);
  out.u16(Command.Ping);
  out.u16(4);
  out.u32(value);
}

/** Postcopy may follow: host and guest have pages of this size. */
export function writeAdvise(out: StreamWriter): void {
  const data = new ByteWriter();
  data.u64(BigInt(PAGE_BYTES));
  data.u64(BigInt(PAGE_BYTES));
  writeCommand(out, Command.PostcopyAdvise, data.finish());
}

/** Pages that were never sent, or were written since. */
export async function writeDiscards(out: StreamWriter, ram: RamSaver, blocks: readonly RamBlock[]): Promise<void> {
  for (const block of blocks) {
    const ranges = [...ram.pendingRanges(block)];
    for (let i = 0; i < ranges.length; i += DISCARDS) {
      const data = new ByteWriter();
      data.u8(0);
      data.shortString(block.name);
      data.u8(0);
      for (const { start, lengthBytes } of ranges.slice(i, i + DISCARDS)) {
        data.u64(BigInt(start));
        data.u64(BigInt(lengthBytes));
      }
      await out.need(COMMAND_BYTES);
      writeCommand(out, Command.PostcopyRamDiscard, data.finish());
    }
  }
}

/** Listen, all devices, run: in one piece, so that the destination has it whole before it runs. */
export async function writePackage(out: StreamWriter, sections: readonly SavedSection[]): Promise<void> {
  const chunks: Uint8Array[] = [];
  const inner = new StreamWriter({ write: async (bytes) => void chunks.push(bytes.slice()) });
  writeCommand(inner, Command.PostcopyListen);
  await writeSections(inner, sections);
  await inner.need(COMMAND_BYTES);
  writePing(inner, Ping.Loaded);
  writeCommand(inner, Command.PostcopyRun);
  await inner.drain();
  await out.need(COMMAND_BYTES);
  const length = new ByteWriter();
  length.u32(inner.written);
  writeCommand(out, Command.Packaged, length.finish());
  for (const chunk of chunks) await out.longBytes(chunk);
  await out.need(COMMAND_BYTES);
  writePing(out, Ping.Packaged);
}

/** Asks which pages of a block have come. */
export function writeBitmapRequest(out: StreamWriter, block: RamBlock): void {
  const name = new ByteWriter();
  name.shortString(block.name);
  writeCommand(out, Command.RecvBitmap, name.finish());
}

/** A section of wanted pages. False when there are no such pages. `out` has been flushed. */
export function writeWanted(out: StreamWriter, ram: RamSaver, { name, start, lengthBytes }: WantedPages): boolean {
  out.u8(Mark.Part);
  out.u32(RAM_ID);
  const isThere = ram.writeWanted(out, name, start, lengthBytes);
  out.u64(RamFlag.Eos);
  end(out, RAM_ID);
  return isThere;
}
