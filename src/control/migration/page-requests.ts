/** What the destination of one connection wants first: kept until it can be sent, then sent before everything else. */
import { MigrationError } from "#control/migration/migration-error.ts";
import type { WantedPages } from "#control/migration/return-path.ts";
import { PAGE_BYTES } from "#control/migration/wire.ts";

/** Requests that wait, and pages of one. More than there are pages is a destination that does not know what it does. */
const LIMIT = 65_536;
const LIMIT_BYTES = 64 * PAGE_BYTES;

export class PageRequests {
  #waiting: WantedPages[] = [];
  /** Of the request that is next. */
  #next = 0;
  #isServing = false;
  /** The connection is gone: nothing is sent over it any more. */
  #isOver = false;

  add(pages: WantedPages): void {
    if (this.#waiting.length < LIMIT) this.#waiting.push(pages);
  }
  end(): void {
    this.#isOver = true;
  }

  /**
   * Sends what is wanted now and until that has gone out, unless somebody does already. `write` writes what is still to
   * be sent of a request and is false when there are no such pages; `flush` hands it to the connection. Rejects with
   * `MigrationError`, or the connection's error.
   */
  async serve(write: (pages: WantedPages) => boolean, flush: () => Promise<void>): Promise<void> {
    if (this.#isServing) return;
    this.#isServing = true;
    try {
      for (let pages = this.#take(); pages && !this.#isOver; pages = this.#take()) {
        if (pages.lengthBytes > LIMIT_BYTES || !write(pages)) {
          throw new MigrationError(`the destination wants pages that '${pages.name}' has not`);
        }
        await flush();
      }
    } finally {
      this.#isServing = false;
    }
  }

  #take(): WantedPages | undefined {
    const pages = this.#waiting[this.#next++];
    if (pages === undefined) {
      this.#waiting = [];
      this.#next = 0;
    }
    return pages;
  }
}
