/**
 * `-d item,...` and `-trace`: what the log shows.
 */

import { LOG_ITEMS, type LogItem } from "#core/log.ts";
import type { Draft } from "./draft.ts";
import { splitPairs } from "./key-values.ts";
import { OptionError } from "./option-error.ts";
import { suggestion } from "./suggest.ts";

/** A step of choosing trace events: a pattern, or a file that holds one a line. */
export type TraceRequest = { readonly pattern: string } | { readonly file: string };

const TRACE_PREFIX = "trace:";
const NAME_COLUMNS = 15;

/** What `-d` asks for: log items, and patterns of trace events (`trace:PATTERN`). Throws `OptionError`. */
export function readLogItems(text: string): { items: LogItem[]; trace: string[] } {
  const items: LogItem[] = [];
  const trace: string[] = [];
  for (const name of text.split(",")) {
    if (name.startsWith(TRACE_PREFIX)) trace.push(name.slice(TRACE_PREFIX.length));
    else if (name === "all") items.push(...LOG_ITEMS.filter((item) => !("missing" in item)).map((item) => item.name));
    else items.push(requireItem(name));
  }
  return { items, trace };
}

function requireItem(name: string): LogItem {
  const item = LOG_ITEMS.find((candidate) => candidate.name === name);
  if (!item) {
    const names = LOG_ITEMS.map((candidate) => candidate.name);
    throw new OptionError("unknown-name", `unknown log item '${name}'; '-d help' lists them${suggestion(name, names)}`);
  }
  if ("missing" in item) throw new OptionError("not-available", `log item '${name}' is not available: ${item.missing}`);
  return item.name;
}

/** Text of `-d help`. */
export function logHelp(): string {
  const lines = LOG_ITEMS.filter((item) => !("missing" in item)).map(
    ({ name, help }) => `${name.padEnd(NAME_COLUMNS)} ${help}\n`,
  );
  lines.push(`\n${"trace:PATTERN".padEnd(NAME_COLUMNS)} enable trace events whose name matches\n`);
  return `Log items (comma separated):\n${lines.join("")}`;
}

/** `-trace [enable=]PATTERN,file=,events=`. Throws `OptionError`. */
export function readTrace(draft: Draft, text: string): void {
  for (const { key, value } of splitPairs(text, "enable")) {
    if (key === "enable") addTracePattern(draft, value);
    else if (key === "file") draft.logFile = value;
    else if (key === "events") draft.trace.push({ file: value });
    else throw new OptionError("unknown-name", `Invalid parameter '${key}'`);
  }
}

/** Adds a pattern; `help` lists the events. */
export function addTracePattern(draft: Draft, pattern: string): void {
  if (pattern !== "help" && pattern !== "?") draft.trace.push({ pattern });
  else draft.print = { text: draft.known.traceEvents.map((name) => `${name}\n`).join(""), exitCode: 0 };
}
