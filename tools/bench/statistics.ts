/** Medians, ratios and means of samples. */

export type Sample = {
  readonly row: string;
  readonly peer: string;
  readonly round: number;
  /** By the guest's clock; for a boot by the host's. */
  readonly timeNs: number;
  /** By the host's clock. */
  readonly hostNs: number;
  readonly checksum: string;
};

export type Spread = { readonly min: number; readonly median: number; readonly max: number };

/** Of at least one value. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number): number => sorted[index] as number;
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  return { min: at(0), median, max: at(sorted.length - 1) };
}

/** Of at least one value above 0. */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/**
 * A peer's time divided by the baseline's in the same round, so that a slow minute of the host touches both. Undefined
 * when no round has both.
 */
export function ratios(
  samples: readonly Sample[],
  row: string,
  pair: { readonly peer: string; readonly baseline: string },
): Spread | undefined {
  const times = (peer: string): Map<number, number> =>
    new Map(samples.filter((s) => s.row === row && s.peer === peer).map((s) => [s.round, s.timeNs]));
  const baseline = times(pair.baseline);
  const found: number[] = [];
  for (const [round, timeNs] of times(pair.peer)) {
    const other = baseline.get(round);
    if (other !== undefined) found.push(timeNs / other);
  }
  return found.length > 0 ? spread(found) : undefined;
}

/**
 * How many times as much `copies` copies of a program get done in a second as one, in the same round. Undefined when no
 * round has both.
 */
export function scaling(
  samples: readonly Sample[],
  peer: string,
  of: { readonly one: string; readonly many: string; readonly copies: number },
): Spread | undefined {
  const timeNs = (row: string, round: number): number | undefined =>
    samples.find((s) => s.row === row && s.peer === peer && s.round === round)?.timeNs;
  const found: number[] = [];
  for (const round of new Set(samples.map((s) => s.round))) {
    const one = timeNs(of.one, round);
    const many = timeNs(of.many, round);
    if (one !== undefined && many !== undefined) found.push((of.copies * one) / many);
  }
  return found.length > 0 ? spread(found) : undefined;
}

/** The checksums of a row that are not all the same, as a sentence; undefined when they are. */
export function checksumDifference(samples: readonly Sample[], row: string): string | undefined {
  const peersOf = new Map<string, Set<string>>();
  for (const sample of samples.filter((s) => s.row === row)) {
    const peers = peersOf.get(sample.checksum) ?? new Set();
    peersOf.set(sample.checksum, peers.add(sample.peer));
  }
  if (peersOf.size <= 1) return undefined;
  const parts = [...peersOf].map(([checksum, peers]) => `${checksum} (${[...peers].join(", ")})`);
  return `${row}: the checksums differ: ${parts.join(", ")}`;
}

/** How far the clocks of guest and host may be apart. */
const CLOCK_TOLERANCE = 0.05;
const CLOCK_TOLERANCE_NS = 300_000_000;

/** A sentence when the guest's clock and the host's disagree about a run; undefined when they agree. */
export function clockDisagreement(sample: Sample): string | undefined {
  const apartNs = Math.abs(sample.hostNs - sample.timeNs);
  if (apartNs <= CLOCK_TOLERANCE * sample.hostNs + CLOCK_TOLERANCE_NS) return undefined;
  const seconds = (ns: number): string => (ns / 1e9).toFixed(2);
  return (
    `${sample.row} in ${sample.peer}, round ${sample.round + 1}: ${seconds(sample.timeNs)} s by the guest's clock, ` +
    `${seconds(sample.hostNs)} s by the host's`
  );
}
