/** The page about the monitor, from its table. */
import type { HmpCommand, MonitorModule } from "#control/monitor/command.ts";
import type { Members, Optional, Schema } from "#control/monitor/schema.ts";

const INTRODUCTION = `# The monitor

Made from the monitor's table by \`npx tsx tools/docs/main.ts\`; do not edit.

A monitor is a way into a running machine: for programs QMP (JSON, as QEMU 7.2's), for people HMP (lines).

    -qmp unix:/tmp/qmp,server=on,wait=off      QMP on a socket; clients come one after the other
    -monitor stdio                             HMP on this terminal
    -nographic, -serial mon:stdio              HMP and the serial port on one terminal: Ctrl-A C changes between them
    -chardev socket,id=m,fd=3,server=on,wait=off -mon chardev=m,mode=control

A client that sends what is no JSON gets an error; one that does not read its replies is dropped. In the types below \`?\`
marks what may be absent, \`[x]\` is a list of \`x\`.
`;

export function monitorPage(modules: readonly MonitorModule[]): string {
  return `${INTRODUCTION}\n${modules.map(describeModule).join("\n")}`;
}

function describeModule({ title, commands = [], events = [], hmp = [], info = [] }: MonitorModule): string {
  const people = [...hmp.map((row) => describeHmp(row, "")), ...info.map((row) => describeHmp(row, "info "))];
  return [
    `## ${title}\n`,
    table(
      ["QMP command", "takes", "gives", ""],
      commands.map(({ name, takes, returns, oob, help }) => [
        code(name),
        code(showMembers(takes.members) + showCases(takes)),
        code(returns ? showType(returns) : "{}"),
        oob ? `${help} May overtake others.` : help,
      ]),
    ),
    table(
      ["event", "data", ""],
      events.map(({ name, data, help }) => [code(name), code(showMembers(data.members)), help]),
    ),
    table(["HMP command", ""], people),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

function describeHmp({ names, shownParameters, help }: HmpCommand, prefix: string): readonly string[] {
  return [code(`${prefix}${names.join("|")} ${shownParameters}`.trim()), help];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  return line(head) + `|${head.map(() => "---|").join("")}\n` + rows.map(line).join("");
}

const code = (text: string): string => `\`${text}\``;

function showMembers(members: Members): string {
  const shown = Object.entries(members).map(
    ([name, member]) => `${name}${isOptional(member) ? "?" : ""}: ${showType(member)}`,
  );
  return `{${shown.join(", ")}}`;
}

function showCases({ variants }: { readonly variants?: { readonly tag: string } }): string {
  return variants ? `, more by ${variants.tag}` : "";
}

const isOptional = (member: Schema | Optional): member is Optional => member.kind === "optional";

function showType(type: Schema | Optional): string {
  if (isOptional(type)) return showType(type.of);
  switch (type.kind) {
    case "array":
      return `[${showType(type.of)}]`;
    case "enum":
      return type.values.length > 6 ? type.name : type.values.join("|");
    case "object":
      return Object.keys(type.members).length > 8 ? type.name : showMembers(type.members);
    case "int64":
      return "int";
    default:
      return type.kind;
  }
}
