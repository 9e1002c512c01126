/**
 * A slow accounting of blocktime to compare the fast one with: it keeps every interval and computes from them, in
 * integers without a limit, whatever is asked.
 */
import type { BlocktimeFigures } from "../blocktime-figures.ts";

/** A fault. `begun` and `ended` are numbers of events: two events at one time still have an order. */
type Interval = {
  readonly page: number;
  readonly vcpu: number;
  readonly begun: number;
  readonly startNs: bigint;
  ended: number;
  endNs: bigint;
};
/** From one event to another; `to` is `OPEN` while it lasts. */
type Span = { readonly from: number; readonly to: number };
const OPEN = Number.MAX_SAFE_INTEGER;

export class BlocktimeReference {
  readonly #vcpus: number;
  readonly #intervals: Interval[] = [];
  /** When each event took effect: its own time, or that of the one before it if that is later. */
  readonly #times: bigint[] = [];

  constructor(vcpus: number) {
    this.#vcpus = vcpus;
  }

  begin(page: number, vcpu: number, timeNs: number): void {
    const startNs = BigInt(Math.floor(timeNs));
    this.#intervals.push({ page, vcpu, begun: this.#event(startNs), startNs, ended: OPEN, endNs: -1n });
  }

  end(page: number, timeNs: number): void {
    const waiting = this.#waiting(page);
    if (waiting.length === 0) return;
    const endNs = BigInt(Math.floor(timeNs));
    const ended = this.#event(endNs);
    for (const interval of waiting) Object.assign(interval, { ended, endNs });
  }

  isAwaited(page: number): boolean {
    return this.#waiting(page).length > 0;
  }

  /** When the last fault that waits for `page` began; 0 without one. */
  youngest(page: number): number {
    return Math.max(0, ...this.#waiting(page).map((interval) => Number(interval.startNs)));
  }

  read(): BlocktimeFigures {
    const vcpus = Array.from({ length: this.#vcpus }, (_, vcpu) => vcpu);
    const blocked = vcpus.map((vcpu) => union(this.#intervals.filter((interval) => interval.vcpu === vcpu)));
    const of = (vcpu: number): Interval[] => this.#intervals.filter((interval) => interval.vcpu === vcpu);
    return {
      totalBlocktimeNs: this.#length(blocked.reduce(intersection)),
      vcpuBlocktimeNs: blocked.map((spans) => this.#length(spans)),
      vcpuFaults: vcpus.map((vcpu) => of(vcpu).length),
      vcpuLatencyNs: vcpus.map((vcpu) => latency(of(vcpu))),
      nonVcpuFaults: of(-1).length,
      nonVcpuLatencyNs: latency(of(-1)),
      latencyBuckets: distribution(this.#intervals.filter(isClosed)),
    };
  }

  #waiting(page: number): Interval[] {
    return this.#intervals.filter((interval) => interval.page === page && !isClosed(interval));
  }

  #event(timeNs: bigint): number {
    const before = this.#times.at(-1) ?? 0n;
    this.#times.push(timeNs > before ? timeNs : before);
    return this.#times.length - 1;
  }

  /** The nanoseconds of the spans that are over. */
  #length(spans: readonly Span[]): number {
    let total = 0n;
    for (const { from, to } of spans) {
      if (to !== OPEN) total += (this.#times[to] as bigint) - (this.#times[from] as bigint);
    }
    return Number(total);
  }
}

function isClosed(interval: Interval): boolean {
  return interval.ended !== OPEN;
}

function latency(intervals: readonly Interval[]): number {
  let total = 0n;
  for (const interval of intervals) if (isClosed(interval)) total += interval.endNs - interval.startNs;
  return Number(total);
}

function distribution(intervals: readonly Interval[]): number[] {
  const buckets = Array.from({ length: 24 }, () => 0);
  for (const { startNs, endNs } of intervals) {
    let bucket = 0;
    while (bucket < 23 && endNs - startNs >= 1000n * 2n ** BigInt(bucket + 1)) bucket++;
    buckets[bucket] = (buckets[bucket] as number) + 1;
  }
  return buckets;
}

/** What the intervals cover, as spans that do not meet, in order. */
function union(intervals: readonly Interval[]): Span[] {
  const spans: { from: number; to: number }[] = [];
  for (const { begun, ended } of [...intervals].sort((a, b) => a.begun - b.begun)) {
    const last = spans.at(-1);
    if (last && begun < last.to) last.to = Math.max(last.to, ended);
    else spans.push({ from: begun, to: ended });
  }
  return spans;
}

function intersection(one: readonly Span[], other: readonly Span[]): Span[] {
  return one.flatMap((a) =>
    other
      .map((b) => ({ from: Math.max(a.from, b.from), to: Math.min(a.to, b.to) }))
      .filter(({ from, to }) => from < to),
  );
}
