/**
 * The destination of a postcopy: which pages are missing, who waits for them, and how long.
 *
 *   vCPU, device -> fault -> begin -> request -> source;  page -> in place -> end -> the waiter runs on
 *
 * Thread: migration's. Faults are taken before the page that ends them is placed, so that each is accounted.
 */
import { Blocktime } from "#control/migration/blocktime.ts";
import type { BlocktimeFigures } from "#control/migration/blocktime-figures.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import { type LoadBlock, type RamBlocks, writePage } from "#control/migration/ram-load.ts";
import type { ReceivedPages, WantedPages } from "#control/migration/return-path.ts";
import { PAGE_BYTES } from "#control/migration/wire.ts";
import { ByteReader } from "#core/bytes.ts";
import type { Clock } from "#core/host.ts";
import { NO_TRACE, type Trace } from "#core/trace.ts";
import type { MigrationMemory } from "#machine/migration-memory.ts";

export type PostcopyLoaderOptions = {
  readonly memory: MigrationMemory;
  readonly clock: Clock;
  readonly trace?: Trace | undefined;
  /** Keep account of who was blocked, and how long. */
  readonly blocktime: boolean;
};

export class PostcopyLoader {
  readonly #memory: MigrationMemory;
  readonly #blocks: RamBlocks;
  readonly #clock: Clock;
  readonly #trace: Trace;
  readonly #blocktime: Blocktime | undefined;
  /** By page, 1: asked for over the connection at hand. */
  readonly #requested: Uint8Array;
  #request: ((pages: WantedPages) => void) | undefined;
  #isOver = false;
  /** `faultCount` when faults were last taken. */
  #faultsSeen = 0;
  /** The machine may run: from now on a page comes once. */
  isListening = false;

  constructor(blocks: RamBlocks, { memory, clock, trace, blocktime }: PostcopyLoaderOptions) {
    this.#memory = memory;
    this.#blocks = blocks;
    this.#clock = clock;
    this.#trace = trace ?? NO_TRACE;
    this.#requested = new Uint8Array(memory.dirty.pages);
    if (!blocktime) return;
    const size = { vcpus: memory.vcpuCount };
    this.#blocktime = new Blocktime(new SharedArrayBuffer(Blocktime.lengthBytes(size)), 0, size, {
      isReceived: (page) => !memory.faults.isMissing(page),
      trace: this.#trace,
    });
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
    this.#blocktime?.reset();
    for (let vcpu = 0; vcpu < this.#memory.vcpuCount; vcpu++) {
      this.#trace.postcopy_blocktime_tid_cpu_map?.(vcpu, vcpu);
    }
    void this.#takeFaults();
  }

  /** Asks for what is waited for by `request`, a connection's; undefined: there is none at the moment. */
  requestBy(request: ((pages: WantedPages) => void) | undefined): void {
    this.#request = request;
    this.#requested.fill(0);
    if (request) for (const { page } of this.#memory.faults.waiting()) this.#ask(page);
  }

  /** No page is missing any more, or nothing is to be asked for. */
  end(): void {
    this.#isOver = true;
    this.#memory.wakeFaultWaiters();
  }

  /** A page that has come. One that was not missing has come before: the machine may have written it since. */
  place(block: LoadBlock, address: number, bytes: Uint8Array | number): void {
    const { faults } = this.#memory;
    // Sooner than the event loop says so: this thread has much to do.
    if (this.#memory.faultCount !== this.#faultsSeen) this.#account();
    const page = this.#pageOf(block, address);
    if (!faults.isMissing(page)) return;
    writePage(block, address, bytes);
    if (faults.isAwaited(page)) this.#account();
    faults.placed(page);
    if (this.#blocktime?.isAwaited(page)) this.#blocktime.end(page, this.#clock.nowNs());
    this.#trace.postcopy_place_page?.(page * PAGE_BYTES, Math.floor(this.#clock.nowNs()));
  }

  get missingPages(): number {
    return this.#memory.faults.missingCount;
  }
  figures(): BlocktimeFigures | undefined {
    return this.isListening ? this.#blocktime?.read() : undefined;
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

  async #takeFaults(): Promise<void> {
    while (!this.#isOver) {
      this.#account();
      await this.#memory.untilFault(this.#faultsSeen);
    }
  }

  /** Opens a record for every new fault, and asks for its page. */
  #account(): void {
    const { faults } = this.#memory;
    this.#faultsSeen = this.#memory.faultCount;
    for (let fault = faults.take(); fault; fault = faults.take()) {
      // Two threads' clocks agree to about a microsecond.
      const sinceNs = Math.min(fault.sinceNs, this.#clock.nowNs());
      this.#blocktime?.begin(fault.page, fault.vcpu, sinceNs);
      this.#ask(fault.page);
    }
  }

  #ask(page: number): void {
    if (!this.#request || this.#requested[page] !== 0) return;
    const host = this.#memory.faults.hostOf(page);
    const block = this.#memory.blocks.find((one) => host >= one.host && host < one.host + one.sizeBytes);
    if (!block) return;
    this.#requested[page] = 1;
    this.#request({ name: block.name, start: host - block.host, lengthBytes: PAGE_BYTES });
  }

  #pageOf({ host }: LoadBlock, address: number): number {
    return this.#memory.faults.pageOf(host + address);
  }
}
