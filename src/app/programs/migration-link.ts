/** The thread of a migration's connections. */
import { parentPort } from "node:worker_threads";
import { nodePort } from "#app/node-port.ts";
import { type MigrationMessage, openSink } from "#app/thread-host.ts";
import { runLinkThread } from "#control/migration/link-thread.ts";
import { makeLog } from "#core/log.ts";
import { MigrationMemory } from "#machine/migration-memory.ts";
import { nodeChannels } from "#platform/node/channels.ts";
import { nodeClock } from "#platform/node/clock.ts";
import { runAtOnce } from "#platform/node/priority.ts";
import { openWakePipe, wakeByPipe } from "#platform/node/wake-pipe.ts";

async function start({ thread: { memory, layout }, log, logConfig, port }: MigrationMessage): Promise<void> {
  // For a quarter of a millisecond at a time at most, a piece of the stream, and somebody waits for it.
  const urgency = await runAtOnce();
  const { trace } = makeLog(logConfig, openSink(log));
  const host = {
    clock: nodeClock(),
    channels: nodeChannels(),
    openSignal: openWakePipe,
    wakeBy: wakeByPipe,
    urgency,
    trace,
  };
  const abort = runLinkThread(new MigrationMemory(memory, layout), host, nodePort(port));
  // Whatever ends this thread but for its host, the other one must not read what has been closed.
  process.once("exit", abort);
}

parentPort?.once("message", (message: MigrationMessage) => void start(message));
