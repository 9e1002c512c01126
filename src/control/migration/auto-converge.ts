/**
 * Slows the guest down when it writes memory as fast as it is sent, so that a precopy comes to an end.
 *
 *   each look at the dirty map: bytes written, bytes sent since the last -> percent of the time that vCPUs sleep
 */
import type { Parameters } from "#control/migration/parameters.ts";

/** So many looks in a row must show too much. */
const PATIENCE = 2;

export class AutoConverge {
  #tooMuch = 0;
  #sentBytes = 0;
  /** That vCPUs sleep; 0 as long as nothing is slowed down. */
  percent = 0;

  /** `dirtyBytes` were written since the last look; `sentBytes` have been sent in all. */
  looked(dirtyBytes: number, sentBytes: number, parameters: Parameters): void {
    const sent = sentBytes - this.#sentBytes;
    this.#sentBytes = sentBytes;
    if (dirtyBytes <= (sent * parameters["throttle-trigger-threshold"]) / 100) return;
    if (++this.#tooMuch < PATIENCE) return;
    this.#tooMuch = 0;
    const more = this.percent === 0 ? parameters["cpu-throttle-initial"] : parameters["cpu-throttle-increment"];
    this.percent = Math.min(this.percent + more, parameters["max-cpu-throttle"]);
  }
}
