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
export declare function target<T>(of: FuzzTarget<T>): AnyTarget;
/** Fails the input with a sentence: a promise that the parser did not keep. */
export declare function must(kept: boolean, what: string): void;
