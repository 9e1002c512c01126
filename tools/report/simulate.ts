/**
 * A plausible record of a postcopy migration, for tests and for trying the report: vCPUs run and touch pages, mostly of
 * a hot set; the source sends pages in order and those that are asked for first; the accounting says what is recorded.
 */
import { Blocktime, NON_VCPU } from "#control/migration/blocktime.ts";
import { makeTrace, TRACE_EVENT_NAMES, type Trace } from "#core/trace.ts";

export type SimulationOptions = {
  readonly vcpus: number;
  /** Pages that are missing at the start. */
  readonly pages: number;
  readonly seed: number;
};

const PAGE_BYTES = 4096;
const FIRST_NS = 1_000_000;
/** The background stream sends a page in this time: 300 MiB/s. */
const PAGE_NS = 13_000;
const ROUND_TRIP_NS = 180_000;
/** A vCPU runs on so long before the record of its page is closed. */
const CLOSE_NS = 4_000;

type Step = { readonly atNs: number; readonly run: (nowNs: number) => void };

/** The lines of the record, in the form of the log of -trace. */
export function simulate(options: SimulationOptions): string {
  const lines: string[] = [];
  const trace = makeTrace(TRACE_EVENT_NAMES, { write: (text) => void lines.push(text), stamp: () => "" });
  new Simulation(options, trace).run();
  return lines.join("");
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #trace: Trace;
  readonly #received: Uint8Array;
  readonly #blocktime: Blocktime;
  readonly #steps: Step[] = [];
  readonly #waiting = new Map<number, number[]>();
  readonly #random: () => number;
  #left: number;
  #next = 0;

  constructor(options: SimulationOptions, trace: Trace) {
    const { vcpus, pages, seed } = options;
    const memory = new SharedArrayBuffer(Blocktime.lengthBytes({ vcpus }));
    this.#options = options;
    this.#trace = trace;
    this.#received = new Uint8Array(pages);
    this.#left = pages;
    this.#random = randomNumbers(seed);
    this.#blocktime = new Blocktime(memory, 0, { vcpus }, { isReceived: (page) => this.#received[page] === 1, trace });
    this.#blocktime.reset();
  }

  run(): void {
    for (let vcpu = 0; vcpu < this.#options.vcpus; vcpu++) {
      this.#trace.postcopy_blocktime_tid_cpu_map?.(vcpu, 100 + vcpu);
      this.#at(FIRST_NS + this.#span(50_000), (now) => this.#touch(vcpu, now));
    }
    this.#at(FIRST_NS + this.#span(5e6), (now) => this.#touch(NON_VCPU, now));
    this.#at(FIRST_NS + ROUND_TRIP_NS, (now) => this.#sendNext(now));
    while (this.#left > 0 || this.#waiting.size > 0) {
      const step = this.#steps.shift();
      if (!step) return;
      step.run(step.atNs);
    }
    for (let step = this.#steps.shift(); step; step = this.#steps.shift()) step.run(step.atNs);
  }

  /** A thread touches a page; on a missing one it waits. */
  #touch(thread: number, now: number): void {
    if (this.#left === 0) return;
    const { pages } = this.#options;
    const isHot = this.#random() < 0.7;
    const page = Math.floor(this.#random() * (isHot ? pages / 8 : pages) + (isHot ? pages * 0.6 : 0)) % pages;
    if (!this.#blocktime.begin(page, thread, now)) {
      this.#runOn(thread, now);
      return;
    }
    if (thread >= 0) this.#trace.postcopy_vcpu_down?.(thread, now);
    const waiting = this.#waiting.get(page);
    if (waiting) {
      waiting.push(thread);
      return;
    }
    this.#waiting.set(page, [thread]);
    // Some requests meet a busy source.
    const delay = ROUND_TRIP_NS * (0.5 + this.#random()) + (this.#random() < 0.06 ? this.#span(6e6) : 0);
    this.#at(now + delay, (at) => this.#place(page, at));
  }

  #place(page: number, now: number): void {
    if (this.#received[page] === 1) return;
    this.#received[page] = 1;
    this.#left--;
    this.#trace.postcopy_place_page?.(page * PAGE_BYTES, now);
    const woken = this.#waiting.get(page) ?? [];
    this.#waiting.delete(page);
    for (const thread of woken) {
      if (thread >= 0) this.#trace.postcopy_vcpu_up?.(thread, now);
      this.#runOn(thread, now);
    }
    // The vCPU may well have its next fault before the record is closed.
    if (woken.length > 0) this.#at(now + this.#span(CLOSE_NS), (at) => this.#blocktime.end(page, at));
  }

  #sendNext(now: number): void {
    const { pages } = this.#options;
    while (this.#next < pages && this.#received[this.#next] === 1) this.#next++;
    if (this.#next === pages) return;
    this.#place(this.#next, now);
    this.#at(now + PAGE_NS * (0.7 + 0.6 * this.#random()), (at) => this.#sendNext(at));
  }

  #runOn(thread: number, now: number): void {
    const runsNs = thread < 0 ? this.#span(2e6) : this.#random() < 0.2 ? this.#span(2_000) : this.#span(400_000);
    this.#at(now + runsNs, (at) => this.#touch(thread, at));
  }

  #at(atNs: number, run: (nowNs: number) => void): void {
    const step = { atNs: Math.floor(atNs), run };
    const index = this.#steps.findIndex((other) => other.atNs > step.atNs);
    this.#steps.splice(index < 0 ? this.#steps.length : index, 0, step);
  }

  /** A random time with the mean `meanNs`, often short and seldom long. */
  #span(meanNs: number): number {
    return -Math.log(1 - this.#random()) * meanNs;
  }
}

/** Numbers in [0, 1), the same for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
