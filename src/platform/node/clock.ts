/**
 * The host's clock and the machine thread's timers, in Node.
 *
 * `nowNs` is CLOCK_MONOTONIC, as every thread of the host sees it. `performance.now()` is that clock less the start
 * of the calling thread, as a plain number; the difference is measured once for each thread, so that the hot path
 * makes no array and no BigInt.
 * Thread: any; each makes its own clock.
 */
import type { Clock, Timers } from "#core/host.ts";

const CALIBRATION_SAMPLES = 200;
/** `setTimeout` takes a signed 32-bit number of milliseconds. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Makes the calling thread's view of the common clock; two threads agree to about a microsecond. */
export function nodeClock(): Clock {
  const originNs = monotonicOriginNs();
  return {
    nowNs: () => performance.now() * 1e6 + originNs,
    wallMs: () => Date.now(),
  };
}

/** CLOCK_MONOTONIC at `performance.now() === 0`, from the sample whose two outer readings lie closest together. */
function monotonicOriginNs(): number {
  let originNs = 0;
  let tightestMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < CALIBRATION_SAMPLES; i++) {
    const beforeMs = performance.now();
    const [seconds, nanoseconds] = process.hrtime();
    const afterMs = performance.now();
    if (afterMs - beforeMs >= tightestMs) continue;
    tightestMs = afterMs - beforeMs;
    originNs = seconds * 1e9 + nanoseconds - ((beforeMs + afterMs) / 2) * 1e6;
  }
  return originNs;
}

/** Timers on the event loop; late by up to a millisecond and by whatever else the thread is doing. Thread: machine. */
export function nodeTimers(clock: Clock): Timers {
  return {
    at(atNs, callback) {
      let handle: NodeJS.Timeout | undefined;
      const arm = (): void => {
        const delayMs = Math.ceil((atNs - clock.nowNs()) / 1e6);
        if (delayMs > MAX_DELAY_MS) handle = setTimeout(arm, MAX_DELAY_MS);
        else handle = setTimeout(() => (clock.nowNs() < atNs ? arm() : callback()), Math.max(delayMs, 0));
      };
      arm();
      return () => clearTimeout(handle);
    },
  };
}
