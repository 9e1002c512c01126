/** What could stand where a line ends: names of commands, topics of `info`, words of a command. */
import type { MonitorContext } from "#control/monitor/context.ts";
import type { HmpCommand } from "#control/monitor/command.ts";
import { TRACE_EVENT_NAMES } from "#core/trace.ts";

/** Words for the first argument of some commands. */
const FIRST_WORDS: Readonly<Record<string, (context: MonitorContext) => readonly string[]>> = {
  info: ({ infoCommands }) => names(infoCommands),
  help: ({ hmpCommands }) => names(hmpCommands),
  "trace-event": () => TRACE_EVENT_NAMES,
  object_del: ({ config }) => (config.objects ?? []).map(({ id }) => id),
};

const names = (rows: readonly HmpCommand[]): readonly string[] => rows.flatMap((row) => row.names);

/** The words that go on from where `line` ends, and the part of the line that they replace. */
export function completeLine(
  context: MonitorContext,
  line: string,
): { readonly words: readonly string[]; readonly replaces: string } {
  const [, before = "", replaces = ""] = /^(.*?)(\S*)$/s.exec(line) ?? [];
  const words = before.trim().split(/\s+/);
  const candidates =
    before.trim() === ""
      ? names(context.hmpCommands)
      : words.length === 1
        ? (FIRST_WORDS[words[0] ?? ""]?.(context) ?? [])
        : [];
  const fitting = candidates.filter((word) => word.startsWith(replaces)).map((word) => `${word} `);
  return { words: fitting.sort(), replaces };
}
