/**
 * Pages of a postcopy that have come, and what is known of who waited for them.
 *
 *   fault -> begin;   page -> in place -> end -> the waiter runs on
 *
 * Thread: any of the migration's, an object each. A fault is accounted before the page that ends it is placed.
 */
import { Blocktime } from "#control/migration/blocktime.ts";
import type { BlocktimeFigures } from "#control/migration/blocktime-figures.ts";
import { type LoadBlock, writePage } from "#control/migration/ram-load.ts";
import { PAGE_BYTES } from "#control/migration/wire.ts";
import type { Clock, Urgency } from "#core/host.ts";
import { NO_TRACE, type Trace } from "#core/trace.ts";
import type { MigrationMemory } from "#machine/migration-memory.ts";
import type { PageFault } from "#machine/page-faults.ts";

export type PlacerHost = {
  readonly clock: Clock;
  readonly trace?: Trace | undefined;
  /**
   * Of a thread that does not go before others: it does while it wakes one that does. It would lose its processor to it
   * with a lock of the engine held that the other wants.
   */
  readonly urgency?: Urgency | undefined;
};

export class PagePlacer {
  readonly #memory: MigrationMemory;
  readonly #clock: Clock;
  readonly #trace: Trace;
  readonly #urgency: Urgency | undefined;
  readonly #blocktime: Blocktime | undefined;

  /** `blocktime`: where account is kept of who was blocked, and how long. */
  constructor(
    memory: MigrationMemory,
    { clock, trace = NO_TRACE, urgency }: PlacerHost,
    blocktime?: SharedArrayBuffer,
  ) {
    this.#memory = memory;
    this.#clock = clock;
    this.#trace = trace;
    this.#urgency = urgency;
    if (!blocktime) return;
    const isReceived = (page: number): boolean => memory.faults.isHere(page);
    this.#blocktime = new Blocktime(blocktime, 0, { vcpus: memory.vcpuCount }, { isReceived, trace });
  }

  /** Nothing has been counted yet. */
  reset(): void {
    this.#blocktime?.reset();
  }
  figures(): BlocktimeFigures | undefined {
    return this.#blocktime?.read();
  }

  /** Somebody waits. As `BeginFault`. */
  readonly begin = ({ page, vcpu, sinceNs }: PageFault): boolean =>
    // Two threads' clocks agree to about a microsecond.
    this.#blocktime?.begin(page, vcpu, Math.min(sinceNs, this.#clock.nowNs())) ?? true;

  /** A page that has come. One that was not missing has come before: the machine may have written it since. */
  place(block: LoadBlock, address: number, bytes: Uint8Array | number): void {
    const { faults } = this.#memory;
    const page = faults.pageOf(block.host + address);
    if (!faults.isMissing(page)) return;
    writePage(block, address, bytes);
    if (faults.isAwaited(page)) this.#serve(page);
    else faults.placed(page, this.begin);
    if (this.#blocktime?.isAwaited(page)) this.#blocktime.end(page, this.#clock.nowNs());
    this.#trace.postcopy_place_page?.(page * PAGE_BYTES, Math.floor(this.#clock.nowNs()));
  }

  #serve(page: number): void {
    this.#urgency?.raise();
    try {
      this.#memory.faults.placed(page, this.begin);
    } finally {
      this.#urgency?.lower();
    }
  }
}

/** Room for the account of a machine. */
export function blocktimeMemory({ vcpuCount }: MigrationMemory): SharedArrayBuffer {
  return new SharedArrayBuffer(Blocktime.lengthBytes({ vcpus: vcpuCount }));
}
