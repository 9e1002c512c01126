/** The command line, the log and other things that are asked by programs that probe. */
import { hmpCommand, type MonitorModule, qmpCommand } from "#control/monitor/command.ts";
import type { MonitorContext } from "#control/monitor/context.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { any, array, bool, enumeration, int, object, optional, str, union } from "#control/monitor/schema.ts";
import { LOG_ITEMS } from "#core/log.ts";
import { selectEvents, TRACE_EVENT_NAMES } from "#core/trace.ts";

const PARAMETER_TYPE = enumeration("CommandLineParameterType", ["string", "boolean", "number", "size"]);
const TRACE_STATE = enumeration("TraceEventState", ["unavailable", "disabled", "enabled"]);
const STATS_TARGET = enumeration("StatsTarget", ["vm", "vcpu"]);
const STATS_PROVIDER = enumeration("StatsProvider", ["kvm"]);

const CHOSEN_AT_START = "what is logged is chosen when the machine starts: use -d and -trace";

function requireEvents(pattern: string): readonly string[] {
  const { events, unknown } = selectEvents([pattern]);
  if (unknown.length > 0) throw new QmpError(`unknown event "${pattern}"`);
  return events;
}
const isTraced = ({ config }: MonitorContext, name: string): boolean =>
  (config.log?.events as readonly string[] | undefined)?.includes(name) ?? false;

export const OPTIONS: MonitorModule = {
  title: "Options, log, statistics",
  commands: [
    qmpCommand({
      name: "query-command-line-options",
      help: "The options of the command line, or one of them, and what can be set with them.",
      args: { option: optional(str) },
      returns: array(
        object("CommandLineOptionInfo", {
          option: str,
          parameters: array(
            object("CommandLineParameterInfo", { name: str, type: PARAMETER_TYPE, help: optional(str) }),
          ),
        }),
      ),
      run({ host }, { option }) {
        const options = host.options.filter((row) => option === undefined || row.option === option);
        if (option !== undefined && options.length === 0) throw new QmpError(`invalid option name: ${option}`);
        return options;
      },
    }),
    qmpCommand({
      name: "trace-event-get-state",
      help: "Whether the trace events of a name or pattern are on.",
      args: { name: str, vcpu: optional(int) },
      returns: array(object("TraceEventInfo", { name: str, state: TRACE_STATE, vcpu: bool })),
      run: (context, args) =>
        requireEvents(args.name).map((name) => ({
          name,
          vcpu: false,
          state: isTraced(context, name) ? ("enabled" as const) : ("disabled" as const),
        })),
    }),
    qmpCommand({
      name: "trace-event-set-state",
      help: "Switches trace events; possible only at the start (`-trace`), since what is off is not in the code.",
      args: { name: str, enable: bool, "ignore-unavailable": optional(bool), vcpu: optional(int) },
      run(context, { name, enable }) {
        if (requireEvents(name).some((event) => isTraced(context, event) !== enable))
          throw new QmpError(CHOSEN_AT_START);
      },
    }),
    qmpCommand({
      name: "query-stats",
      help: "Statistics of KVM, and so none.",
      args: union(
        "StatsFilter",
        {
          target: STATS_TARGET,
          providers: optional(array(object("StatsRequest", { provider: STATS_PROVIDER, names: optional(array(str)) }))),
        },
        "target",
        { vcpu: { vcpus: optional(array(str)) }, vm: {} },
      ),
      returns: array(
        object("StatsResult", {
          provider: STATS_PROVIDER,
          "qom-path": optional(str),
          stats: array(object("Stats", { name: str, value: any })),
        }),
      ),
      run: () => [],
    }),
    qmpCommand({
      name: "query-stats-schemas",
      help: "What `query-stats` knows: nothing.",
      args: { provider: optional(STATS_PROVIDER) },
      returns: array(object("StatsSchema", { provider: STATS_PROVIDER, target: STATS_TARGET, stats: array(any) })),
      run: () => [],
    }),
    qmpCommand({
      name: "query-tpm-models",
      help: "Models of TPM: none.",
      returns: array(str),
      run: () => [],
    }),
    qmpCommand({
      name: "query-tpm-types",
      help: "Backends of TPM: none.",
      returns: array(str),
      run: () => [],
    }),
    qmpCommand({
      name: "inject-nmi",
      help: "Sends a non-maskable interrupt; the board has none.",
      run() {
        throw new QmpError("this feature or command is not currently supported");
      },
    }),
    qmpCommand({
      name: "query-display-options",
      help: "The display: none.",
      returns: object("DisplayOptions", { type: enumeration("DisplayType", ["none"]) }),
      run: () => ({ type: "none" as const }),
    }),
    qmpCommand({
      name: "query-pr-managers",
      help: "Managers of persistent reservations: none.",
      returns: array(object("PRManagerInfo", { id: str, connected: bool })),
      run: () => [],
    }),
  ],
  hmp: [
    hmpCommand({
      name: "log",
      parameters: [{ name: "item1[,...]", kind: "rest", isOptional: true }],
      help: "shows the items of the log; they are switched at the start (-d)",
      run(context, args) {
        const wanted = args.text("item1[,...]")?.trim() ?? "";
        const on = context.config.log?.items ?? [];
        if (wanted !== "" && wanted !== "help") throw new QmpError(CHOSEN_AT_START);
        const available = LOG_ITEMS.filter((item) => !("missing" in item));
        const lines = available.map(
          ({ name, help }) => `${on.includes(name) ? "*" : " "} ${name.padEnd(15)} ${help}\n`,
        );
        return `Log items (* is on):\n${lines.join("")}`;
      },
    }),
    hmpCommand({
      name: "trace-event",
      parameters: [
        { name: "name", kind: "word" },
        { name: "state", kind: "on-off" },
      ],
      help: "switches a trace event; possible only at the start (-trace)",
      run(context, args) {
        const events = requireEvents(args.text("name") ?? "");
        if (events.some((event) => isTraced(context, event) !== args.isOn("state")))
          throw new QmpError(CHOSEN_AT_START);
      },
    }),
  ],
  info: [
    hmpCommand({
      name: "trace-events",
      parameters: [{ name: "name", kind: "word", isOptional: true }],
      help: "the trace events and whether they are on",
      run: (context, args) => {
        const pattern = args.text("name");
        const names: readonly string[] = pattern === undefined ? TRACE_EVENT_NAMES : requireEvents(pattern);
        return names.map((name) => `${name} : state ${isTraced(context, name) ? 1 : 0}\n`).join("");
      },
    }),
  ],
};
