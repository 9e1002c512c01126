/**
 * Connections that two threads have, each with a descriptor of its own: the migration's thread for the stream, the link's
 * for what must not wait behind it.
 *
 *   SharedChannels (migration's thread) -> descriptor -> ChannelShares (link's thread)
 *
 * What both write must not be cut in two: messages of the return path, which are short, into a connection whose other end
 * reads them.
 */
import type { ByteChannel, ChannelAddress, ChannelListener, Channels } from "#core/host.ts";
import type { ThreadCalls } from "#core/thread-calls.ts";

/** A channel that both threads have. */
export type ChannelId = number;
export type ShareFunctions = {
  /** `descriptor` is the called thread's; undefined when the channel was closed before. */
  share(channel: ChannelId, descriptor: number | undefined): void;
  /** Nothing goes over it any more. */
  unshare(channel: ChannelId): void;
};

/** The thread that opens them. */
export class SharedChannels implements Pick<Channels, "connect" | "listen"> {
  readonly #channels: Pick<Channels, "connect" | "listen">;
  readonly #duplicate: (descriptor: number) => number | undefined;
  readonly #calls: ThreadCalls<ShareFunctions>;
  readonly #ids = new WeakMap<ByteChannel, ChannelId>();
  #count = 0;

  constructor(
    channels: Pick<Channels, "connect" | "listen">,
    duplicate: (descriptor: number) => number | undefined,
    calls: ThreadCalls<ShareFunctions>,
  ) {
    this.#channels = channels;
    this.#duplicate = duplicate;
    this.#calls = calls;
  }

  async connect(address: ChannelAddress): Promise<ByteChannel> {
    return this.#own(await this.#channels.connect(address));
  }
  async listen(address: ChannelAddress, connections?: number): Promise<ChannelListener> {
    const listener = await this.#channels.listen(address, connections);
    return { ...listener, accept: async () => this.#own(await listener.accept()) };
  }

  /** As the other thread knows it; it has the channel from the first call on. */
  share(channel: ByteChannel): ChannelId {
    const known = this.#ids.get(channel);
    if (known !== undefined) return known;
    const id = this.#count++;
    this.#ids.set(channel, id);
    const descriptor = channel.descriptor?.();
    this.#calls.tell("share", id, descriptor === undefined ? undefined : this.#duplicate(descriptor));
    return id;
  }

  #own(channel: ByteChannel): ByteChannel {
    const unshare = (): void => {
      const id = this.#ids.get(own);
      if (id !== undefined) this.#calls.tell("unshare", id);
    };
    const own: ByteChannel = {
      ...channel,
      async close() {
        await channel.close();
        unshare();
      },
      abort() {
        channel.abort();
        unshare();
      },
    };
    return own;
  }
}

/** The other one. */
export class ChannelShares {
  readonly functions: ShareFunctions;
  readonly #channels = new Map<ChannelId, ByteChannel>();

  constructor(open: (descriptor: number) => ByteChannel) {
    this.functions = {
      share: (id, descriptor) =>
        void this.#channels.set(id, descriptor === undefined ? CLOSED_CHANNEL : open(descriptor)),
      unshare: (id) => {
        this.channel(id).abort();
        this.#channels.delete(id);
      },
    };
  }

  channel(id: ChannelId): ByteChannel {
    return this.#channels.get(id) ?? CLOSED_CHANNEL;
  }
}

const closed = async (): Promise<never> => {
  throw new Error("the connection is closed");
};
const CLOSED_CHANNEL: ByteChannel = {
  isDuplex: true,
  read: closed,
  write: closed,
  close: async () => {},
  abort() {},
};
