/**
 * The log's file: standard error, or a file. A descriptor belongs to the process, so every thread writes to it itself,
 * and the system puts the lines in order.
 */
import { constants, openSync, writeSync } from "node:fs";
import type { LogSink } from "#core/log.ts";

export const STANDARD_ERROR = 2;
/** A pipe or terminal that does not take more. */
const FULL_WAIT_MS = 1;

/** A log that cannot be opened; the message says which. */
export class LogFileError extends Error {
  readonly code = "log-file";
}

/** Opens the file of `-D`, empty; `%d` in its name is the process id. Throws {@link LogFileError}. */
export function openLogFile(template: string): number {
  // One %d and nothing else.
  if (/%/.test(template.replace("%d", ""))) throw new LogFileError(`Bad logfile template: ${template}`);
  const path = template.replace("%d", String(process.pid));
  // Appending, so that every write goes to the end whoever makes it.
  const { O_WRONLY, O_CREAT, O_TRUNC, O_APPEND } = constants;
  try {
    return openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
  } catch (cause) {
    throw new LogFileError(`Error opening logfile ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** A thread's way to the log. With `timestamps` a trace event carries process and time. */
export function logSink(descriptor: number, timestamps: boolean): LogSink {
  const nap = new Int32Array(new SharedArrayBuffer(4));
  return {
    stamp: timestamps ? stamp : () => "",
    write(text) {
      let left: Uint8Array = new TextEncoder().encode(text);
      while (left.length > 0) {
        try {
          left = left.subarray(writeSync(descriptor, left));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return; // full disk, reader gone: the guest goes on
          Atomics.wait(nap, 0, 0, FULL_WAIT_MS);
        }
      }
    },
  };
}

function stamp(): string {
  const us = Math.round((performance.timeOrigin + performance.now()) * 1000);
  return `${process.pid}@${Math.floor(us / 1e6)}.${String(us % 1e6).padStart(6, "0")}:`;
}
