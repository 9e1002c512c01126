/** The speed of a stream: what it may be, and what it is. Times are of the host's clock. */
import type { Clock, Timers } from "#core/host.ts";
import { PAGE_BYTES } from "#control/migration/wire.ts";

/** Limit and measurement go by slices of this. */
const SLICE_NS = 100e6;

/** Pages of one part that keep a stream at `limit` even, `most` at most. */
export function pagesAtOnce(limit: number, most: number): number {
  const inSlice = Math.ceil((limit * SLICE_NS) / 1e9 / PAGE_BYTES);
  return limit > 0 ? Math.max(1, Math.min(most, inSlice)) : most;
}

export class Pace {
  readonly #clock: Clock;
  readonly #timers: Timers;
  #sliceStartNs: number;
  #sliceBytes = 0;
  #hurry: () => void = () => {};
  /** As measured in the last slice; 0 until then. */
  bytesPerSecond = 0;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
    this.#sliceStartNs = clock.nowNs();
  }

  /** `writtenBytes` so far; resolves when more may be written at `limit` bytes a second (0: at any speed). */
  async wrote(writtenBytes: number, limit: number): Promise<void> {
    const sent = writtenBytes - this.#sliceBytes;
    const passedNs = this.#clock.nowNs() - this.#sliceStartNs;
    const isOver = limit > 0 && sent > (limit * SLICE_NS) / 1e9;
    const dueNs = this.#sliceStartNs + (isOver ? (sent * 1e9) / limit : 0);
    if (dueNs > this.#clock.nowNs()) await this.#until(dueNs);
    const now = this.#clock.nowNs();
    // Who was hurried has not used up the slice.
    if ((isOver || passedNs >= SLICE_NS) && now >= dueNs) {
      this.bytesPerSecond = (sent * 1e9) / (now - this.#sliceStartNs);
      this.#sliceStartNs = now;
      this.#sliceBytes = writtenBytes;
    }
  }

  /** Ends the wait under way: something does not wait for the limit. */
  hurry(): void {
    this.#hurry();
  }

  #until(atNs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#timers.at(atNs, resolve);
      this.#hurry = () => {
        cancel();
        resolve();
      };
    });
  }
}
