/**
 * The destination of a postcopy: which pages are missing, and those that come with the stream.
 *
 *   list of missing pages -> expected;   page -> in place -> who waited for it runs on (page-placer.ts)
 *
 * Thread: migration's.
 */
import type { BlocktimeFigures } from "#control/migration/blocktime-figures.ts";
import type { Faults } from "#control/migration/fault-service.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import { blocktimeMemory, PagePlacer, type PlacerHost } from "#control/migration/page-placer.ts";
import type { LoadBlock, RamBlocks } from "#control/migration/ram-load.ts";
import type { ReceivedPages } from "#control/migration/return-path.ts";
import { PAGE_BYTES } from "#control/migration/wire.ts";
import { ByteReader } from "#core/bytes.ts";
import type { MigrationMemory } from "#machine/migration-memory.ts";

export type PostcopyLoaderOptions = PlacerHost & {
  readonly memory: MigrationMemory;
  readonly faults: Pick<Faults, "start">;
  /** Keep account of who was blocked, and how long. */
  readonly blocktime: boolean;
};

export class PostcopyLoader {
  readonly #options: PostcopyLoaderOptions;
  readonly #memory: MigrationMemory;
  readonly #blocks: RamBlocks;
  readonly #blocktime: SharedArrayBuffer | undefined;
  readonly #placer: PagePlacer;
  /** The machine may run: from now on a page comes once. */
  isListening = false;

  constructor(blocks: RamBlocks, options: PostcopyLoaderOptions) {
    this.#options = options;
    this.#memory = options.memory;
    this.#blocks = blocks;
    if (options.blocktime) this.#blocktime = blocktimeMemory(options.memory);
    this.#placer = new PagePlacer(options.memory, options, this.#blocktime);
  }

  /** The data of RAM_DISCARD: u8 0, name, u8 0, {be64 start, be64 length}... Throws `MigrationError`. */
  discard(data: Uint8Array): void {
    const from = new ByteReader(data);
    if (from.u8() !== 0) throw new MigrationError("the list of missing pages has an unknown version");
    const block = this.#blocks.listed(from.shortString());
    from.u8();
    while (from.position < data.length) {
      const [start, lengthBytes] = [Number(from.u64()), Number(from.u64())];
      if (start % PAGE_BYTES !== 0 || start + lengthBytes > block.sizeBytes) {
        throw new MigrationError(`missing pages at 0x${start.toString(16)} are not in the RAM block '${block.name}'`);
      }
      // A block may end within a page.
      if (block.own) {
        this.#memory.faults.expect(this.#pageOf(block.own, start), Math.ceil(lengthBytes / PAGE_BYTES));
      }
    }
  }

  /** From now on vCPUs and devices may wait. */
  listen(): void {
    if (this.isListening) return;
    this.isListening = true;
    this.#placer.reset();
    const { trace, faults } = this.#options;
    for (let vcpu = 0; vcpu < this.#memory.vcpuCount; vcpu++) trace?.postcopy_blocktime_tid_cpu_map?.(vcpu, vcpu);
    faults.start({ blocks: this.#blocks.all, blocktime: this.#blocktime });
  }

  /** A page that has come. */
  place(block: LoadBlock, address: number, bytes: Uint8Array | number): void {
    this.#placer.place(block, address, bytes);
  }

  get missingPages(): number {
    return this.#memory.faults.missingCount;
  }
  figures(): BlocktimeFigures | undefined {
    return this.isListening ? this.#placer.figures() : undefined;
  }

  /** Which pages of a block are here. Throws `MigrationError`. */
  received(name: string): ReceivedPages {
    const block = this.#blocks.listed(name);
    const pages = Math.ceil(block.sizeBytes / PAGE_BYTES);
    const bits = new Uint8Array(Math.ceil(pages / 8));
    const first = block.own ? this.#pageOf(block.own, 0) : 0;
    for (let page = 0; page < pages; page++) {
      const isHere = !block.own || !this.#memory.faults.isMissing(first + page);
      if (isHere) bits[page >>> 3] = (bits[page >>> 3] as number) | (1 << (page & 7));
    }
    return { name, bits };
  }

  #pageOf({ host }: LoadBlock, address: number): number {
    return this.#memory.faults.pageOf(host + address);
  }
}
