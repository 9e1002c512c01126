/**
 * The link's thread: owns the connections of a migration, and does what must not wait behind its stream. It sleeps most of
 * the time, so that whatever comes is answered at once.
 *
 *   stream: connection <-> here <-> migration's thread;   faults, requests, wanted pages: here alone
 */
import { type ChannelFunctions, type ChannelId, ChannelServer } from "#core/remote-channels.ts";
import type { Channels } from "#core/host.ts";
import { ThreadCalls, type ThreadPort } from "#core/thread-calls.ts";
import { type FaultHost, type FaultOptions, FaultService } from "#control/migration/fault-service.ts";
import type { RamState } from "#control/migration/ram-save.ts";
import { type RehearsalHost, rehearse } from "#control/migration/rehearsal.ts";
import { ReturnPathService } from "#control/migration/return-path-service.ts";
import type { LastWord, ReceivedPages, WantedPages } from "#control/migration/return-path.ts";
import type { MigrationMemory } from "#machine/migration-memory.ts";

/** What the migration's thread may call. All reject with `CallError`. */
export type LinkFunctions = ChannelFunctions & {
  rehearse(): Promise<void>;
  startFaults(options: FaultOptions): void;
  requestBy(channel: ChannelId | undefined): void;
  loadUrgent(channel: ChannelId): Promise<void>;
  endFaults(): void;
  readReturnPath(channel: ChannelId): Promise<LastWord>;
  sendWanted(channel: ChannelId, urgent: ChannelId, ram: RamState): void;
  endWanted(channel: ChannelId): Promise<void>;
  endReturnPath(channel: ChannelId): void;
};
/** What it is called for: messages of the return path that is read over `channel`. */
export type LinkObserver = {
  pong(channel: ChannelId, value: number): void;
  wanted(channel: ChannelId, pages: WantedPages): void;
  received(channel: ChannelId, pages: ReceivedPages): Promise<void>;
  resumed(channel: ChannelId): void;
};

export type LinkHost = FaultHost & RehearsalHost & { readonly channels: Channels };

/** Returns what closes all connections at once. */
export function runLinkThread(memory: MigrationMemory, host: LinkHost, port: ThreadPort): () => void {
  const server = new ChannelServer(host.channels);
  const faults = new FaultService(memory, host);
  const returnPaths = new ReturnPathService(memory);
  /** Somebody waits for pages, or is about to. */
  let isEarnest = false;
  const beginInEarnest = (): void => {
    isEarnest = true;
    // Whatever a rehearsal is doing.
    host.urgency?.raise();
  };
  const functions: LinkFunctions = {
    ...server.functions,
    rehearse: () => rehearse(host, () => isEarnest),
    startFaults(options) {
      beginInEarnest();
      faults.start(options);
    },
    requestBy: (id) => faults.requestBy(id === undefined ? undefined : server.channel(id)),
    loadUrgent: (id) => faults.loadUrgent(server.channel(id)),
    endFaults: () => faults.end(),
    readReturnPath: (id) =>
      returnPaths.read(server.channel(id), {
        pong: (value) => calls.tell("pong", id, value),
        wanted: (pages) => calls.tell("wanted", id, pages),
        received: (pages) => calls.call("received", id, pages),
        resumed: () => calls.tell("resumed", id),
      }),
    sendWanted(id, urgent, ram) {
      beginInEarnest();
      returnPaths.sendWanted(server.channel(id), server.channel(urgent), ram);
    },
    endWanted: (id) => returnPaths.endWanted(server.channel(id)),
    endReturnPath: (id) => returnPaths.end(server.channel(id)),
  };
  const calls = new ThreadCalls<LinkObserver>(port, functions);
  return () => server.abortAll();
}
