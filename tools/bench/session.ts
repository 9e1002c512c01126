/** Where programs of the benchmark run one after the other: in a guest, or on the host. */
import type { Peer } from "./peers.ts";
import type { RunResult } from "./protocol.ts";
import type { Row } from "./suites.ts";

export type TimedResult = RunResult & { readonly hostNs: number };

export type Session = {
  readonly peer: Peer;
  /** Rejects with a BenchError when the emulator dies or `timeoutMs` pass. */
  run(row: Row, scale: number, timeoutMs: number): Promise<TimedResult>;
  /** Whether it ended as it should. */
  quit(): Promise<boolean>;
  kill(): void;
};
