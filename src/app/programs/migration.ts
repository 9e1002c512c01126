/** The thread of a migration. */
import { parentPort } from "node:worker_threads";
import { type MigrationMessage, openSink } from "#app/thread-host.ts";
import { runMigrationThread } from "#control/migration/thread.ts";
import { makeLog } from "#core/log.ts";
import { nodeChannels } from "#platform/node/channels.ts";
import { nodeClock, nodeTimers } from "#platform/node/clock.ts";

parentPort?.once("message", ({ thread, log, logConfig }: MigrationMessage) => {
  const clock = nodeClock();
  runMigrationThread(
    thread,
    { clock, timers: nodeTimers(clock), channels: nodeChannels(), trace: makeLog(logConfig, openSink(log)).trace },
    {
      post: (message) => parentPort?.postMessage(message),
      listen: (receive) => void parentPort?.on("message", receive),
    },
  );
});
