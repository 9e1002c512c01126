/**
 * What must not wait behind a migration's stream: in the link's thread (link-thread.ts), as the migration's thread has it,
 * or in the migration's own where a connection cannot be had by two.
 */
import type { ByteChannel, Channels } from "#core/host.ts";
import { ThreadCalls, type ThreadPort } from "#core/thread-calls.ts";
import { type FaultHost, type Faults, FaultService } from "#control/migration/fault-service.ts";
import type { LinkFunctions, LinkObserver } from "#control/migration/link-thread.ts";
import type { ReturnPathHandlers } from "#control/migration/return-path.ts";
import { type ReturnPaths, ReturnPathService } from "#control/migration/return-path-service.ts";
import { type ChannelId, SharedChannels } from "#control/migration/shared-channels.ts";
import type { MigrationMemory } from "#machine/migration-memory.ts";

/** A postcopy may follow: what its wanted pages pass is made fast. Neither fails: it is no part of the migration. */
export type Rehearsal = {
  begin(): void;
  /** It follows now. */
  end(): void;
};
export type Link = {
  readonly channels: Pick<Channels, "connect" | "listen">;
  readonly faults: Faults;
  readonly returnPaths: ReturnPaths;
  readonly rehearsal: Rehearsal;
};

export type SharingHost = {
  readonly channels: Pick<Channels, "connect" | "listen">;
  /** A second descriptor, for the other thread; undefined when there is none left. */
  duplicate(descriptor: number): number | undefined;
};

/** `port` leads to a thread that runs `runLinkThread`. */
export function remoteLink(port: ThreadPort, host: SharingHost): Link {
  const handlers = new Map<ChannelId, ReturnPathHandlers>();
  const observer: LinkObserver = {
    pong: (id, value) => handlers.get(id)?.pong(value),
    wanted: (id, pages) => handlers.get(id)?.wanted(pages),
    received: async (id, pages) => handlers.get(id)?.received(pages),
    resumed: (id) => handlers.get(id)?.resumed(),
  };
  const calls = new ThreadCalls<LinkFunctions>(port, observer);
  const channels = new SharedChannels(host.channels, (descriptor) => host.duplicate(descriptor), calls);
  const share = (channel: ByteChannel): ChannelId => channels.share(channel);
  return {
    channels,
    rehearsal: { begin: () => calls.tell("rehearse"), end: () => calls.tell("endRehearsal") },
    faults: {
      start: (options) => calls.tell("startFaults", options),
      requestBy: (channel) => calls.tell("requestBy", channel && share(channel)),
      loadUrgent: (channel) => calls.call("loadUrgent", share(channel)),
      end: () => calls.tell("endFaults"),
    },
    returnPaths: {
      read(channel, own) {
        handlers.set(share(channel), own);
        return calls.call("readReturnPath", share(channel));
      },
      sendWanted: (channel, urgent, ram) => calls.tell("sendWanted", share(channel), share(urgent), ram),
      endWanted: (channel) => calls.call("endWanted", share(channel)),
      end: (channel) => calls.tell("endReturnPath", share(channel)),
    },
  };
}

export function localLink(
  memory: MigrationMemory,
  host: FaultHost & { readonly channels: Pick<Channels, "connect" | "listen"> },
): Link {
  return {
    channels: host.channels,
    faults: new FaultService(memory, host),
    returnPaths: new ReturnPathService(memory),
    rehearsal: { begin() {}, end() {} },
  };
}
