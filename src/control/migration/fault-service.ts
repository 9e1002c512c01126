/**
 * Takes the faults of a postcopy, asks the source for their pages, and places those that come over a connection of their
 * own: QEMU's fault thread and preempt thread.
 *
 *   vCPU, device -> fault -> request -> source -> urgent channel -> begin -> page in place -> end
 *
 * Where the host can, who waits asks itself, past everybody (`page-request.ts`); its fault is accounted before a page that
 * somebody waits for is placed.
 * Thread: the link's, which has nothing else to do.
 */
import { type LoadBlock, type ListedBlock, RamBlocks, RamLoader } from "#control/migration/ram-load.ts";
import { PagePlacer, type PlacerHost } from "#control/migration/page-placer.ts";
import { ReturnPathWriter } from "#control/migration/return-path.ts";
import { StreamReader } from "#control/migration/stream-reader.ts";
import { PAGE_BYTES } from "#control/migration/wire.ts";
import type { ByteChannel } from "#core/host.ts";
import type { MigrationMemory } from "#machine/migration-memory.ts";

/** Where waiters ask for their pages themselves. */
export type RequestsDescriptor = {
  readonly descriptor: number;
  /** Nobody uses it any more. */
  close(): void;
};
export type FaultHost = Omit<PlacerHost, "urgency"> & {
  /** Of that connection; undefined, or absent: waiters wake this thread, which asks. */
  openRequests?(channel: ByteChannel): RequestsDescriptor | undefined;
};
export type FaultOptions = {
  /** The stream's RAM blocks. */
  readonly blocks: readonly ListedBlock[];
  /** As `PagePlacer`. */
  readonly blocktime: SharedArrayBuffer | undefined;
};
/** The part of a destination that must not wait behind the stream. */
export type Faults = {
  /** The machine may run: from now on faults are taken. */
  start(options: FaultOptions): void;
  /** Asks for what is waited for over `channel`; undefined: there is none at the moment. */
  requestBy(channel: ByteChannel | undefined): void;
  /** Places what comes over `channel`, which is the caller's to close; resolves at its end. Rejects with `MigrationError` or the channel's error. */
  loadUrgent(channel: ByteChannel): Promise<void>;
  /** No page is missing any more, or nothing is to be asked for. */
  end(): void;
};

export class FaultService implements Faults {
  readonly #memory: MigrationMemory;
  readonly #host: FaultHost;
  readonly #blocks: RamBlocks;
  /** By page, 1: asked for over the connection at hand. */
  readonly #requested: Uint8Array;
  #placer: PagePlacer | undefined;
  #back: ReturnPathWriter | undefined;
  #requests: RequestsDescriptor | undefined;
  #isOver = false;

  constructor(memory: MigrationMemory, host: FaultHost) {
    this.#memory = memory;
    this.#host = host;
    // What has been written is not known here.
    this.#blocks = new RamBlocks(memory, []);
    this.#requested = new Uint8Array(memory.dirty.pages);
  }

  start({ blocks, blocktime }: FaultOptions): void {
    this.#blocks.list(blocks);
    const { clock, trace } = this.#host;
    this.#placer = new PagePlacer(this.#memory, { clock, trace }, blocktime);
    void this.#takeFaults(this.#placer);
  }

  requestBy(channel: ByteChannel | undefined): void {
    const { faults } = this.#memory;
    this.#closeRequests();
    this.#back = channel && new ReturnPathWriter(channel);
    this.#requested.fill(0);
    if (!channel) return;
    this.#requests = this.#host.openRequests?.(channel);
    if (this.#requests) faults.setRequests(this.#requests.descriptor);
    // Twice, if they have asked themselves by now: a page is sent once.
    for (const { page } of faults.waiting()) this.#ask(page);
  }
  #closeRequests(): void {
    if (!this.#requests) return;
    this.#memory.faults.setRequests(0);
    this.#requests.close();
    this.#requests = undefined;
  }

  async loadUrgent(channel: ByteChannel): Promise<void> {
    const place = (block: LoadBlock, address: number, bytes: Uint8Array | number): void =>
      this.#placer?.place(block, address, bytes);
    await new RamLoader(this.#blocks, place).load(new StreamReader(channel));
  }

  end(): void {
    this.#isOver = true;
    this.#memory.wakeFaultWaiters();
    this.#closeRequests();
  }

  async #takeFaults({ begin }: PagePlacer): Promise<void> {
    const { faults } = this.#memory;
    while (!this.#isOver) {
      const seen = this.#memory.faultCount;
      for (let fault = faults.take(begin); fault; fault = faults.take(begin)) this.#ask(fault.page);
      await this.#memory.untilFault(seen);
    }
  }

  #ask(page: number): void {
    if (!this.#back || this.#requested[page] !== 0) return;
    const host = this.#memory.faults.hostOf(page);
    const block = this.#memory.blocks.find((one) => host >= one.host && host < one.host + one.sizeBytes);
    if (!block) return;
    this.#requested[page] = 1;
    // A failure shows in what is read.
    this.#back.request({ name: block.name, start: host - block.host, lengthBytes: PAGE_BYTES }).catch(() => {});
  }
}
