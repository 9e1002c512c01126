/** The latency distribution: how many faults were resolved within which time, in powers of two of a microsecond. */

export const LATENCY_BUCKETS = 24;

/** The bucket N of [2^N us, 2^(N+1) us) that holds `elapsedNs`; under 1 us the first, beyond the last the last. */
export function latencyBucket(elapsedNs: number): number {
  const us = elapsedNs / 1000;
  if (us >= 1 << (LATENCY_BUCKETS - 1)) return LATENCY_BUCKETS - 1;
  return us < 2 ? 0 : 31 - Math.clz32(us);
}
