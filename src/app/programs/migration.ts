/** The thread of a migration. */
import { type MessagePort, parentPort } from "node:worker_threads";
import { nodePort } from "#app/node-port.ts";
import { type MigrationMessage, openSink } from "#app/thread-host.ts";
import { remoteLink } from "#control/migration/link.ts";
import { runMigrationThread } from "#control/migration/thread.ts";
import { makeLog } from "#core/log.ts";
import { nodeChannels } from "#platform/node/channels.ts";
import { openDirect } from "#platform/node/direct-socket.ts";
import { nodeClock, nodeTimers } from "#platform/node/clock.ts";
import { raisePriority } from "#platform/node/priority.ts";

/** A machine that lacks its pages does not get on, however much of a processor it has. */
const HURRY_STEPS = 5;

parentPort?.once("message", ({ thread, log, logConfig, port }: MigrationMessage) => {
  const clock = nodeClock();
  const channels = nodeChannels();
  const turn = (): Promise<void> => channels.turn();
  const link = remoteLink(nodePort(port), { openDirect, turn });
  const { trace } = makeLog(logConfig, openSink(log));
  const host = { clock, timers: nodeTimers(clock), link, turn, hurry: () => raisePriority(HURRY_STEPS), trace };
  runMigrationThread(thread, host, nodePort(parentPort as MessagePort));
});
