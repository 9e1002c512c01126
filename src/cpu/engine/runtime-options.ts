/** What the runtime is generated for, and what comes of it. */
import type { EngineFeatures } from "#cpu/engine/features.ts";
import type { HandlerTable } from "#cpu/engine/interpreter.ts";

/** Slots of the region table: at the start, and as many as it may grow to. */
export const REGION_SLOTS = { first: 1024, most: 65_536 } as const;

/** Events that the generated code reports to a log; each costs nothing unless it is asked for. */
export const Observed = {
  /** A trap is about to be taken: cause, value and pc are in the block. */
  Trap: 1,
  /** A page enters the data TLB: helperC is the virtual address, helperA the physical one, helperB the permissions. */
  Data: 2,
  /** The same for the fetch TLB. */
  Fetch: 4,
  /** The dispatcher is about to enter code at the pc in the block. */
  Enter: 8,
} as const;

/** The events that a runtime reports when somebody wants to hear of `wanted`: lockstep follows the data TLB itself. */
export const neededEvents = (wanted: number, lockstep: boolean): number => wanted | (lockstep ? Observed.Data : 0);

export type RuntimeOptions = {
  /** Entries of a place in the code after which a region is asked for; 0 never asks. */
  readonly hotThreshold: number;
  readonly features: EngineFeatures;
  /** Leave regions to TypeScript; `ExitReason.Region`. */
  readonly lockstep?: boolean | undefined;
  /** Bits of `Observed`: code for these events is made only when they are asked for. */
  readonly observed?: number | undefined;
};

/** What `generateRuntime` makes: plain data. */
export type GeneratedRuntime = {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly handlers: HandlerTable;
};

/** The same, compiled: one serves all vCPUs of a machine, and may be posted to their threads. */
export type CompiledRuntime = { readonly module: WebAssembly.Module; readonly handlers: HandlerTable };
