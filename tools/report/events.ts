/**
 * The record of a postcopy migration that a report is made of. Two forms, also mixed, a line an event:
 *
 *   postcopy_blocktime_begin addr 0x5000 time 1200 cpu 0 exists 0         the log of -trace, with or without a stamp
 *   {"event":"postcopy_blocktime_begin","addr":20480,"time":1200,"cpu":0,"exists":0}
 *
 * Events and their arguments are rows of core/trace.ts; addr, time (ns) and cpu are used:
 *   postcopy_blocktime_tid_cpu_map cpu              there is a vCPU
 *   postcopy_blocktime_begin       addr time cpu    a fault; cpu -1 is a thread that is no vCPU
 *   postcopy_blocktime_end         addr time        all faults on the page are over
 *   postcopy_place_page            addr time        a page arrived
 *   postcopy_vcpu_down, _up        cpu time         what the vCPU's own thread saw, to compare
 * Every other line is passed over.
 */
import type { TraceEventName } from "#core/trace.ts";

export type MigrationEvent = {
  readonly event: EventName;
  readonly addr: number;
  readonly time: number;
  readonly cpu: number;
};

/** Each event and the arguments that it must have. */
const ARGUMENTS = {
  postcopy_blocktime_tid_cpu_map: ["cpu"],
  postcopy_blocktime_begin: ["addr", "time", "cpu"],
  postcopy_blocktime_end: ["addr", "time"],
  postcopy_place_page: ["addr", "time"],
  postcopy_vcpu_down: ["cpu", "time"],
  postcopy_vcpu_up: ["cpu", "time"],
} as const satisfies Partial<Record<TraceEventName, readonly string[]>>;

type EventName = keyof typeof ARGUMENTS;

const LOG_LINE = /\b(postcopy_\w+)((?: \w+ \S+)+)\s*$/;

/** In the order of time; of one time in that of the lines. Throws on an event whose arguments are missing. */
export function parseEvents(text: string): MigrationEvent[] {
  const events = text.split("\n").flatMap((line, index) => parseLine(line, index + 1) ?? []);
  return events.sort((a, b) => a.time - b.time);
}

function parseLine(line: string, lineNumber: number): MigrationEvent | undefined {
  const fields = line.startsWith("{") ? (JSON.parse(line) as Record<string, unknown>) : logFields(line);
  const event = fields?.["event"];
  if (!fields || !isEventName(event)) return undefined;
  for (const name of ARGUMENTS[event]) {
    if (!Number.isFinite(Number(fields[name] ?? Number.NaN)))
      throw new Error(`line ${lineNumber}: ${event} has no number ${name}`);
  }
  const value = (name: string): number => Number(fields[name] ?? 0);
  return { event, addr: value("addr"), time: value("time"), cpu: value("cpu") };
}

function logFields(line: string): Record<string, unknown> | undefined {
  const match = LOG_LINE.exec(line);
  if (!match) return undefined;
  const words = (match[2] ?? "").trim().split(" ");
  const fields: Record<string, unknown> = { event: match[1] };
  for (let at = 0; at + 1 < words.length; at += 2) fields[words[at] as string] = words[at + 1];
  return fields;
}

function isEventName(name: unknown): name is EventName {
  return typeof name === "string" && Object.hasOwn(ARGUMENTS, name);
}
