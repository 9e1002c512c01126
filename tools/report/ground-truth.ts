/** What the vCPUs' own threads saw, in the figures of the accounting: what that is held against. */
import type { BlocktimeFigures } from "#control/migration/blocktime-figures.ts";
import { LATENCY_BUCKETS, latencyBucket } from "#control/migration/blocktime-latency.ts";
import type { Span, Timeline } from "./timeline.ts";

/** A vCPU has one fault at a time, as it sees it; devices see nothing. */
export function groundTruth({ lanes }: Pick<Timeline, "lanes">): BlocktimeFigures {
  const seen = lanes.map((lane) => lane.seen);
  const latencyBuckets = Array.from({ length: LATENCY_BUCKETS }, () => 0);
  for (const { from, to } of seen.flat()) {
    const bucket = latencyBucket(to - from);
    latencyBuckets[bucket] = (latencyBuckets[bucket] ?? 0) + 1;
  }
  const blockedNs = seen.map(lengthNs);
  return {
    totalBlocktimeNs: lengthNs(seen.reduce(overlap)),
    vcpuBlocktimeNs: blockedNs,
    vcpuFaults: seen.map((spans) => spans.length),
    vcpuLatencyNs: blockedNs,
    nonVcpuFaults: 0,
    nonVcpuLatencyNs: 0,
    latencyBuckets,
  };
}

function lengthNs(spans: readonly Span[]): number {
  return spans.reduce((sum, { from, to }) => sum + to - from, 0);
}

/** Both in order and without overlap. */
function overlap(some: readonly Span[], others: readonly Span[]): readonly Span[] {
  const both: Span[] = [];
  for (let [i, j] = [0, 0]; i < some.length && j < others.length; ) {
    const [one, other] = [some[i] as Span, others[j] as Span];
    const [from, to] = [Math.max(one.from, other.from), Math.min(one.to, other.to)];
    if (to > from) both.push({ from, to });
    if (one.to < other.to) i += 1;
    else j += 1;
  }
  return both;
}
