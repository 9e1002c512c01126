/**
 * One line of HMP: finds the command, reads its arguments, runs it. What comes back is text in lines, whatever happens.
 */
import type { Caller, HmpCommand } from "#control/monitor/command.ts";
import { readHmpArguments } from "#control/monitor/hmp/hmp-arguments.ts";
import { HmpSyntaxError } from "#control/monitor/hmp/hmp-error.ts";
import { readRegister } from "#control/monitor/inspect/registers.ts";
import type { MonitorContext } from "#control/monitor/context.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { MemoryMissingError } from "#machine/memory-missing-error.ts";

const INFO = "info";

/** Runs `line`. Rejects with what is our fault. */
export async function runHmpLine(monitor: MonitorContext, line: string, caller: Caller): Promise<string> {
  const name = nextWord(line, 0);
  if (name.text === "") return "";
  if (name.text === INFO) {
    const topic = nextWord(line, name.end);
    if (topic.text === "") return describeCommands(monitor.infoCommands, "info ");
    const row = findHmp(monitor.infoCommands, topic.text);
    if (!row) return `unknown command: 'info ${topic.text}'\n`;
    return run(monitor, row, `info ${row.names[0]}`, line, topic.end, caller);
  }
  // `x/4i` is `x /4i`.
  const slash = name.text.indexOf("/");
  const word = slash > 0 ? name.text.slice(0, slash) : name.text;
  const row = findHmp(monitor.hmpCommands, word);
  if (!row) return `unknown command: '${word}'\n`;
  return run(monitor, row, word, line, slash > 0 ? name.end - name.text.length + slash : name.end, caller);
}

/** Whether a descriptor that comes with `line` is meant for it. */
export function takesDescriptor({ hmpCommands }: Pick<MonitorContext, "hmpCommands">, line: string): boolean {
  return findHmp(hmpCommands, nextWord(line, 0).text)?.takesDescriptor === true;
}

async function run(
  monitor: MonitorContext,
  row: HmpCommand,
  helpName: string,
  line: string,
  start: number,
  caller: Caller,
): Promise<string> {
  try {
    const lookup = (name: string): bigint | undefined =>
      monitor.machine && readRegister(monitor.machine, caller.cpuIndex, name);
    const read = (): ReturnType<typeof readHmpArguments> =>
      readHmpArguments(row.names.join("|"), row.parameters, line, start, lookup);
    // Registers of a vCPU that runs would be of different moments.
    const args = line.includes("$") && monitor.machine ? await monitor.machine.whileStopped(read) : read();
    return (await row.run(monitor, args, caller)) ?? "";
  } catch (error) {
    if (error instanceof HmpSyntaxError) return `${error.message}\nTry "help ${helpName}" for more information\n`;
    if (error instanceof QmpError || error instanceof MemoryMissingError) return `Error: ${error.message}\n`;
    throw error;
  }
}

export function findHmp(rows: readonly HmpCommand[], name: string): HmpCommand | undefined {
  return rows.find(({ names }) => names.includes(name));
}

/** Help lines of `rows`. */
export function describeCommands(rows: readonly HmpCommand[], prefix = ""): string {
  return [...rows]
    .sort((a, b) => ((a.names[0] ?? "") < (b.names[0] ?? "") ? -1 : 1))
    .map((row) => describeCommand(row, prefix))
    .join("");
}

export function describeCommand({ names, shownParameters, help }: HmpCommand, prefix = ""): string {
  return `${prefix}${names.join("|")} ${shownParameters} -- ${help}\n`;
}

function nextWord(line: string, start: number): { readonly text: string; readonly end: number } {
  const match = /^\s*(\S*)/.exec(line.slice(start));
  return { text: match?.[1] ?? "", end: start + (match?.[0].length ?? 0) };
}
