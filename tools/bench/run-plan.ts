/** What the rounds of a suite need to know. */
import type { Log } from "../support/progress.mjs";
import type { MachineFiles, Peer } from "./peers.ts";
import type { SuiteResult } from "./results.ts";

export type RunPlan = {
  readonly peers: readonly Peer[];
  /** For booting alone: the guest of `npm start`. */
  readonly plainGuest: MachineFiles;
  /** The same with the programs added. */
  readonly programGuest: MachineFiles;
  /** Packages that the guest does not have: their programs are left out. */
  readonly missing?: readonly string[];
  readonly rounds: number;
  readonly scale: number;
  /** Of one run of one program, or one boot. */
  readonly timeoutMs: number;
  readonly log: Log;
};

/** A round, from 0, and where its samples and failures go. */
export type Round = { readonly round: number; readonly result: SuiteResult };
