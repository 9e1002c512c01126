/** The thread of a migration. */
import { type MessagePort, parentPort } from "node:worker_threads";
import { nodePort } from "#app/node-port.ts";
import { type MigrationMessage, openSink } from "#app/thread-host.ts";
import { localLink, remoteLink } from "#control/migration/link.ts";
import { runMigrationThread } from "#control/migration/thread.ts";
import type { Futex, Urgency } from "#core/host.ts";
import { makeLog } from "#core/log.ts";
import { MigrationMemory } from "#machine/migration-memory.ts";
import { nodeChannels } from "#platform/node/channels.ts";
import { nodeClock, nodeTimers } from "#platform/node/clock.ts";
import { type Duplicate, openDuplicate } from "#platform/node/descriptors.ts";
import { openFutex } from "#platform/node/futex.ts";
import { openUrgency, raisePriority, Urgent } from "#platform/node/priority.ts";

/** A machine that lacks its pages does not get on, however much of a processor it has. */
const HURRY_STEPS = 13;

type Opened = {
  readonly duplicate: Duplicate | undefined;
  readonly urgency: Urgency | undefined;
  readonly futex: Futex | undefined;
};

function start({ thread, log, logConfig, port }: MigrationMessage, { duplicate, urgency, futex }: Opened): void {
  const clock = nodeClock();
  const channels = nodeChannels();
  const { trace } = makeLog(logConfig, openSink(log));
  const link = duplicate
    ? remoteLink(nodePort(port), { channels, duplicate })
    : localLink(new MigrationMemory(thread.memory, thread.layout, futex), { channels, clock, trace });
  const turn = (): Promise<void> => channels.turn();
  const hurry = (): void => raisePriority(HURRY_STEPS);
  const host = { clock, timers: nodeTimers(clock), link, turn, hurry, urgency, futex, trace };
  runMigrationThread(thread, host, nodePort(parentPort as MessagePort));
}

// Messages wait until somebody listens.
void Promise.all([openDuplicate(), openUrgency(Urgent.Waiter), openFutex()]).then(([duplicate, urgency, futex]) =>
  parentPort?.once("message", (message: MigrationMessage) => start(message, { duplicate, urgency, futex })),
);
