/** Migration: the rows of `control/migration/commands.ts` as commands of the monitor, and the events. */
import { Capabilities, CAPABILITY_NAMES } from "#control/migration/capabilities.ts";
import { migrationText, parametersText } from "#control/migration/info-text.ts";
import { MIGRATION_COMMANDS } from "#control/migration/commands.ts";
import type { Migration } from "#control/migration/migration.ts";
import { MIGRATION_STATUSES } from "#control/migration/status.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import { DEFAULT_PARAMETERS, describeParameters } from "#control/migration/parameters.ts";
import { hmpCommand, type MonitorModule, qmpCommand, type QmpCommand, qmpEvent } from "#control/monitor/command.ts";
import type { MonitorContext } from "#control/monitor/context.ts";
import { DESCRIPTOR_SETS } from "#control/monitor/descriptor-sets.ts";
import type { PassedDescriptors } from "#control/monitor/passed-descriptors.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import {
  any,
  array,
  bool,
  enumeration,
  int,
  int64,
  type Members,
  object,
  optional,
  type Schema,
  str,
} from "#control/monitor/schema.ts";

const HELP: Readonly<Record<string, string>> = {
  migrate: "Sends the machine to another process.",
  "migrate-incoming": "Waits for a machine, after `-incoming defer`.",
  migrate_cancel: "Gives up the migration; the machine goes on here.",
  "migrate-continue": "Goes on from a state that waits for it, such as pre-switchover.",
  "query-migrate": "Where the migration stands.",
  "migrate-set-capabilities": "Switches what migrations may do.",
  "query-migrate-capabilities": "What migrations may do.",
  "migrate-set-parameters": "Sets the limits of migrations.",
  "query-migrate-parameters": "The limits of migrations.",
  "migrate-start-postcopy": "Lets the destination run before all of the memory is there.",
  "migrate-pause": "Interrupts a postcopy.",
  "migrate-recover": "Waits for an interrupted postcopy to go on.",
};
const STATUS = enumeration("MigrationStatus", MIGRATION_STATUSES);
const CAPABILITY = object("MigrationCapabilityStatus", {
  capability: enumeration("MigrationCapability", CAPABILITY_NAMES),
  state: bool,
});
function typeOf(value: unknown): Schema {
  if (typeof value === "number") return int;
  if (typeof value === "boolean") return bool;
  return typeof value === "string" ? str : array(str);
}

/** What each command takes. `channels` is QEMU 8.2's. */
const ARGUMENTS: Readonly<Record<string, Members>> = {
  migrate: {
    uri: optional(str),
    channels: optional(any),
    blk: optional(bool),
    inc: optional(bool),
    detach: optional(bool),
    resume: optional(bool),
  },
  "migrate-incoming": { uri: optional(str), channels: optional(any) },
  "migrate-continue": { state: STATUS },
  "migrate-set-capabilities": { capabilities: array(CAPABILITY) },
  // All of QEMU's, so that a client hears which of them cannot be set.
  "migrate-set-parameters": {
    ...Object.fromEntries(
      Object.entries(describeParameters(DEFAULT_PARAMETERS)).map(([name, value]) => [name, optional(typeOf(value))]),
    ),
    "max-bandwidth": optional(int64),
    "max-postcopy-bandwidth": optional(int64),
    "avail-switchover-bandwidth": optional(int64),
    // A text or null.
    ...Object.fromEntries(["tls-creds", "tls-hostname", "tls-authz"].map((name) => [name, optional(any)])),
    "multifd-compression": optional(
      enumeration("MultiFDCompression", ["none", "zlib", "zstd", "qatzip", "qpl", "uadk"]),
    ),
    "zero-page-detection": optional(enumeration("ZeroPageDetection", ["none", "legacy", "multifd"])),
    mode: optional(enumeration("MigMode", ["normal", "cpr-reboot", "cpr-transfer", "cpr-exec"])),
  },
  "migrate-recover": { uri: str },
};
/** They may overtake others: a migration that hangs holds them up. */
const OUT_OF_BAND: readonly string[] = ["migrate-pause", "migrate-recover"];

function migrationOf({ host }: MonitorContext): Migration {
  if (!host.migration) throw new QmpError("this machine cannot be moved");
  return host.migration;
}

/** What is answered where there is no machine (`-machine none`): what one can do. Managers probe the program so. */
const WITHOUT_MACHINE: Readonly<Record<string, () => unknown>> = {
  "query-migrate": () => ({}),
  "query-migrate-capabilities": () => new Capabilities().list(),
  "query-migrate-parameters": () => describeParameters(DEFAULT_PARAMETERS),
};

/** Runs one of the rows; `passed` is what the client may name. Throws `QmpError` for what it has done wrong. */
async function run(
  context: MonitorContext,
  name: string,
  given: Readonly<Record<string, unknown>>,
  passed?: PassedDescriptors,
): Promise<unknown> {
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const answer = context.host.migration ? undefined : WITHOUT_MACHINE[name];
  if (answer) return answer();
  const migration = migrationOf(context);
  const descriptors = {
    take: (fdName: string) => passed?.takeNamed(fdName)?.fd,
    inSet: (id: number) => context.part(DESCRIPTOR_SETS).first(id),
  };
  try {
    return await MIGRATION_COMMANDS[name]?.run(migration, present, descriptors);
  } catch (error) {
    if (error instanceof MigrationError) throw new QmpError(error.message, "GenericError", { cause: error });
    throw error;
  }
}

const COMMANDS: readonly QmpCommand[] = Object.keys(MIGRATION_COMMANDS).map((name) =>
  qmpCommand({
    name,
    help: HELP[name] ?? name,
    args: ARGUMENTS[name] ?? {},
    oob: OUT_OF_BAND.includes(name),
    ...(name.startsWith("query-") && { returns: any }),
    run: async (context, given, { descriptors }) => (await run(context, name, given, descriptors)) as never,
  }),
);

const onOff = (state: boolean): string => (state ? "on" : "off");

/** Those of which a person gives MiB a second. */
const IN_MIB: readonly string[] = ["max-bandwidth", "avail-switchover-bandwidth"];
const SIZE_UNITS = "BKMGTPE";

/** What a person has written, of the type that the parameter has. Throws `QmpError`. */
function readParameter(name: string, text: string): unknown {
  const current = describeParameters(DEFAULT_PARAMETERS)[name];
  if (current === undefined) throw new QmpError(`invalid parameter value: ${name}`);
  if (typeof current === "string") return text;
  if (typeof current === "object") return text.split(" ");
  if (typeof current === "boolean") {
    if (text !== "on" && text !== "off") throw new QmpError(`Parameter '${name}' expects 'on' or 'off'`);
    return text === "on";
  }
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?|0x[\da-f]+)([bkmgtpe]?)$/i.exec(text) ?? [];
  if (digits === undefined) throw new QmpError(`Parameter '${name}' expects a non-negative number below 2^64`);
  const scale = SIZE_UNITS.indexOf(unit === "" ? (IN_MIB.includes(name) ? "M" : "B") : unit.toUpperCase());
  return Math.min(Math.floor(Number(digits) * 1024 ** scale), Number.MAX_SAFE_INTEGER);
}

export const MIGRATION: MonitorModule = {
  title: "Migration",
  start(context) {
    const { migration } = context.host;
    if (context.machine?.migration.isLoading) context.run.set("inmigrate");
    migration?.on((event) => {
      const wanted = migration.capabilities().some(({ capability, state }) => capability === "events" && state);
      if (wanted) context.emit(event.event, event.data);
    });
  },
  commands: COMMANDS,
  events: [
    qmpEvent("MIGRATION", "The migration has a new state; with the capability `events`.", { status: STATUS }),
    qmpEvent("MIGRATION_PASS", "All memory has been gone through once more; with the capability `events`.", {
      pass: int,
    }),
  ],
  hmp: [
    hmpCommand({
      name: "migrate",
      parameters: [
        { name: "detach", kind: "switch", letter: "d" },
        { name: "resume", kind: "switch", letter: "r" },
        { name: "uri", kind: "rest" },
      ],
      help: "sends the machine to uri; with -d it does not wait for the end, with -r it goes on with a paused postcopy",
      async run(context, args, { descriptors }) {
        const resume = args.isOn("resume") && { resume: true };
        await run(context, "migrate", { uri: args.text("uri"), ...resume }, descriptors);
        if (args.isOn("detach")) return "";
        const { status = "none", "error-desc": why } = await migrationOf(context).untilOver();
        return status === "completed" ? "" : `migration ${status}${why === undefined ? "" : `: ${why}`}\n`;
      },
    }),
    hmpCommand({
      name: "migrate_incoming",
      parameters: [{ name: "uri", kind: "rest" }],
      help: "waits for a machine at uri, after -incoming defer",
      run: async (context, args, { descriptors }) =>
        void (await run(context, "migrate-incoming", { uri: args.text("uri") }, descriptors)),
    }),
    hmpCommand({
      name: "migrate_cancel",
      help: "gives up the migration",
      run: async (context) => void (await run(context, "migrate_cancel", {})),
    }),
    hmpCommand({
      name: "migrate_continue",
      parameters: [{ name: "state", kind: "word" }],
      help: "goes on from a state that waits for it, such as pre-switchover",
      run: async (context, args) => void (await run(context, "migrate-continue", { state: args.text("state") })),
    }),
    hmpCommand({
      name: "migrate_pause",
      help: "interrupts a postcopy",
      run: async (context) => void (await run(context, "migrate-pause", {})),
    }),
    hmpCommand({
      name: "migrate_recover",
      parameters: [{ name: "uri", kind: "rest" }],
      help: "waits at uri for an interrupted postcopy to go on",
      run: async (context, args, { descriptors }) =>
        void (await run(context, "migrate-recover", { uri: args.text("uri") }, descriptors)),
    }),
    hmpCommand({
      name: "migrate_start_postcopy",
      help: "lets the destination run before all of the memory is there",
      run: async (context) => void (await run(context, "migrate-start-postcopy", {})),
    }),
    hmpCommand({
      name: "migrate_set_capability",
      parameters: [
        { name: "capability", kind: "word" },
        { name: "state", kind: "on-off" },
      ],
      help: "switches what migrations may do",
      async run(context, args) {
        const capabilities = [{ capability: args.text("capability"), state: args.isOn("state") }];
        await run(context, "migrate-set-capabilities", { capabilities });
      },
    }),
    hmpCommand({
      name: "migrate_set_parameter",
      parameters: [
        { name: "parameter", kind: "word" },
        { name: "value", kind: "word" },
      ],
      help: "sets a limit of migrations; bandwidths are in MiB/s, or have a suffix",
      async run(context, args) {
        const name = args.text("parameter") ?? "";
        await run(context, "migrate-set-parameters", { [name]: readParameter(name, args.text("value") ?? "") });
      },
    }),
  ],
  info: [
    hmpCommand({
      name: "migrate",
      parameters: [{ name: "all", kind: "switch", letter: "a" }],
      help: "where the migration stands; with -a all of it",
      run: async (context, args) => migrationText(await migrationOf(context).query(), { all: args.isOn("all") }),
    }),
    hmpCommand({
      name: "migrate_capabilities",
      help: "what migrations may do",
      run: (context) =>
        migrationOf(context)
          .capabilities()
          .map(({ capability, state }) => `${capability}: ${onOff(state)}\n`)
          .join(""),
    }),
    hmpCommand({
      name: "migrate_parameters",
      help: "the limits of migrations",
      run: (context) => parametersText(migrationOf(context).parameters()),
    }),
  ],
};
