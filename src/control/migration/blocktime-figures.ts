/** What the blocktime accounting has counted, and the members of `query-migrate` that say it. */

export type BlocktimeFigures = {
  /** Time in which all vCPUs were blocked at once. */
  readonly totalBlocktimeNs: number;
  /** In vCPU order, as all lists here. */
  readonly vcpuBlocktimeNs: readonly number[];
  readonly vcpuFaults: readonly number[];
  /** The sum over a vCPU's faults of the time that each took. */
  readonly vcpuLatencyNs: readonly number[];
  readonly nonVcpuFaults: number;
  readonly nonVcpuLatencyNs: number;
  readonly latencyBuckets: readonly number[];
};

/** Blocktimes in ms, latencies in ns, the distribution in faults a bucket. */
export type BlocktimeMembers = {
  readonly "postcopy-blocktime": number;
  readonly "postcopy-vcpu-blocktime": readonly number[];
  readonly "postcopy-latency": number;
  readonly "postcopy-vcpu-latency": readonly number[];
  readonly "postcopy-non-vcpu-latency": number;
  readonly "postcopy-latency-dist": readonly number[];
};

/** The members, while postcopy is active and after it, when the capability is on. Averages over every fault; 0 without. */
export function blocktimeMembers(figures: BlocktimeFigures): BlocktimeMembers {
  const faults = sum(figures.vcpuFaults) + figures.nonVcpuFaults;
  const latencyNs = sum(figures.vcpuLatencyNs) + figures.nonVcpuLatencyNs;
  return {
    "postcopy-blocktime": milliseconds(figures.totalBlocktimeNs),
    "postcopy-vcpu-blocktime": figures.vcpuBlocktimeNs.map(milliseconds),
    "postcopy-latency": average(latencyNs, faults),
    "postcopy-vcpu-latency": figures.vcpuLatencyNs.map((ns, vcpu) => average(ns, figures.vcpuFaults[vcpu] ?? 0)),
    "postcopy-non-vcpu-latency": average(figures.nonVcpuLatencyNs, figures.nonVcpuFaults),
    "postcopy-latency-dist": figures.latencyBuckets,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** As a uint32. */
function milliseconds(ns: number): number {
  return Math.min(Math.floor(ns / 1e6), 0xffff_ffff);
}

function average(total: number, count: number): number {
  return count === 0 ? 0 : Math.floor(total / count);
}
