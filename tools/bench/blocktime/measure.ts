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

const SAMPLE_MS = 4;
/** Faults that are open at once while begin is measured; one vCPU may have that many. */
const OPEN = 200;

/** Medians over the rounds; all cells take their turn in each round. */
export function measureCells(rounds: number, progress: (round: number) => void): Cell[] {
  const sizes = VCPUS.flatMap((vcpus) => PAGES.map((pages) => ({ vcpus, pages })));
  const samples = sizes.map(() => ({ hash: [] as Costs[], array: [] as Costs[] }));
  // Round 0 makes the code hot and is not counted.
  for (let round = 0; round <= rounds; round++) {
    progress(round);
    sizes.forEach(({ vcpus, pages }, index) => {
      const hash = sample(() => hashAccounting(vcpus), vcpus, pages);
      const array = sample(() => new ArrayAccounting(vcpus), vcpus, pages);
      if (round === 0) return;
      samples[index]?.hash.push(hash);
      samples[index]?.array.push(array);
    });
  }
  return sizes.map((size, index) => ({
    ...size,
    hash: medians(samples[index]?.hash ?? []),
    array: medians(samples[index]?.array ?? []),
  }));
}

function hashAccounting(vcpus: number): Blocktime {
  const size = { vcpus, records: vcpus + OPEN };
  const memory = new SharedArrayBuffer(Blocktime.lengthBytes(size));
  const blocktime = new Blocktime(memory, 0, size, { isReceived: () => false });
  blocktime.reset();
  return blocktime;
}

function sample(make: () => Accounting, vcpus: number, pages: number): Costs {
  const accounting = make();
  const endIdle = timeCalls((calls) => endPages(accounting, pages, calls));
  const others = make();
  for (let vcpu = 0; vcpu < vcpus; vcpu++) others.begin(pages + 3 * vcpu, vcpu, 1);
  const endOthers = timeCalls((calls) => endPages(others, pages, calls));
  const begin = timeBegin(accounting, vcpus, pages);
  const both = timeCalls((calls) => beginAndEnd(accounting, vcpus, pages, calls));
  return { endIdle, endOthers, begin, endWaiter: Math.max(0, both - begin) };
}

/** Repeats `run` with more calls until it takes long enough to be timed. */
function timeCalls(run: (calls: number) => void): number {
  for (let calls = 64; ; calls *= 4) {
    const start = performance.now();
    run(calls);
    const ms = performance.now() - start;
    if (ms >= SAMPLE_MS) return (ms * 1e6) / calls;
  }
}

function endPages(accounting: Accounting, pages: number, calls: number): void {
  let page = 0;
  for (let call = 0; call < calls; call++) {
    accounting.end(page, call);
    if (++page === pages) page = 0;
  }
}

function beginAndEnd(accounting: Accounting, vcpus: number, pages: number, calls: number): void {
  let [page, vcpu] = [0, 0];
  for (let call = 0; call < calls; call++) {
    accounting.begin(page, vcpu, LATER_NS + call);
    accounting.end(page, LATER_NS + call);
    if (++page === pages) page = 0;
    if (++vcpu === vcpus) vcpu = 0;
  }
}

/** After every time of `timeBegin`, as times do not go back. */
const LATER_NS = 1e9;

function timeBegin(accounting: Accounting, vcpus: number, pages: number): number {
  let [page, vcpu, ms, calls] = [0, 0, 0, 0];
  const opened = new Int32Array(OPEN);
  while (ms < SAMPLE_MS) {
    const start = performance.now();
    for (let open = 0; open < OPEN; open++) {
      accounting.begin(page, vcpu, calls);
      opened[open] = page;
      if (++page === pages) page = 0;
      if (++vcpu === vcpus) vcpu = 0;
    }
    ms += performance.now() - start;
    calls += OPEN;
    for (const open of opened) accounting.end(open, calls);
  }
  return (ms * 1e6) / calls;
}

function medians(samples: readonly Costs[]): Costs {
  const of = (name: keyof Costs): number => {
    const sorted = samples.map((costs) => costs[name]).sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? Number.NaN;
  };
  return { endIdle: of("endIdle"), endOthers: of("endOthers"), begin: of("begin"), endWaiter: of("endWaiter") };
}
