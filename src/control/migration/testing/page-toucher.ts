/**
 * A thread that stands for a vCPU: it touches pages in an order of its own and waits for those that are missing.
 * Bundled for a worker by blocktime.threads.test.ts.
 */
import { Blocktime } from "../blocktime.ts";

export type Shared = {
  readonly memory: SharedArrayBuffer;
  /** A word a page: 1 when it was received. */
  readonly received: Int32Array;
  readonly vcpus: number;
};

/** Returns how many faults it recorded. */
export function touchPages(shared: Shared, vcpu: number, nowNs: () => number): number {
  const { memory, received, vcpus } = shared;
  const isReceived = (page: number): boolean => Atomics.load(received, page) === 1;
  const blocktime = new Blocktime(memory, 0, { vcpus }, { isReceived });
  let faults = 0;
  for (let step = 0; step < received.length; step++) {
    // Near the pages that arrive just now, sometimes before and sometimes behind them.
    const page = (step + ((step * 7919 * (vcpu + 1)) % 5)) % received.length;
    if (isReceived(page)) continue;
    if (!blocktime.begin(page, vcpu, nowNs())) continue;
    faults++;
    while (!isReceived(page)) Atomics.wait(received, page, 0);
  }
  return faults;
}
