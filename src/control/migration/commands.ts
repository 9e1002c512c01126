/**
 * What the monitor's commands about migration do, by QEMU's names. Their types are rows of
 * `control/monitor/commands/migration.ts`, which has checked the arguments.
 */
import type { DescriptorNames, MigrationChannel } from "#control/migration/address.ts";
import type { Capability } from "#control/migration/capabilities.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import type { Migration, MigrationTarget } from "#control/migration/migration.ts";
import { describeParameters } from "#control/migration/parameters.ts";
import type { MigrationStatus } from "#control/migration/status.ts";

type Arguments = Readonly<Record<string, unknown>>;
export type MigrationCommand = {
  /** What it returns is the reply. Throws or rejects with errors whose message is the reply's `desc`. */
  readonly run: (migration: Migration, given: Arguments, descriptors?: DescriptorNames) => unknown;
};

const NOTHING = {};
const target = (given: Arguments, descriptors: DescriptorNames | undefined): MigrationTarget => ({
  ...(descriptors && { descriptors }),
  ...(given["uri"] !== undefined && { uri: given["uri"] as string }),
  ...(given["channels"] !== undefined && { channels: given["channels"] as readonly MigrationChannel[] }),
});

export const MIGRATION_COMMANDS: Readonly<Record<string, MigrationCommand>> = {
  migrate: {
    async run(migration, given, descriptors) {
      for (const option of ["blk", "inc"]) {
        if (given[option] === true) throw new MigrationError(`'${option}' is not available in this version`);
      }
      if (given["resume"] === true) await migration.resume(target(given, descriptors));
      else migration.migrate(target(given, descriptors));
      return NOTHING;
    },
  },
  "migrate-incoming": {
    async run(migration, given, descriptors) {
      // A machine that cannot be loaded is told by the event and by query-migrate.
      const { loaded } = await migration.incoming(target(given, descriptors), !migration.startsStopped);
      loaded.catch(() => {});
      return NOTHING;
    },
  },
  migrate_cancel: {
    async run(migration) {
      await migration.cancel();
      return NOTHING;
    },
  },
  "migrate-continue": {
    run(migration, given) {
      migration.continueFrom(given["state"] as MigrationStatus);
      return NOTHING;
    },
  },
  "query-migrate": { run: (migration) => migration.query() },
  "migrate-set-capabilities": {
    run(migration, given) {
      migration.setCapabilities(given["capabilities"] as readonly Capability[]);
      return NOTHING;
    },
  },
  "query-migrate-capabilities": { run: (migration) => migration.capabilities() },
  "migrate-set-parameters": {
    run(migration, given) {
      migration.setParameters(given);
      return NOTHING;
    },
  },
  "query-migrate-parameters": { run: (migration) => describeParameters(migration.parameters()) },
  "migrate-start-postcopy": {
    run(migration) {
      migration.startPostcopy();
      return NOTHING;
    },
  },
  "migrate-pause": {
    async run(migration) {
      await migration.pause();
      return NOTHING;
    },
  },
  "migrate-recover": {
    async run(migration, given, descriptors) {
      await migration.recover(target(given, descriptors));
      return NOTHING;
    },
  },
};
