/** The snapshots of a machine in Node. */
import { resolve } from "node:path";
import type { Clock } from "#core/host.ts";
import type { SnapshotPlace, SnapshotStore } from "#core/snapshot-store.ts";
import type { Migration } from "#control/migration/migration.ts";
import { Snapshots } from "#control/snapshot/snapshots.ts";
import type { Machine } from "#machine/machine.ts";
import { snapshotFiles } from "#platform/node/snapshot-files.ts";

/** Files of the directory that `-snapshot-dir` names. */
export function snapshotStore(directory: string | undefined): SnapshotStore {
  return snapshotFiles(directory === undefined ? undefined : resolve(directory));
}

export function makeSnapshots(machine: Machine, migration: Migration, store: SnapshotStore, clock: Clock): Snapshots {
  return new Snapshots(machine, {
    store,
    wallMs: () => clock.wallMs(),
    turn: () => new Promise((done) => setImmediate(done)),
    isMigrating: () => migration.isActive,
    runState: () => migration.run.saved,
  });
}

/** A path has a "/" in it, a tag has none. */
export function snapshotPlace(text: string): SnapshotPlace {
  return text.includes("/") ? { path: text } : { tag: text };
}
