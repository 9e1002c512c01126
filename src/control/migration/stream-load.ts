/**
 * Reads a migration stream into a machine that is stopped, or that runs already while its pages come. The stream is taken
 * for hostile: whatever is wrong rejects with `MigrationError`, and only RAM blocks and declared state are written.
 *
 *   header -> CONFIGURATION -> commands and sections -> EOF -> VMDESCRIPTION
 *
 * Thread: migration's.
 */
import { MigrationError } from "#control/migration/migration-error.ts";
import type { RamBlocks, RamLoader } from "#control/migration/ram-load.ts";
import type { LoadedSections, NumberedHead } from "#control/migration/section-load.ts";
import type { StreamReader } from "#control/migration/stream-reader.ts";
import { Command, MAGIC, Mark, RAM_SECTION, STREAM_VERSION } from "#control/migration/wire.ts";

/** What is done with a stream. */
export type StreamSink = {
  readonly blocks: RamBlocks;
  /** Pages of this connection. */
  readonly pages: RamLoader;
  /** As `loadSections`. */
  loadSections(head: NumberedHead, bytes: Uint8Array): Promise<LoadedSections | undefined>;
  /** A command other than the package, whose data has the right length. Throws or rejects with `MigrationError`. */
  command(command: number, data: Uint8Array): Promise<void> | void;
  /** The stream within the package, whole; what follows it is read when this resolves. */
  packaged(bytes: Uint8Array): Promise<void>;
};

/** The machine's type as the source calls it; QEMU's aliases of versioned types begin with it. */
const MACHINE_NAME = "virt";
const NAME_LIMIT_BYTES = 256;
const DESCRIPTION_LIMIT_BYTES = 16 << 20;
const PACKAGE_LIMIT_BYTES = 64 << 20;
/** No section of ours is longer. */
const SECTION_LIMIT_BYTES = 1 << 20;
/** What is looked at first: most sections are shorter. */
const SECTION_BYTES = 8192;

/** Length of each command's data; -1: any. */
const COMMAND_BYTES: ReadonlyMap<number, number> = new Map([
  [Command.OpenReturnPath, 0],
  [Command.Ping, 4],
  [Command.PostcopyAdvise, 16],
  [Command.PostcopyListen, 0],
  [Command.PostcopyRun, 0],
  [Command.PostcopyRamDiscard, -1],
  [Command.Packaged, 4],
  [Command.PostcopyResume, 0],
  [Command.RecvBitmap, -1],
  [Command.SwitchoverStart, 0],
]);

export class StreamLoader {
  readonly #reader: StreamReader;
  readonly #sink: StreamSink;
  /** Sections that went on by START: all of them are RAM. */
  readonly #started: Set<number>;

  /** `before`: the loader of the same stream over a connection that is gone. */
  constructor(reader: StreamReader, sink: StreamSink, before?: StreamLoader) {
    this.#reader = reader;
    this.#sink = sink;
    this.#started = before ? before.#started : new Set();
  }

  /** Rejects with `MigrationError`, or the channel's error. */
  async header(): Promise<void> {
    const reader = this.#reader;
    await reader.need(8);
    if (reader.u32() !== MAGIC) throw new MigrationError("this is not a migration stream");
    const version = reader.u32();
    if (version !== STREAM_VERSION)
      throw new MigrationError(`the stream has version ${version}, not ${STREAM_VERSION}`);
  }

  /** Commands and sections up to EOF. */
  async body(): Promise<void> {
    while (await this.#next());
  }

  /** Those of a package, which has no EOF. */
  async package(): Promise<void> {
    while (await this.#reader.hasMore()) {
      if (!(await this.#next())) throw new MigrationError("the package ends early");
    }
  }

  /** False behind EOF. */
  async #next(): Promise<boolean> {
    const reader = this.#reader;
    await reader.need(1);
    const mark = reader.u8();
    switch (mark) {
      case Mark.Eof:
        return false;
      case Mark.Configuration:
        await this.#configuration();
        return true;
      case Mark.Command:
        await this.#command();
        return true;
      case Mark.Start:
      case Mark.Full:
        await this.#whole(mark);
        return true;
      case Mark.Part:
      case Mark.End: {
        await reader.need(4);
        const id = reader.u32();
        if (!this.#started.has(id)) throw new MigrationError(`section ${id} goes on without having begun`);
        await this.#sink.pages.load(reader);
        await this.#footer(id);
        return true;
      }
      default:
        throw new MigrationError(`the stream has 0x${mark.toString(16)} where a section should begin`);
    }
  }

  async #configuration(): Promise<void> {
    const reader = this.#reader;
    await reader.need(4);
    const lengthBytes = reader.u32();
    if (lengthBytes > NAME_LIMIT_BYTES) throw new MigrationError("the machine's name in the stream is too long");
    await reader.need(lengthBytes);
    const name = reader.text(lengthBytes);
    if (name !== MACHINE_NAME)
      throw new MigrationError(`the source is a '${name}'; this machine is a '${MACHINE_NAME}'`);
  }

  async #whole(mark: number): Promise<void> {
    const reader = this.#reader;
    await reader.need(4);
    const id = reader.u32();
    const name = await reader.shortString();
    await reader.need(8);
    const [instanceId, version] = [reader.u32(), reader.u32()];
    if (name === RAM_SECTION.name && mark === Mark.Start) {
      if (version !== RAM_SECTION.version || this.#started.size > 0) {
        throw new MigrationError(`section 'ram' of version ${version} comes twice, or is not of version 4`);
      }
      this.#started.add(id);
      await this.#sink.blocks.read(reader);
      await this.#sink.pages.load(reader);
      await this.#footer(id);
    } else await this.#footer(await this.#sections({ id, name, instanceId, version }));
  }

  /**
   * A section says nothing of its length: it is tried with what has come, and again when more has. Those that have come
   * behind it are loaded at once; resolves with the last one's number.
   */
  async #sections(head: NumberedHead): Promise<number> {
    const reader = this.#reader;
    for (let mostBytes = SECTION_BYTES; ; ) {
      const bytes = reader.peek(mostBytes);
      const loaded = await this.#sink.loadSections(head, bytes);
      if (loaded) {
        reader.bytes(loaded.lengthBytes);
        return loaded.id;
      }
      if (bytes.length >= SECTION_LIMIT_BYTES) {
        throw new MigrationError(`section '${head.name}' is longer than ${SECTION_LIMIT_BYTES} bytes`);
      }
      if (bytes.length < mostBytes) await reader.need(bytes.length + 1);
      else mostBytes *= 2;
    }
  }

  async #footer(id: number): Promise<void> {
    const reader = this.#reader;
    await reader.need(5);
    const [mark, own] = [reader.u8(), reader.u32()];
    if (mark !== Mark.Footer || own !== id) throw new MigrationError(`section ${id} does not end where it should`);
  }

  async #command(): Promise<void> {
    const reader = this.#reader;
    await reader.need(4);
    const [command, lengthBytes] = [reader.u16(), reader.u16()];
    const expected = COMMAND_BYTES.get(command);
    if (expected === undefined) {
      throw new MigrationError(`the stream has command ${command}, which is not available in this version`);
    }
    if (expected >= 0 && lengthBytes !== expected) {
      throw new MigrationError(`command ${command} has ${lengthBytes} bytes, not ${expected}`);
    }
    await reader.need(lengthBytes);
    if (command === Command.Packaged) return this.#package();
    await this.#sink.command(command, reader.bytes(lengthBytes).slice());
  }

  async #package(): Promise<void> {
    const reader = this.#reader;
    const lengthBytes = reader.u32();
    if (lengthBytes > PACKAGE_LIMIT_BYTES) {
      throw new MigrationError(`the machine's state in the stream has ${lengthBytes} bytes, which is too much`);
    }
    await reader.need(lengthBytes);
    await this.#sink.packaged(reader.bytes(lengthBytes).slice());
  }

  /** The source's own description behind EOF, which nothing here needs; a stream that is told to be without has none. */
  async description(): Promise<void> {
    const reader = this.#reader;
    try {
      await reader.need(5);
    } catch {
      return;
    }
    if (reader.u8() !== Mark.VmDescription) return;
    let left = reader.u32();
    if (left > DESCRIPTION_LIMIT_BYTES) return;
    while (left > 0) {
      await reader.need(1);
      const part = Math.min(left, reader.available);
      reader.bytes(part);
      left -= part;
    }
  }
}
