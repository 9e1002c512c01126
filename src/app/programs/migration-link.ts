/** The thread of what must not wait behind a migration's stream. */
import { parentPort } from "node:worker_threads";
import { nodePort } from "#app/node-port.ts";
import { askByDescriptor, type MigrationMessage, openSink } from "#app/thread-host.ts";
import type { RequestsDescriptor } from "#control/migration/fault-service.ts";
import { runLinkThread } from "#control/migration/link-thread.ts";
import type { ByteChannel } from "#core/host.ts";
import { makeLog } from "#core/log.ts";
import { MigrationMemory } from "#machine/migration-memory.ts";
import { nodeChannels, sharedChannel } from "#platform/node/channels.ts";
import { nodeClock } from "#platform/node/clock.ts";
import { closeDescriptor, openDuplicate } from "#platform/node/descriptors.ts";
import { openFutex } from "#platform/node/futex.ts";
import { openHelpers, runAtOnce } from "#platform/node/priority.ts";

async function start({ thread: { memory, layout }, log, logConfig, port }: MigrationMessage): Promise<void> {
  const urgency = await runAtOnce();
  const duplicate = await openDuplicate();
  const { trace } = makeLog(logConfig, openSink(log));
  const futex = await openFutex();
  const host = {
    clock: nodeClock(),
    sleep: (forNs: number) => new Promise<void>((resolve) => void setTimeout(resolve, forNs / 1e6)),
    channels: nodeChannels(),
    openShared: sharedChannel,
    openRequests(channel: ByteChannel): RequestsDescriptor | undefined {
      const own = channel.descriptor?.();
      const descriptor = own === undefined ? undefined : duplicate?.(own);
      return descriptor === undefined ? undefined : { descriptor, close: () => closeDescriptor(descriptor) };
    },
    askBy: askByDescriptor,
    urgency,
    helpers: openHelpers(),
    futex,
    trace,
  };
  runLinkThread(new MigrationMemory(memory, layout, futex), host, nodePort(port));
}

parentPort?.once("message", (message: MigrationMessage) => void start(message));
