/**
 * Reads a migration stream into a machine that is stopped. The stream is taken for hostile: whatever is wrong rejects
 * with `MigrationError`, and only RAM blocks and declared state are written.
 *
 *   header -> CONFIGURATION -> commands and sections -> EOF -> VMDESCRIPTION
 *
 * Thread: machine; it waits for the channel after at most a buffer's work.
 */
import { MigrationError } from "#control/migration/migration-error.ts";
import { RamLoader } from "#control/migration/ram-load.ts";
import { loadSection } from "#control/migration/section-load.ts";
import type { StreamReader } from "#control/migration/stream-reader.ts";
import { Command, MAGIC, Mark, RAM_SECTION, STREAM_VERSION } from "#control/migration/wire.ts";
import type { MigrationPort } from "#machine/migration-port.ts";

/** What the destination tells the source. */
export type ReturnPath = { pong(value: number): Promise<void> };

/** The machine's type as the source calls it; QEMU's aliases of versioned types begin with it. */
const MACHINE_NAME = "virt";
const NAME_LIMIT_BYTES = 256;
const DESCRIPTION_LIMIT_BYTES = 16 << 20;

export class StreamLoader {
  readonly #port: MigrationPort;
  readonly #reader: StreamReader;
  readonly #openReturnPath: () => ReturnPath | undefined;
  readonly #ram: RamLoader;
  /** Sections that went on by START: all of them are RAM. */
  readonly #started = new Set<number>();
  #returnPath: ReturnPath | undefined;

  constructor(port: MigrationPort, reader: StreamReader, openReturnPath: () => ReturnPath | undefined) {
    this.#port = port;
    this.#reader = reader;
    this.#openReturnPath = openReturnPath;
    this.#ram = new RamLoader(
      port.blocks.map(({ name, host, sizeBytes }) => ({ name, bytes: new Uint8Array(port.memory, host, sizeBytes) })),
    );
  }

  /** Rejects with `MigrationError`, or the channel's error. */
  async load(): Promise<void> {
    await this.#header();
    while (await this.#next());
    await this.#description();
  }

  async #header(): Promise<void> {
    const reader = this.#reader;
    await reader.need(8);
    if (reader.u32() !== MAGIC) throw new MigrationError("this is not a migration stream");
    const version = reader.u32();
    if (version !== STREAM_VERSION)
      throw new MigrationError(`the stream has version ${version}, not ${STREAM_VERSION}`);
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
        await this.#ram.load(reader);
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
    const instanceId = reader.u32();
    const version = reader.u32();
    if (name === RAM_SECTION.name && mark === Mark.Start) {
      if (version !== RAM_SECTION.version || this.#started.size > 0) {
        throw new MigrationError(`section 'ram' of version ${version} comes twice, or is not of version 4`);
      }
      this.#started.add(id);
      await this.#ram.loadList(reader);
    } else await loadSection(this.#port, reader, name, instanceId, version);
    await this.#footer(id);
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
    const command = reader.u16();
    const lengthBytes = reader.u16();
    await reader.need(lengthBytes);
    const data = reader.bytes(lengthBytes).slice();
    const expect = (bytes: number): void => {
      if (lengthBytes !== bytes) throw new MigrationError(`command ${command} has ${lengthBytes} bytes, not ${bytes}`);
    };
    switch (command) {
      case Command.OpenReturnPath:
        expect(0);
        this.#returnPath ??= this.#openReturnPath();
        return;
      case Command.Ping:
        expect(4);
        await this.#returnPath?.pong(new DataView(data.buffer).getUint32(0));
        return;
      case Command.SwitchoverStart:
        expect(0);
        return;
      default:
        throw new MigrationError(`the stream has command ${command}, which is not available in this version`);
    }
  }

  /** The source's own description, which nothing here needs; a stream that is told to be without has none. */
  async #description(): Promise<void> {
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
