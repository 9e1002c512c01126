/** What a benchmark has found, as it is written to the JSON file. */
import type { Sample } from "./statistics.ts";

export type SuiteResult = {
  readonly suite: string;
  readonly title: string;
  readonly smp: number;
  /** Names in the order of the table. */
  readonly rows: readonly string[];
  readonly samples: Sample[];
  /** Each makes the benchmark fail. */
  readonly failures: string[];
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
  readonly peers: readonly { readonly name: string; readonly version: string }[];
  readonly suites: readonly SuiteResult[];
};
