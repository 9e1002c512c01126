/**
 * The log that the options ask for: what is in it, and the file that it goes to.
 */
import { readFile } from "node:fs/promises";
import type { HostOptions } from "#app/cli/command-line.ts";
import type { TraceRequest } from "#app/cli/log-option.ts";
import { StartError } from "#app/start-error.ts";
import type { LogTarget } from "#app/thread-host.ts";
import type { LogConfig } from "#core/log.ts";
import { selectEvents } from "#core/trace.ts";
import { openLogFile, STANDARD_ERROR } from "#platform/node/log-file.ts";

export type OpenedLog = { readonly config: LogConfig; readonly target: LogTarget };

/**
 * Opens the log; undefined when nothing is to be logged, or when nobody would see it (a daemon without a file).
 * `warn` takes a line for the user. Rejects with `StartError` and `LogFileError`.
 */
export async function openLog(options: HostOptions, warn: (line: string) => void): Promise<OpenedLog | undefined> {
  const { events, unknown } = selectEvents(await patterns(options.trace));
  for (const name of unknown) warn(`warning: trace event '${name}' does not exist; '-trace help' lists them`);
  if (options.logItems.length === 0 && events.length === 0) return undefined;
  if (options.logFile === undefined && options.daemonize) return undefined;
  const descriptor = options.logFile === undefined ? STANDARD_ERROR : openLogFile(options.logFile);
  return {
    config: { items: options.logItems, events },
    target: { descriptor, timestamps: options.messageTimestamps },
  };
}

async function patterns(requests: readonly TraceRequest[]): Promise<string[]> {
  const all: string[] = [];
  for (const request of requests) {
    if ("pattern" in request) all.push(request.pattern);
    else all.push(...(await eventsFile(request.file)));
  }
  return all;
}

/** A pattern a line; blank lines and those that start with # say nothing. */
async function eventsFile(path: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new StartError(`the trace events file ${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "" && !line.startsWith("#"));
}
