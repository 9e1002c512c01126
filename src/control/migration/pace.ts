/** The speed of a stream: what it may be, and what it is. Times are of the host's clock. */
import type { Clock, Timers } from "#core/host.ts";

/** Limit and measurement go by slices of this. */
const SLICE_NS = 100e6;

export class Pace {
  readonly #clock: Clock;
  readonly #timers: Timers;
  #sliceStartNs: number;
  #sliceBytes = 0;
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
    if (isOver && passedNs < SLICE_NS) await this.#until(this.#sliceStartNs + SLICE_NS);
    if (isOver || passedNs >= SLICE_NS) {
      const now = this.#clock.nowNs();
      this.bytesPerSecond = (sent * 1e9) / (now - this.#sliceStartNs);
      this.#sliceStartNs = now;
      this.#sliceBytes = writtenBytes;
    }
  }

  #until(atNs: number): Promise<void> {
    return new Promise((resolve) => void this.#timers.at(atNs, resolve));
  }
}
