/** What a worker thread is started with, and what it makes of it. */
import type { LogConfig, LogSink } from "#core/log.ts";
import type { MigrationThreadData } from "#control/migration/thread.ts";
import type { ThreadData, ThreadHost } from "#machine/vcpu-thread.ts";
import { nodeClock } from "#platform/node/clock.ts";
import { logSink } from "#platform/node/log-file.ts";

/** The log's file and whether its trace events carry the time. */
export type LogTarget = { readonly descriptor: number; readonly timestamps: boolean };
export type WorkerData = { readonly thread: ThreadData; readonly log: LogTarget | undefined };
/** The same for the thread of a migration. */
export type MigrationWorkerData = {
  readonly thread: MigrationThreadData;
  readonly log: LogTarget | undefined;
  readonly logConfig: LogConfig | undefined;
};

export function threadHost(log: LogTarget | undefined): ThreadHost {
  return { clock: nodeClock(), log: openSink(log) };
}

/** The calling thread's way to the log. */
export function openSink(log: LogTarget | undefined): LogSink | undefined {
  return log && logSink(log.descriptor, log.timestamps);
}
