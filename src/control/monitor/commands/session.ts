/** The protocol itself: negotiation, what can be asked, HMP through QMP, help. */
import { hmpCommand, type MonitorModule, qmpCommand } from "#control/monitor/command.ts";
import { describeCommand, describeCommands, findHmp, runHmpLine } from "#control/monitor/hmp/hmp-dispatch.ts";
import { describeSchema } from "#control/monitor/introspection.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { any, array, enumeration, int, object, optional, str } from "#control/monitor/schema.ts";

export const SESSION: MonitorModule = {
  title: "The protocol",
  commands: [
    qmpCommand({
      name: "qmp_capabilities",
      help: "Ends the negotiation; nothing else is answered before.",
      args: { enable: optional(array(enumeration("QMPCapability", ["oob"]))) },
      // The session does it.
      run() {},
    }),
    qmpCommand({
      name: "query-commands",
      help: "Names of the commands.",
      returns: array(object("CommandInfo", { name: str })),
      run: ({ commands }) => [...commands.keys()].map((name) => ({ name })),
    }),
    qmpCommand({
      name: "query-qmp-schema",
      help: "Commands, events and their types.",
      returns: array(any),
      run: ({ commands, events }) => describeSchema(commands.values(), events.values()),
    }),
    qmpCommand({
      name: "human-monitor-command",
      help: "Runs a line of the monitor for people and returns what it prints.",
      args: { "command-line": str, "cpu-index": optional(int) },
      returns: str,
      async run(context, args) {
        const cpuIndex = args["cpu-index"] ?? 0;
        if (args["cpu-index"] !== undefined && !(cpuIndex >= 0 && cpuIndex < context.cpuCount)) {
          throw new QmpError("Parameter 'cpu-index' expects a CPU number");
        }
        // A client of its own: what `cpu` chooses is forgotten.
        const text = await runHmpLine(context, args["command-line"], { cpuIndex });
        return text.replaceAll("\n", "\r\n");
      },
    }),
  ],
  hmp: [
    hmpCommand({
      name: "help|?",
      parameters: [{ name: "command", kind: "rest", isOptional: true }],
      help: "shows the commands, or one of them",
      run(context, args) {
        const wanted = args.text("command")?.trim() ?? "";
        if (wanted === "") return describeCommands(context.hmpCommands);
        const topic = /^info\s+(\S+)$/.exec(wanted)?.[1];
        if (wanted === "info") return describeCommands(context.infoCommands, "info ");
        const row = topic === undefined ? findHmp(context.hmpCommands, wanted) : findHmp(context.infoCommands, topic);
        if (!row) return `unknown command: '${wanted}'\n`;
        return describeCommand(row, topic === undefined ? "" : "info ");
      },
    }),
    hmpCommand({
      name: "info",
      parameters: [{ name: "topic", kind: "rest", isOptional: true }],
      help: "shows what the topic is about; without one, the topics",
      // The dispatcher does it.
      run() {},
    }),
    hmpCommand({
      name: "cpu",
      parameters: [{ name: "index", kind: "integer" }],
      help: "chooses the vCPU whose registers and addresses are meant",
      run(context, args, caller) {
        const index = Number(args.integer("index"));
        if (!(index >= 0 && index < context.cpuCount)) return "invalid CPU index\n";
        caller.cpuIndex = index;
        return "";
      },
    }),
  ],
};
