/** What the calls of an accounting cost, by the number of vCPUs and of pages that arrive. */
import { Blocktime } from "#control/migration/blocktime.ts";
import { ArrayAccounting } from "./array-accounting.ts";

export const VCPUS = [1, 16, 256, 4096] as const;
export const PAGES = [1, 1000, 1_000_000] as const;

/** Nanoseconds a call. */
export type Costs = {
  /** A page arrives, no fault is open. */
  readonly endIdle: number;
  /** A page arrives while every vCPU waits for another one. */
  readonly endOthers: number;
  readonly begin: number;
  readonly endWaiter: number;
};
export const COST_NAMES = ["endIdle", "endOthers", "begin", "endWaiter"] as const satisfies readonly (keyof Costs)[];

export type Cell = { readonly vcpus: number; readonly pages: number; readonly hash: Costs; readonly array: Costs };

type Accounting = {
  begin(page: number, vcpu: number, nowNs: number): unknown;
  end(page: number, nowNs: number): void;
};

/** Shorter than a time slice, so that most samples are not interrupted. */
const SAMPLE_MS = 0.5;
/** Faults that are open at once while begin is measured; one vCPU may have that many. */
const OPEN = 200;

/** The least of each cost over the rounds: what the call costs when nothing else runs. All take turns in each round. */
export function measureCells(rounds: number, progress: (round: number) => void): Cell[] {
  const sizes = VCPUS.flatMap((vcpus) => PAGES.map((pages) => ({ vcpus, pages })));
  const subjects = sizes.map(({ vcpus, pages }) => ({
    vcpus,
    pages,
    hash: new Subject(() => hashAccounting(vcpus), vcpus, pages),
    array: new Subject(() => new ArrayAccounting(vcpus), vcpus, pages),
  }));
  for (let round = 1; round <= rounds; round++) {
    progress(round);
    for (const { hash, array } of subjects) {
      hash.sample();
      array.sample();
    }
  }
  return subjects.map(({ vcpus, pages, hash, array }) => ({ vcpus, pages, hash: hash.costs(), array: array.costs() }));
}

function hashAccounting(vcpus: number): Blocktime {
  const size = { vcpus, records: vcpus + OPEN };
  const memory = new SharedArrayBuffer(Blocktime.lengthBytes(size));
  const blocktime = new Blocktime(memory, 0, size, { isReceived: () => false });
  blocktime.reset();
  return blocktime;
}

/** An accounting of one size and what its calls have cost. */
class Subject {
  readonly #vcpus: number;
  readonly #pages: number;
  readonly #idle: Accounting;
  /** Every vCPU waits for a page that is not among those that arrive. */
  readonly #others: Accounting;
  readonly #least = { endIdle: Infinity, endOthers: Infinity, begin: Infinity, both: Infinity };
  readonly #calls = { endIdle: 64, endOthers: 64, both: 64 };
  #page = 0;
  #vcpu = 0;
  #nowNs = 0;

  constructor(make: () => Accounting, vcpus: number, pages: number) {
    this.#vcpus = vcpus;
    this.#pages = pages;
    this.#idle = make();
    this.#others = make();
    for (let vcpu = 0; vcpu < vcpus; vcpu++) this.#others.begin(pages + 3 * vcpu, vcpu, 0);
  }

  sample(): void {
    this.#time("endIdle", (calls) => this.#endPages(this.#idle, calls));
    this.#time("endOthers", (calls) => this.#endPages(this.#others, calls));
    this.#time("both", (calls) => this.#beginAndEnd(calls));
    this.#timeBegin();
  }

  costs(): Costs {
    const { endIdle, endOthers, begin, both } = this.#least;
    return { endIdle, endOthers, begin, endWaiter: Math.max(0, both - begin) };
  }

  /** The first samples find how many calls can be timed. */
  #time(name: "endIdle" | "endOthers" | "both", run: (calls: number) => void): void {
    for (;;) {
      const calls = this.#calls[name];
      const start = performance.now();
      run(calls);
      const ms = performance.now() - start;
      if (ms >= SAMPLE_MS / 2) {
        this.#least[name] = Math.min(this.#least[name], (ms * 1e6) / calls);
        return;
      }
      this.#calls[name] = calls * 2;
    }
  }

  #timeBegin(): void {
    const opened = new Int32Array(OPEN);
    let ms = 0;
    let calls = 0;
    while (ms < SAMPLE_MS) {
      const start = performance.now();
      for (let open = 0; open < OPEN; open++) {
        this.#idle.begin(this.#page, this.#vcpu, this.#nowNs++);
        opened[open] = this.#page;
        this.#advance();
      }
      ms += performance.now() - start;
      calls += OPEN;
      for (const page of opened) this.#idle.end(page, this.#nowNs);
    }
    this.#least.begin = Math.min(this.#least.begin, (ms * 1e6) / calls);
  }

  #endPages(accounting: Accounting, calls: number): void {
    for (let call = 0; call < calls; call++) {
      accounting.end(this.#page, this.#nowNs);
      this.#advance();
    }
  }

  #beginAndEnd(calls: number): void {
    for (let call = 0; call < calls; call++) {
      this.#idle.begin(this.#page, this.#vcpu, this.#nowNs++);
      this.#idle.end(this.#page, this.#nowNs);
      this.#advance();
    }
  }

  /** The next page in order, as the background stream sends them, and the next vCPU. */
  #advance(): void {
    if (++this.#page === this.#pages) this.#page = 0;
    if (++this.#vcpu === this.#vcpus) this.#vcpu = 0;
  }
}
