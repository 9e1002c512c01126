/**
 * What the commands of a monitor work on.
 */
import type { Migration } from "#control/migration/migration.ts";
import type { HmpCommand, QmpCommand, QmpEvent } from "#control/monitor/command.ts";
import type { RunState } from "#control/run-state.ts";
import type { DiskStatistics } from "#io/block/counted-disk.ts";
import type { Writable } from "#control/monitor/json/json-writer.ts";
import type { Snapshots } from "#control/snapshot/snapshots.ts";
import type { Machine } from "#machine/machine.ts";
import type { MachineConfig } from "#machine/config.ts";

/** What the monitor asks of the program around it. */
export type MonitorHost = {
  readonly version: {
    readonly major: number;
    readonly minor: number;
    readonly micro: number;
    readonly package: string;
  };
  /** The beginning of what a person reads first. */
  readonly greeting: string;
  readonly processId: number;
  /** Microseconds since 1970-01-01 UTC. */
  wallUs(): number;
  /** Ends the process a little later; `reason` is for the SHUTDOWN event. */
  end(reason: ShutdownReason, exitCode?: number): void;
  /** Writes a new file; rejects with the system's error. */
  writeFile(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** The character devices, in the order of their making. */
  chardevs(): readonly ChardevInfo[];
  /** A drive's size, and what was done to it since the start; undefined for one that is not open. */
  drive(id: string): DriveState | undefined;
  /** Absent where there is no machine. */
  readonly migration?: Migration | undefined;
  readonly snapshots?: Snapshots | undefined;
  /** Types that `-device`, `-object` and the board know. */
  readonly types: readonly TypeInfo[];
  /** The options of the command line. */
  readonly options: readonly OptionInfo[];
};

export type ShutdownReason =
  | "host-error"
  | "host-qmp-quit"
  | "host-qmp-system-reset"
  | "host-signal"
  | "host-ui"
  | "guest-shutdown"
  | "guest-reset"
  | "guest-panic";

export type ChardevInfo = { readonly label: string; readonly filename: string; readonly isOpen: boolean };

export type DriveState = {
  readonly sizeBytes: number;
  /** What it takes of the host's storage. */
  readonly allocatedBytes: number | undefined;
  readonly statistics: DiskStatistics;
};

export type TypeInfo = {
  readonly name: string;
  readonly parent?: string;
  readonly isAbstract?: boolean;
  readonly properties: readonly PropertyInfo[];
};
export type PropertyInfo = {
  readonly name: string;
  readonly type: string;
  readonly description?: string;
  readonly defaultValue?: string | number | boolean;
};

export type OptionInfo = {
  readonly option: string;
  readonly parameters: readonly { readonly name: string; readonly type: OptionType; readonly help?: string }[];
};
export type OptionType = "string" | "boolean" | "number" | "size";

/** A part that a module keeps beside the machine, made when it is first asked for. */
export type Part<T> = { readonly name: string; make(context: MonitorContext): T };

export type MonitorContext = {
  /** Absent for `-machine none`. */
  readonly machine: Machine | undefined;
  readonly config: MachineConfig;
  readonly cpuCount: number;
  readonly run: RunState;
  /** The table. */
  readonly commands: ReadonlyMap<string, QmpCommand>;
  readonly events: ReadonlyMap<string, QmpEvent>;
  readonly hmpCommands: readonly HmpCommand[];
  readonly infoCommands: readonly HmpCommand[];
  readonly host: MonitorHost;
  /** Sends an event of the table to every client. */
  emit(event: string, data?: { readonly [key: string]: Writable | undefined }): void;
  /** The one instance of `part` that belongs to this machine. */
  part<T>(part: Part<T>): T;
};
