/**
 * The destination's side of the section "ram": block list and pages, written into the machine's RAM blocks and nowhere
 * else.
 *
 *   START: total | MEM_SIZE, {name, length}..., EOS;   PART, END: {address | flags, [name], page or fill byte}..., EOS
 */
import { MigrationError } from "#control/migration/migration-error.ts";
import type { StreamReader } from "#control/migration/stream-reader.ts";
import { PAGE_BYTES, RAM_FLAGS_MASK, RamFlag } from "#control/migration/wire.ts";
import type { RamBlock } from "#cpu/vcpu/layout.ts";
import type { MigrationMemory } from "#machine/migration-memory.ts";

/** Where a page goes: `bytes` is a page, or the byte that fills it. */
export type PlacePage = (block: LoadBlock, address: number, bytes: Uint8Array | number) => void;
/** A block of the machine. */
export type LoadBlock = RamBlock & {
  readonly bytes: Uint8Array;
  /** By page, 1: has been written; absent when anything may have been written before. */
  readonly written?: Uint8Array;
  /** Of a page of it, by its address in the block. */
  readonly isZero: (address: number) => boolean;
  readonly copy: MigrationMemory["copy"];
};
/** A block of the stream. */
export type ListedBlock = { readonly name: string; readonly sizeBytes: number };
/** One without `own` is dropped. */
type StreamBlock = ListedBlock & { readonly own?: LoadBlock };

/** Blocks of the firmware's tables, which QEMU makes for itself. */
const DROPPED_NAME = /^\/rom@/;
const DROPPED_LIMIT_BYTES = 4 << 20;
/** The longest record: address, name, page. */
const RECORD_BYTES = 8 + 256 + PAGE_BYTES;
const FLAGS = RAM_FLAGS_MASK + 1;

/** The blocks of a stream. */
export class RamBlocks {
  readonly #own: ReadonlyMap<string, LoadBlock>;
  readonly #listed = new Map<string, StreamBlock>();

  /** `fresh` are names of blocks that nothing has written: they are zero. */
  constructor(machine: MigrationMemory, fresh: readonly string[]) {
    const own = (block: RamBlock): LoadBlock => ({
      ...block,
      bytes: new Uint8Array(machine.memory, block.host, block.sizeBytes),
      isZero: (address) => machine.isZero(block.host + address, PAGE_BYTES),
      copy: machine.copy,
      ...(fresh.includes(block.name) && { written: new Uint8Array(Math.ceil(block.sizeBytes / PAGE_BYTES)) }),
    });
    this.#own = new Map(machine.blocks.map((block) => [block.name, own(block)]));
  }

  /** Of the machine and of the stream, as every block of the machine must be. Throws `MigrationError`. */
  own(name: string): LoadBlock {
    const block = this.#own.get(name);
    if (!block || !this.#listed.has(name)) throw new MigrationError(`the RAM block '${name}' is not there`);
    return block;
  }

  /** As the list has it. Throws `MigrationError`. */
  listed(name: string): StreamBlock {
    const block = this.#listed.get(name);
    if (!block) throw new MigrationError(`a page belongs to the RAM block '${name}', which was not listed`);
    return block;
  }

  /** Reads the list, which the body of START begins with. Rejects with `MigrationError`. */
  async read(reader: StreamReader): Promise<void> {
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
  }

  /** The list as it has been read. */
  get all(): readonly ListedBlock[] {
    return [...this.#listed.values()].map(({ name, sizeBytes }) => ({ name, sizeBytes }));
  }
  /** Takes a list that another object has read. Throws `MigrationError`. */
  list(blocks: readonly ListedBlock[]): void {
    for (const { name, sizeBytes } of blocks) this.#list(name, sizeBytes);
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
    this.#listed.set(name, { name, sizeBytes, own });
  }
}

/** Pages of one connection. */
export class RamLoader {
  readonly #blocks: RamBlocks;
  readonly #place: PlacePage;
  #current: StreamBlock | undefined;

  constructor(blocks: RamBlocks, place: PlacePage) {
    this.#blocks = blocks;
    this.#place = place;
  }

  /** Reads records up to the end of a section. Rejects with `MigrationError`. */
  async load(reader: StreamReader): Promise<void> {
    for (;;) {
      while (reader.available >= RECORD_BYTES) {
        const word = reader.u64();
        const flags = word % FLAGS;
        if (flags === RamFlag.Eos) return;
        if ((flags & RamFlag.Continue) === 0) this.#current = this.#blocks.listed(reader.text(reader.u8()));
        this.#take(reader, word - flags, flags);
      }
      // Near the end of what is there.
      if (!reader.has(8)) await reader.need(8);
      const word = reader.u64();
      const flags = word % FLAGS;
      if (flags === RamFlag.Eos) return;
      if ((flags & RamFlag.Continue) === 0) {
        if (!reader.has(1)) await reader.need(1);
        const nameBytes = reader.u8();
        if (!reader.has(nameBytes)) await reader.need(nameBytes);
        this.#current = this.#blocks.listed(reader.text(nameBytes));
      }
      const lengthBytes = flags & RamFlag.Page ? PAGE_BYTES : 1;
      if (!reader.has(lengthBytes)) await reader.need(lengthBytes);
      this.#take(reader, word - flags, flags);
    }
  }

  #take(reader: StreamReader, address: number, flags: number): void {
    const kind = flags & ~RamFlag.Continue;
    if (kind !== RamFlag.Page && kind !== RamFlag.Zero) {
      throw new MigrationError(`a RAM record has unknown flags 0x${flags.toString(16)}`);
    }
    const block = this.#current;
    if (!block) throw new MigrationError("a page belongs to no RAM block");
    if (address + PAGE_BYTES > block.sizeBytes) {
      throw new MigrationError(`a page lies at 0x${address.toString(16)}, beyond the end of '${block.name}'`);
    }
    const bytes = kind === RamFlag.Page ? reader.bytes(PAGE_BYTES) : reader.u8();
    if (block.own) this.#place(block.own, address, bytes);
  }
}

/** Puts a page in place while nobody can look. */
export function writePage(
  { bytes: block, written, isZero, copy }: LoadBlock,
  address: number,
  bytes: Uint8Array | number,
): void {
  const index = Math.floor(address / PAGE_BYTES);
  // A page that is zero already is not touched, not even read: the host need not give it memory.
  if (bytes === 0 && written?.[index] === 0) return;
  if (written) written[index] = 1;
  if (typeof bytes !== "number") return copy(block, address, bytes);
  if (!(bytes === 0 && isZero(address))) block.fill(bytes, address, address + PAGE_BYTES);
}
