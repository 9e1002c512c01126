/** What a worker thread is given to run, and what it makes of it. */
import type { MessagePort } from "node:worker_threads";
import { askBy } from "#control/migration/page-request.ts";
import type { MigrationThreadData } from "#control/migration/thread.ts";
import type { LogConfig, LogSink } from "#core/log.ts";
import type { EngineFeatures } from "#cpu/engine/features.ts";
import type { CompiledRuntime } from "#cpu/engine/runtime-options.ts";
import type { MemoryLayout } from "#cpu/vcpu/layout.ts";
import type { AskBy } from "#machine/page-faults.ts";
import type { PageWaitHost } from "#machine/page-wait.ts";
import type { ThreadData, ThreadHost } from "#machine/vcpu-thread.ts";
import { nodeClock } from "#platform/node/clock.ts";
import { writeTo } from "#platform/node/descriptors.ts";
import { logSink } from "#platform/node/log-file.ts";

/** The log's file and whether its trace events carry the time. */
export type LogTarget = { readonly descriptor: number; readonly timestamps: boolean };
/** What the host's engine can do, and the runtime made for it and the machine. */
export type Engine = { readonly features: EngineFeatures; readonly runtime: CompiledRuntime };
/** The first and only message to a thread. */
export type StartMessage = {
  readonly thread: ThreadData;
  readonly log: LogTarget | undefined;
  readonly engine: Engine;
  /** The channel on which the vCPUs of the machine exchange regions, if there are several. */
  readonly exchange: string | undefined;
};
/** The first message to both threads of a migration. */
export type MigrationMessage = {
  readonly thread: MigrationThreadData;
  readonly log: LogTarget | undefined;
  readonly logConfig: LogConfig | undefined;
  /** To the other one. */
  readonly port: MessagePort;
};

export function threadHost(log: LogTarget | undefined): ThreadHost & Pick<PageWaitHost, "askBy"> {
  return { clock: nodeClock(), log: openSink(log), askBy: askByDescriptor };
}

/** For `PageFaults`. */
export function askByDescriptor(layout: MemoryLayout): AskBy {
  return askBy(layout, writeTo);
}

/** The calling thread's way to the log. */
export function openSink(log: LogTarget | undefined): LogSink | undefined {
  return log && logSink(log.descriptor, log.timestamps);
}
