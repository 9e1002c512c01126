/**
 * The destination's side of the section "ram": block list and pages, written into the machine's RAM blocks and nowhere
 * else.
 *
 *   START: total | MEM_SIZE, {name, length}..., EOS;   PART, END: {address | flags, [name], page or fill byte}..., EOS
 */
import { MigrationError } from "#control/migration/migration-error.ts";
import type { StreamReader } from "#control/migration/stream-reader.ts";
import { PAGE_BYTES, RAM_FLAGS_MASK, RamFlag } from "#control/migration/wire.ts";
import { isZero } from "#control/migration/zero-page.ts";

/** A block of the machine. */
export type LoadBlock = { readonly name: string; readonly bytes: Uint8Array };
/** A block of the stream; one without bytes is dropped. */
type StreamBlock = { readonly name: string; readonly sizeBytes: number; readonly bytes?: Uint8Array };

/** Blocks of the firmware's tables, which QEMU makes for itself. */
const DROPPED_NAME = /^\/rom@/;
const DROPPED_LIMIT_BYTES = 4 << 20;
/** The longest record: address, name, page. */
const RECORD_BYTES = 8 + 256 + PAGE_BYTES;
const FLAGS = RAM_FLAGS_MASK + 1;

export class RamLoader {
  readonly #own: ReadonlyMap<string, LoadBlock>;
  readonly #listed = new Map<string, StreamBlock>();
  #current: StreamBlock | undefined;

  constructor(blocks: readonly LoadBlock[]) {
    this.#own = new Map(blocks.map((block) => [block.name, block]));
  }

  /** Reads the body of START. Rejects with `MigrationError`. */
  async loadList(reader: StreamReader): Promise<void> {
    await reader.need(8);
    const word = reader.u64();
    if (word % FLAGS !== RamFlag.MemSize) throw new MigrationError("the list of RAM blocks does not begin as one");
    let left = word - RamFlag.MemSize;
    while (left > 0) {
      const name = await reader.shortString();
      await reader.need(8);
      const sizeBytes = reader.u64();
      this.#list(name, sizeBytes);
      left -= sizeBytes;
    }
    if (left !== 0) throw new MigrationError("the RAM blocks are not as long together as their list says");
    for (const name of this.#own.keys()) {
      if (!this.#listed.has(name)) throw new MigrationError(`the source has no RAM block '${name}'`);
    }
    await this.load(reader);
  }

  #list(name: string, sizeBytes: number): void {
    if (this.#listed.has(name)) throw new MigrationError(`the RAM block '${name}' is listed twice`);
    const own = this.#own.get(name);
    if (!own && DROPPED_NAME.test(name) && sizeBytes > 0 && sizeBytes <= DROPPED_LIMIT_BYTES) {
      this.#listed.set(name, { name, sizeBytes });
      return;
    }
    if (!own) throw new MigrationError(`unknown RAM block '${name}'; give the machine the source's devices`);
    if (own.bytes.length !== sizeBytes) {
      throw new MigrationError(
        `the RAM block '${name}' has ${sizeBytes} bytes at the source and ${own.bytes.length} here; give both the same -m`,
      );
    }
    this.#listed.set(name, { name, sizeBytes, bytes: own.bytes });
  }

  /** Reads the body of PART or END. Rejects with `MigrationError`. */
  async load(reader: StreamReader): Promise<void> {
    for (;;) {
      while (reader.available >= RECORD_BYTES) {
        const word = reader.u64();
        const flags = word % FLAGS;
        if (flags === RamFlag.Eos) return;
        if ((flags & RamFlag.Continue) === 0) this.#select(reader.text(reader.u8()));
        this.#place(reader, word - flags, flags);
      }
      // Near the end of what is there.
      await reader.need(8);
      const word = reader.u64();
      const flags = word % FLAGS;
      if (flags === RamFlag.Eos) return;
      if ((flags & RamFlag.Continue) === 0) this.#select(await reader.shortString());
      await reader.need(flags & RamFlag.Page ? PAGE_BYTES : 1);
      this.#place(reader, word - flags, flags);
    }
  }

  #select(name: string): void {
    this.#current = this.#listed.get(name);
    if (!this.#current) throw new MigrationError(`a page belongs to the RAM block '${name}', which was not listed`);
  }

  #place(reader: StreamReader, address: number, flags: number): void {
    const kind = flags & ~RamFlag.Continue;
    if (kind !== RamFlag.Page && kind !== RamFlag.Zero) {
      throw new MigrationError(`a RAM record has unknown flags 0x${flags.toString(16)}`);
    }
    const block = this.#current;
    if (!block) throw new MigrationError("a page belongs to no RAM block");
    if (address + PAGE_BYTES > block.sizeBytes) {
      throw new MigrationError(`a page lies at 0x${address.toString(16)}, beyond the end of '${block.name}'`);
    }
    const page = block.bytes?.subarray(address, address + PAGE_BYTES);
    if (kind === RamFlag.Page) {
      const bytes = reader.bytes(PAGE_BYTES);
      page?.set(bytes);
      return;
    }
    const fill = reader.u8();
    // A page that is zero already is not touched: the host need not give it memory.
    if (page && !(fill === 0 && isZero(page))) page.fill(fill);
  }
}
