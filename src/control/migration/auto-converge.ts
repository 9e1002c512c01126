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
    const tolerated = (sent * parameters["throttle-trigger-threshold"]) / 100;
    if (dirtyBytes <= tolerated) return;
    if (++this.#tooMuch < PATIENCE) return;
    this.#tooMuch = 0;
    const more = (): number => {
      const increment = parameters["cpu-throttle-increment"];
      if (!parameters["cpu-throttle-tailslow"]) return increment;
      // No more than takes the writes down to what is tolerated.
      const runs = 100 - this.percent;
      return Math.min(Math.trunc(runs - (runs * tolerated) / dirtyBytes), increment);
    };
    const percent = this.percent === 0 ? parameters["cpu-throttle-initial"] : this.percent + more();
    this.percent = Math.min(percent, parameters["max-cpu-throttle"]);
  }
}
