/** What a report shows, worked out from the events: spans, figures, pages over time. Times are ns from the first event. */
import type { BlocktimeFigures } from "#control/migration/blocktime-figures.ts";
import { LATENCY_BUCKETS, latencyBucket } from "#control/migration/blocktime-latency.ts";
import type { MigrationEvent } from "./events.ts";

export type Span = { readonly from: number; readonly to: number };
export type Lane = {
  readonly blocked: readonly Span[];
  /** What the vCPU's own thread saw; empty without such events. */
  readonly seen: readonly Span[];
};
export type Timeline = {
  readonly lengthNs: number;
  readonly lanes: readonly Lane[];
  readonly allDown: readonly Span[];
  /** When each page arrived, and how many of them somebody waited for. */
  readonly pageTimes: readonly number[];
  readonly awaitedPages: number;
  /** Faults that were still open at the end of the record. */
  readonly openFaults: number;
  readonly figures: BlocktimeFigures;
};

type Fault = { readonly cpu: number; readonly start: number };

export function makeTimeline(events: readonly MigrationEvent[]): Timeline {
  // Several threads write them, a vCPU when it runs again.
  const timed = events
    .filter(({ event }) => event !== "postcopy_blocktime_tid_cpu_map")
    .toSorted((a, b) => a.time - b.time);
  if (timed.length === 0)
    throw new Error("there is no event of a postcopy migration in it; see tools/report/events.ts");
  const start = timed[0]?.time ?? 0;
  const lengthNs = Math.max(1, (timed.at(-1)?.time ?? 0) - start);
  const vcpus = events.reduce((most, { cpu }) => Math.max(most, cpu + 1), 1);
  const replay = new Replay(vcpus);
  for (const event of timed) replay.take({ ...event, time: event.time - start });
  return replay.finish(lengthNs);
}

class Replay {
  readonly #faults = new Map<number, Fault[]>();
  readonly #blocked: SpanSet[];
  readonly #seen: SpanSet[];
  readonly #allDown = new SpanSet();
  readonly #pageTimes: number[] = [];
  readonly #vcpuFaults: number[];
  readonly #vcpuLatencyNs: number[];
  readonly #latencyBuckets = Array.from({ length: LATENCY_BUCKETS }, () => 0);
  #awaitedPages = 0;
  #down = 0;
  #nonVcpuFaults = 0;
  #nonVcpuLatencyNs = 0;

  constructor(vcpus: number) {
    this.#blocked = Array.from({ length: vcpus }, () => new SpanSet());
    this.#seen = Array.from({ length: vcpus }, () => new SpanSet());
    this.#vcpuFaults = Array.from({ length: vcpus }, () => 0);
    this.#vcpuLatencyNs = Array.from({ length: vcpus }, () => 0);
  }

  take({ event, addr, time, cpu }: MigrationEvent): void {
    if (event === "postcopy_blocktime_begin") this.#begin(addr, time, cpu);
    else if (event === "postcopy_blocktime_end") this.#end(addr, time);
    else if (event === "postcopy_place_page") this.#pageTimes.push(time);
    else if (event === "postcopy_vcpu_down") this.#seen[cpu]?.open(time);
    else if (event === "postcopy_vcpu_up") this.#seen[cpu]?.close(time);
  }

  /** Totals are of what is over, as those of the accounting; spans last to the end of the record. */
  finish(lengthNs: number): Timeline {
    const figures: BlocktimeFigures = {
      totalBlocktimeNs: this.#allDown.closedNs,
      vcpuBlocktimeNs: this.#blocked.map((spans) => spans.closedNs),
      vcpuFaults: this.#vcpuFaults,
      vcpuLatencyNs: this.#vcpuLatencyNs,
      nonVcpuFaults: this.#nonVcpuFaults,
      nonVcpuLatencyNs: this.#nonVcpuLatencyNs,
      latencyBuckets: this.#latencyBuckets,
    };
    return {
      lengthNs,
      figures,
      pageTimes: this.#pageTimes,
      awaitedPages: this.#awaitedPages,
      openFaults: [...this.#faults.values()].reduce((count, faults) => count + faults.length, 0),
      lanes: this.#blocked.map((spans, vcpu) => ({
        blocked: spans.until(lengthNs),
        seen: this.#seen[vcpu]?.until(lengthNs) ?? [],
      })),
      allDown: this.#allDown.until(lengthNs),
    };
  }

  #begin(addr: number, time: number, cpu: number): void {
    this.#faults.set(addr, [...(this.#faults.get(addr) ?? []), { cpu, start: time }]);
    const spans = this.#blocked[cpu];
    if (!spans) {
      this.#nonVcpuFaults++;
      return;
    }
    this.#vcpuFaults[cpu] = (this.#vcpuFaults[cpu] ?? 0) + 1;
    if (spans.open(time)) this.#down++;
    if (this.#down === this.#blocked.length && !this.#allDown.isOpen) this.#allDown.open(time);
  }

  #end(addr: number, time: number): void {
    const faults = this.#faults.get(addr) ?? [];
    this.#faults.delete(addr);
    if (faults.length > 0) this.#awaitedPages++;
    for (const { cpu, start } of faults) {
      const bucket = latencyBucket(time - start);
      this.#latencyBuckets[bucket] = (this.#latencyBuckets[bucket] ?? 0) + 1;
      const spans = this.#blocked[cpu];
      if (!spans) {
        this.#nonVcpuLatencyNs += time - start;
        continue;
      }
      this.#vcpuLatencyNs[cpu] = (this.#vcpuLatencyNs[cpu] ?? 0) + time - start;
      if (!spans.close(time)) continue;
      this.#down--;
      if (this.#allDown.isOpen) this.#allDown.close(time);
    }
  }
}

/** Spans in order, of which the last may be open, several times over. */
class SpanSet {
  readonly #closed: Span[] = [];
  #from = 0;
  #depth = 0;
  closedNs = 0;

  get isOpen(): boolean {
    return this.#depth > 0;
  }
  /** True when it was not open. */
  open(time: number): boolean {
    if (this.#depth++ > 0) return false;
    this.#from = time;
    return true;
  }
  /** True when it is not open any more. */
  close(time: number): boolean {
    if (this.#depth === 0 || --this.#depth > 0) return false;
    this.#closed.push({ from: this.#from, to: time });
    this.closedNs += time - this.#from;
    return true;
  }
  until(end: number): Span[] {
    return this.isOpen ? [...this.#closed, { from: this.#from, to: end }] : this.#closed;
  }
}
