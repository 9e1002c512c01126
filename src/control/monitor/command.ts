/**
 * Rows of the monitor's one table: QMP commands, events, HMP commands and `info` subcommands.
 *
 * A module is a list of rows about one matter; `modules.ts` names the modules. All that a client sees comes from the
 * rows: the checks, `query-commands`, `query-qmp-schema`, HMP's help and completion, `docs/monitor.md`.
 */
import type { MonitorContext } from "#control/monitor/context.ts";
import type { BoundDescriptor, PassedDescriptors } from "#control/monitor/passed-descriptors.ts";
import { describeParameters, type HmpArguments, type HmpParameter } from "#control/monitor/hmp/hmp-arguments.ts";
import {
  type ArgumentsOf,
  type Members,
  object,
  type ObjectSchema,
  type ReplyOf,
  type Schema,
} from "#control/monitor/schema.ts";

/** Who asks: one client's connection, or a person at a terminal. */
export type Caller = {
  /** The vCPU that HMP's `cpu` has chosen. */
  cpuIndex: number;
  /** What it has passed over its socket; absent where that cannot be. */
  readonly descriptors?: PassedDescriptors;
  /** What came with this command, if it `takesDescriptor`; the monitor closes what is not taken. */
  readonly passed?: BoundDescriptor;
  /** Why none can come, for the user. */
  readonly whyNoDescriptors?: string | undefined;
};

export type QmpCommand = {
  readonly name: string;
  /** One sentence. */
  readonly help: string;
  readonly takes: ObjectSchema;
  /** Absent: an empty object. */
  readonly returns?: Schema | undefined;
  /** May overtake the others (`exec-oob`). */
  readonly oob: boolean;
  /** A descriptor that comes with it is meant for it. */
  readonly takesDescriptor: boolean;
  /** For `query-qmp-schema`. */
  readonly features?: readonly string[];
  /** Arguments are checked. Throws `QmpError` for the client; everything else is a bug. */
  run(context: MonitorContext, args: Readonly<Record<string, unknown>>, caller: Caller): unknown;
};

type Result<R> = R extends Schema ? ReplyOf<R> | Promise<ReplyOf<R>> : void | Promise<void>;

/** A QMP command. `args` are its members, or an object with variants. */
export function qmpCommand<
  const A extends Members | ObjectSchema,
  const R extends Schema | undefined = undefined,
>(row: {
  readonly name: string;
  readonly help: string;
  readonly args?: A;
  readonly returns?: R;
  readonly oob?: boolean;
  readonly takesDescriptor?: boolean;
  readonly features?: readonly string[];
  run(
    context: MonitorContext,
    args: A extends ObjectSchema ? ArgumentsOf<A["members"]> : ArgumentsOf<A>,
    caller: Caller,
  ): Result<R>;
}): QmpCommand {
  const { args = {}, returns, oob = false, takesDescriptor = false, name, help, features } = row;
  const takes = isObjectSchema(args) ? args : object(`${name}-arg`, args);
  const run: QmpCommand["run"] = (context, given, caller) => row.run(context, given as never, caller);
  return { name, help, takes, returns, oob, takesDescriptor, ...(features && { features }), run };
}

function isObjectSchema(args: Members | ObjectSchema): args is ObjectSchema {
  return typeof args.kind === "string";
}

export type QmpEvent = { readonly name: string; readonly help: string; readonly data: ObjectSchema };

export function qmpEvent(name: string, help: string, data: Members = {}): QmpEvent {
  return { name, help, data: object(`${name}-arg`, data) };
}

export type HmpCommand = {
  /** The first is the name, the others are short forms. */
  readonly names: readonly string[];
  readonly parameters: readonly HmpParameter[];
  /** A descriptor that comes with it is meant for it. */
  readonly takesDescriptor: boolean;
  /** How the help shows them. */
  readonly shownParameters: string;
  /** What it does, as the help says it. */
  readonly help: string;
  /** Resolves with the text for the person, in lines; throws `QmpError`. */
  run(context: MonitorContext, args: HmpArguments, caller: Caller): string | Promise<string> | void | Promise<void>;
};

/** An HMP command, or with `info` in front of it a subcommand of `info`. */
export function hmpCommand(row: {
  readonly name: string;
  readonly parameters?: readonly HmpParameter[];
  readonly takesDescriptor?: boolean;
  readonly help: string;
  run: HmpCommand["run"];
}): HmpCommand {
  const { name, parameters = [], takesDescriptor = false, help, run } = row;
  const shownParameters = describeParameters(parameters);
  return { names: name.split("|"), parameters, takesDescriptor, shownParameters, help, run };
}

export type MonitorModule = {
  /** Heading of the documentation. */
  readonly title: string;
  readonly commands?: readonly QmpCommand[];
  readonly events?: readonly QmpEvent[];
  readonly hmp?: readonly HmpCommand[];
  readonly info?: readonly HmpCommand[];
  /** Called once, when the machine is there: for what a module hears of the machine without being asked. */
  start?(context: MonitorContext): void;
};
