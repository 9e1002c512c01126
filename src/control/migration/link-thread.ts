/**
 * The link's thread: does what must not wait behind a migration's stream. It sleeps most of the time, so that whatever comes
 * is answered at once.
 *
 *   stream: connection <-> migration's thread;   faults, requests, wanted pages: the same connections <-> here
 */
import type { ByteChannel, Urgency } from "#core/host.ts";
import { ThreadCalls, type ThreadPort } from "#core/thread-calls.ts";
import { type FaultHost, type FaultOptions, FaultService } from "#control/migration/fault-service.ts";
import type { RamState } from "#control/migration/ram-save.ts";
import { type RehearsalHost, rehearse } from "#control/migration/rehearsal.ts";
import { ReturnPathService } from "#control/migration/return-path-service.ts";
import type { LastWord, ReceivedPages, WantedPages } from "#control/migration/return-path.ts";
import { type ChannelId, ChannelShares, type ShareFunctions } from "#control/migration/shared-channels.ts";
import type { MigrationMemory } from "#machine/migration-memory.ts";

/** What the migration's thread may call. All reject with `CallError`. */
export type LinkFunctions = ShareFunctions & {
  rehearse(): Promise<void>;
  endRehearsal(): void;
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

export type LinkHost = FaultHost &
  RehearsalHost & {
    /** Of the threads that the engine has for its own work. */
    readonly helpers?: Urgency | undefined;
    /** A connection by a descriptor, which the channel closes. */
    openShared(descriptor: number): ByteChannel;
  };

export function runLinkThread(memory: MigrationMemory, host: LinkHost, port: ThreadPort): void {
  const shares = new ChannelShares((descriptor) => host.openShared(descriptor));
  const channel = (id: ChannelId): ByteChannel => shares.channel(id);
  const faults = new FaultService(memory, host);
  const { helpers } = host;
  const returnPaths = new ReturnPathService(memory);
  /** Somebody waits for pages, or is about to. */
  let isEarnest = false;
  const beginInEarnest = (): void => {
    isEarnest = true;
    // Whatever a rehearsal is doing.
    host.urgency?.raise();
  };
  const functions: LinkFunctions = {
    ...shares.functions,
    async rehearse() {
      helpers?.raise();
      try {
        await rehearse(host, () => isEarnest);
      } finally {
        if (!isEarnest) helpers?.lower();
      }
    },
    endRehearsal: beginInEarnest,
    startFaults(options) {
      helpers?.raise();
      beginInEarnest();
      faults.start(options);
    },
    requestBy: (id) => faults.requestBy(id === undefined ? undefined : channel(id)),
    loadUrgent: (id) => faults.loadUrgent(channel(id)),
    endFaults() {
      faults.end();
      helpers?.lower();
    },
    readReturnPath: (id) =>
      returnPaths.read(channel(id), {
        pong: (value) => calls.tell("pong", id, value),
        wanted: (pages) => calls.tell("wanted", id, pages),
        received: (pages) => calls.call("received", id, pages),
        resumed: () => calls.tell("resumed", id),
      }),
    sendWanted(id, urgent, ram) {
      // The machine has stopped here, or is about to.
      helpers?.raise();
      beginInEarnest();
      returnPaths.sendWanted(channel(id), channel(urgent), ram);
    },
    endWanted: (id) => returnPaths.endWanted(channel(id)),
    endReturnPath(id) {
      returnPaths.end(channel(id));
      helpers?.lower();
    },
  };
  const calls = new ThreadCalls<LinkObserver>(port, functions);
}
