/**
 * What is fuzzed, and how an input is judged: a parser returns or throws one of its own errors with a sentence of one
 * line; within bounds of time and memory; and nothing else.
 */
import * as fc from "fast-check";

export type FuzzTarget<T> = {
  readonly name: string;
  readonly input: fc.Arbitrary<T>;
  /** Takes an input; what it throws beyond `errors` is a finding, such as a broken promise that it checks itself. */
  readonly run: (input: T) => void | Promise<void>;
  readonly errors: readonly (new (...args: never[]) => Error)[];
  /** Inputs of the short run in the unit tests. */
  readonly shortRuns: number;
  /** For one input; default 1000. A slow host gets several attempts. */
  readonly limitMs?: number;
  /** Memory that one input may take; default 64 MiB. */
  readonly limitBytes?: number;
};

/** Hides the type of the input, so that targets fit in one list. */
export type AnyTarget = {
  readonly name: string;
  readonly shortRuns: number;
  /** Checks `runs` inputs; returns what is wrong with the smallest one that fails. `path` repeats one. */
  readonly check: (seed: number, runs: number, path?: string) => Promise<Finding | undefined>;
};

export type Finding = {
  readonly seed: number;
  readonly path: string;
  readonly input: string;
  readonly why: string;
};

const LIMIT_MS = 1000;
const LIMIT_BYTES = 64 << 20;
const ATTEMPTS = 3;

export function target<T>(of: FuzzTarget<T>): AnyTarget {
  const property = fc.asyncProperty(of.input, (input) => judge(of, input));
  return {
    name: of.name,
    shortRuns: of.shortRuns,
    async check(seed, numRuns, path) {
      const result = await fc.check(property, { seed, numRuns, ...(path === undefined ? {} : { path }) });
      if (!result.failed) return undefined;
      const error = result.errorInstance;
      return {
        seed: result.seed,
        path: result.counterexamplePath ?? "",
        input: fc.stringify(result.counterexample?.[0]),
        why: error instanceof Error ? (error.stack ?? error.message) : String(error),
      };
    },
  };
}

async function judge<T>(of: FuzzTarget<T>, input: T): Promise<void> {
  const { limitMs = LIMIT_MS, limitBytes = LIMIT_BYTES } = of;
  let fastestMs = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < ATTEMPTS && fastestMs > limitMs; attempt++) {
    const before = usedBytes();
    const startedAtMs = performance.now();
    await accept(of, input);
    fastestMs = Math.min(fastestMs, performance.now() - startedAtMs);
    const grown = usedBytes() - before;
    if (grown > limitBytes) throw new Error(`it took ${grown} bytes of memory`);
  }
  if (fastestMs > limitMs) throw new Error(`it took ${fastestMs.toFixed(0)} ms`);
}

async function accept<T>(of: FuzzTarget<T>, input: T): Promise<void> {
  try {
    await of.run(input);
  } catch (error) {
    if (!(error instanceof Error) || !of.errors.some((known) => error instanceof known)) throw error;
    if (error.message === "" || /[\n\r\0]/.test(error.message)) throw new Error("not one line", { cause: error });
  }
}

/** Between two calls the collector may run, which only makes the difference smaller. */
function usedBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Fails the input with a sentence: a promise that the parser did not keep. */
export function must(kept: boolean, what: string): void {
  if (!kept) throw new Error(`broken promise: ${what}`);
}
