/** What a benchmark has found, as it is written to the JSON file. */
import type { Sample, Spread } from "./statistics.ts";

/** A number of one peer that is not a ratio of times. */
export type Figure = {
  readonly name: string;
  readonly peer: string;
  readonly unit: string;
  readonly spread: Spread;
  /** What the peer is to reach, if anything. */
  readonly bar?: number;
};

export type PeerVersion = { readonly name: string; readonly version: string };

export type SuiteResult = {
  readonly suite: string;
  readonly title: string;
  readonly smp: number;
  /** Names in the order of the table. */
  rows: readonly string[];
  /** Peers of this suite alone. */
  ownPeers?: readonly PeerVersion[];
  readonly samples: Sample[];
  readonly figures: Figure[];
  /** Each makes the benchmark fail. */
  readonly failures: string[];
  /** What could not be measured here, and why; the benchmark does not fail for it. */
  readonly skips: string[];
  /** Guest and host clocks that are apart, and the like: to be known when numbers are read. */
  readonly warnings: string[];
};

export type BenchResults = {
  readonly format: 1;
  readonly date: string;
  readonly host: { readonly cpu: string; readonly cores: number; readonly loadAverage: number };
  readonly guest: { readonly kernel: string; readonly debian: string; readonly memoryMiB: 512 };
  readonly rounds: number;
  readonly scale: number;
  /** The first is the baseline of all ratios. */
  readonly peers: readonly PeerVersion[];
  /** Peers that were asked for and are not here, and why. */
  readonly skipped: readonly string[];
  readonly suites: readonly SuiteResult[];
};
