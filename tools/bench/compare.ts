/**
 * What got slower or faster between two runs of the benchmark.
 *
 * Seconds of two days do not compare, ratios within a round do: of each program the ratio of each peer's time to the
 * baseline's is compared. It changed when the medians are further apart than the tolerance and the two ranges from
 * minimum to maximum do not touch, so that one slow round is no finding.
 */
import type { BenchResults, SuiteResult } from "./results.ts";
import { ratios, type Spread } from "./statistics.ts";

export type Change = {
  readonly suite: string;
  readonly row: string;
  readonly peer: string;
  readonly before: Spread;
  readonly after: Spread;
  /** The ratio after divided by the one before: below 1 the baseline got slower against the peer. */
  readonly factor: number;
};

export type Comparison = {
  readonly slower: readonly Change[];
  readonly faster: readonly Change[];
  /** How many programs were in both, once for each peer. */
  readonly compared: number;
  /** Sentences: what is in one of the two only, failed, or makes the comparison doubtful. */
  readonly notes: readonly string[];
};

/** `tolerance` is a share: 0.1 lets a ratio change by 10 %. The worst changes come first. */
export function compareResults(before: BenchResults, after: BenchResults, tolerance: number): Comparison {
  const notes = doubts(before, after);
  const changes: Change[] = [];
  for (const suite of after.suites) {
    notes.push(...suite.failures.map((text) => `failed now: ${text}`));
    const old = before.suites.find((other) => other.suite === suite.suite);
    if (old === undefined) {
      notes.push(`the suite ${suite.suite} was not run before`);
      continue;
    }
    changes.push(...changesOf(old, suite, after.peers[0]?.name ?? ""));
    const lost = old.rows.filter((row) => !suite.rows.includes(row));
    notes.push(...lost.map((row) => `${suite.suite}: ${row} was not run now`));
  }
  const judged = changes.filter((change) => isChange(change, tolerance)).sort((a, b) => a.factor - b.factor);
  return {
    slower: judged.filter(({ factor }) => factor < 1),
    faster: judged.filter(({ factor }) => factor > 1).reverse(),
    compared: changes.length,
    notes,
  };
}

function changesOf(before: SuiteResult, after: SuiteResult, baseline: string): Change[] {
  const peers = new Set(after.samples.map((sample) => sample.peer).filter((peer) => peer !== baseline));
  return after.rows.flatMap((row) =>
    [...peers].flatMap((peer) => {
      const [old, now] = [before, after].map((suite) => ratios(suite.samples, row, { peer, baseline }));
      if (old === undefined || now === undefined) return [];
      return [{ suite: after.suite, row, peer, before: old, after: now, factor: now.median / old.median }];
    }),
  );
}

function isChange({ before, after, factor }: Change, tolerance: number): boolean {
  const apart = before.max < after.min || after.max < before.min;
  return apart && Math.max(factor, 1 / factor) > 1 + tolerance;
}

function doubts(before: BenchResults, after: BenchResults): string[] {
  const notes: string[] = [];
  const differ = (what: string, a: unknown, b: unknown): void => {
    if (JSON.stringify(a) !== JSON.stringify(b)) notes.push(`${what} was ${String(a)} before, and is ${String(b)} now`);
  };
  differ("the host's processor", before.host.cpu, after.host.cpu);
  differ("the scale", before.scale, after.scale);
  differ("the guest's kernel", before.guest.kernel, after.guest.kernel);
  for (const { name, version } of after.peers) {
    const old = before.peers.find((peer) => peer.name === name);
    if (old !== undefined) differ(`the version of ${name}`, old.version, version);
  }
  return notes;
}

/** A line for each change and note, and a last one with the sum. */
export function formatComparison({ slower, faster, compared, notes }: Comparison): string {
  const line = (word: string, { suite, row, peer, before, after, factor }: Change): string =>
    `${word}  ${suite} ${row}: ${peer} / baseline ${before.median.toFixed(2)} -> ${after.median.toFixed(2)} (x ${factor.toFixed(2)})`;
  return [
    ...notes.map((text) => `note    ${text}`),
    ...faster.map((change) => line("faster", change)),
    ...slower.map((change) => line("SLOWER", change)),
    `${compared} compared: ${slower.length} slower, ${faster.length} faster`,
  ].join("\n");
}
