/** The link's thread (link-thread.ts), as the migration's thread has it. */
import type { ByteChannel, Channels } from "#core/host.ts";
import { type ChannelId, type DirectHost, RemoteChannels } from "#core/remote-channels.ts";
import { ThreadCalls, type ThreadPort } from "#core/thread-calls.ts";
import type { Faults } from "#control/migration/fault-service.ts";
import type { LinkFunctions, LinkObserver } from "#control/migration/link-thread.ts";
import type { ReturnPathHandlers } from "#control/migration/return-path.ts";
import type { ReturnPaths } from "#control/migration/return-path-service.ts";

export type Link = {
  readonly channels: Pick<Channels, "connect" | "listen">;
  readonly faults: Faults;
  readonly returnPaths: ReturnPaths;
  /** A postcopy may follow: what its wanted pages pass is made fast. Never rejects: it is no part of the migration. */
  rehearse(): Promise<void>;
};

/** `port` leads to a thread that runs `runLinkThread`. */
export function remoteLink(port: ThreadPort, host: DirectHost): Link {
  const handlers = new Map<ChannelId, ReturnPathHandlers>();
  const observer: LinkObserver = {
    pong: (id, value) => handlers.get(id)?.pong(value),
    wanted: (id, pages) => handlers.get(id)?.wanted(pages),
    received: async (id, pages) => handlers.get(id)?.received(pages),
    resumed: (id) => handlers.get(id)?.resumed(),
  };
  const calls = new ThreadCalls<LinkFunctions>(port, observer);
  const channels = new RemoteChannels(calls, host);
  const idOf = (channel: ByteChannel): ChannelId => channels.idOf(channel);
  return {
    channels,
    rehearse: () => calls.call("rehearse").catch(() => {}),
    faults: {
      start: (options) => calls.tell("startFaults", options),
      requestBy: (channel) => calls.tell("requestBy", channel && idOf(channel)),
      loadUrgent: (channel) => calls.call("loadUrgent", idOf(channel)),
      end: () => calls.tell("endFaults"),
    },
    returnPaths: {
      read(channel, own) {
        handlers.set(idOf(channel), own);
        return calls.call("readReturnPath", idOf(channel));
      },
      sendWanted: (channel, urgent, ram) => calls.tell("sendWanted", idOf(channel), idOf(urgent), ram),
      endWanted: (channel) => calls.call("endWanted", idOf(channel)),
      end: (channel) => calls.tell("endReturnPath", idOf(channel)),
    },
  };
}
