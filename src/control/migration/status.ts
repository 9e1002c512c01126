/** Where a migration stands, in QEMU's words. */
import type { BlocktimeMembers } from "#control/migration/blocktime-figures.ts";

export const MIGRATION_STATUSES = [
  "none",
  "setup",
  "cancelling",
  "cancelled",
  "active",
  "postcopy-active",
  "postcopy-paused",
  "postcopy-recover",
  "completed",
  "failed",
  "colo",
  "pre-switchover",
  "device",
  "wait-unplug",
] as const;
export type MigrationStatus = (typeof MIGRATION_STATUSES)[number];

/** A postcopy can be interrupted, or its recovery given up. */
export function canPause(status: MigrationStatus): boolean {
  return status === "postcopy-active" || status === "postcopy-recover";
}
export const CANNOT_PAUSE =
  "migrate-pause is currently only supported during postcopy-active or postcopy-recover state";
export const PAUSED = "Postcopy migration is paused by the user";

export type MigrationEvent =
  | { readonly event: "MIGRATION"; readonly data: { readonly status: MigrationStatus } }
  | { readonly event: "MIGRATION_PASS"; readonly data: { readonly pass: number } };

/** The answer to query-migrate: QEMU's members, of which many are there only at times. Times in ms, sizes in bytes. */
export type MigrationInfo = Partial<BlocktimeMembers> & {
  readonly status?: MigrationStatus;
  readonly "setup-time"?: number;
  readonly "total-time"?: number;
  readonly downtime?: number;
  readonly "expected-downtime"?: number;
  /** Percent of the time that vCPUs are made to sleep. */
  readonly "cpu-throttle-percentage"?: number;
  readonly "error-desc"?: string;
  /** Where the destination waits, or has waited, as long as the machine has not come. */
  readonly "socket-address"?: readonly SocketAddress[];
  readonly ram?: RamInfo;
};
export type SocketAddress =
  | { readonly type: "inet"; readonly host: string; readonly port: string }
  | { readonly type: "unix"; readonly path: string };
export type RamInfo = {
  readonly total: number;
  readonly remaining: number;
  readonly transferred: number;
  readonly normal: number;
  readonly "normal-bytes": number;
  readonly duplicate: number;
  readonly skipped: number;
  readonly mbps: number;
  readonly "page-size": number;
  readonly "pages-per-second": number;
  readonly "dirty-pages-rate": number;
  readonly "dirty-sync-count": number;
  readonly "precopy-bytes": number;
  readonly "downtime-bytes": number;
  readonly "postcopy-bytes": number;
  readonly "postcopy-requests": number;
  readonly "multifd-bytes": number;
  readonly "dirty-sync-missed-zero-copy": number;
};
