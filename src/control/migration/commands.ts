/**
 * The monitor's commands about migration, by QEMU's names: a row is what a command takes and what it does. A monitor
 * registers the rows; whoever calls one has checked the arguments' types against `takes`.
 */
import type { MigrationChannel } from "#control/migration/address.ts";
import type { Capability } from "#control/migration/capabilities.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import type { Migration } from "#control/migration/migration.ts";
import type { MigrationStatus } from "#control/migration/status.ts";

/** A name with "?" may be absent. */
type ArgumentType = "str" | "bool" | "int" | "object" | "list";
type Arguments = Readonly<Record<string, unknown>>;
export type MigrationCommand = {
  readonly takes: Readonly<Record<string, ArgumentType>>;
  /** Other arguments than those of `takes` are handed on. */
  readonly takesOthers?: true;
  /** What it returns is the reply. Throws or rejects with errors whose message is the reply's `desc`. */
  readonly run: (migration: Migration, given: Arguments) => unknown;
};

const NOTHING = {};
const later = (name: string) => (): never => {
  throw new MigrationError(`${name} is not available in this version: a postcopy cannot be taken up again yet`);
};
const target = (given: Arguments): { uri?: string; channels?: readonly MigrationChannel[] } => ({
  ...(given["uri"] !== undefined && { uri: given["uri"] as string }),
  ...(given["channels"] !== undefined && { channels: given["channels"] as readonly MigrationChannel[] }),
});

export const MIGRATION_COMMANDS: Readonly<Record<string, MigrationCommand>> = {
  migrate: {
    takes: { "uri?": "str", "channels?": "list", "blk?": "bool", "inc?": "bool", "detach?": "bool", "resume?": "bool" },
    run(migration, given) {
      for (const option of ["blk", "inc", "resume"]) {
        if (given[option] === true) throw new MigrationError(`'${option}' is not available in this version`);
      }
      migration.migrate(target(given));
      return NOTHING;
    },
  },
  "migrate-incoming": {
    takes: { "uri?": "str", "channels?": "list" },
    async run(migration, given) {
      // A machine that cannot be loaded is told by the event and by query-migrate.
      const { loaded } = await migration.incoming(target(given), !migration.startsStopped);
      loaded.catch(() => {});
      return NOTHING;
    },
  },
  migrate_cancel: {
    takes: {},
    run(migration) {
      migration.cancel();
      return NOTHING;
    },
  },
  "migrate-continue": {
    takes: { state: "str" },
    run(migration, given) {
      migration.continueFrom(given["state"] as MigrationStatus);
      return NOTHING;
    },
  },
  "query-migrate": { takes: {}, run: (migration) => migration.query() },
  "migrate-set-capabilities": {
    takes: { capabilities: "list" },
    run(migration, given) {
      migration.setCapabilities(given["capabilities"] as readonly Capability[]);
      return NOTHING;
    },
  },
  "query-migrate-capabilities": { takes: {}, run: (migration) => migration.capabilities() },
  "migrate-set-parameters": {
    takes: {},
    takesOthers: true,
    run(migration, given) {
      migration.setParameters(given);
      return NOTHING;
    },
  },
  "query-migrate-parameters": { takes: {}, run: (migration) => migration.parameters() },
  "migrate-start-postcopy": {
    takes: {},
    run(migration) {
      migration.startPostcopy();
      return NOTHING;
    },
  },
  "migrate-pause": { takes: {}, run: later("migrate-pause") },
  "migrate-recover": { takes: { uri: "str" }, run: later("migrate-recover") },
};
