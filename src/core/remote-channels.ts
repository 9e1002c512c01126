/**
 * Channels that another thread opens and owns, so that its connections are served while this one is busy.
 *
 *   RemoteChannels (here) -> calls -> ChannelServer (there) -> Channels of the host
 *
 * Several reads of a channel are under way at a time, and bytes are handed over without a copy.
 */
import type { ByteChannel, ChannelAddress, ChannelListener, Channels } from "#core/host.ts";
import { Given, type ThreadCalls } from "#core/thread-calls.ts";

/** A channel or a listener of the thread that owns it. */
export type ChannelId = number;
type Opened = { readonly id: ChannelId; readonly isDuplex: boolean };
/** What the owner of the channels is called for. All reject with the host's error. */
export type ChannelFunctions = {
  connect(address: ChannelAddress): Promise<Opened>;
  listen(address: ChannelAddress, connections: number): Promise<{ id: ChannelId; address: ChannelAddress }>;
  accept(listener: ChannelId): Promise<Opened>;
  endListener(listener: ChannelId): void;
  read(channel: ChannelId): Promise<Given<Uint8Array> | undefined>;
  write(channel: ChannelId, bytes: Uint8Array): Promise<void>;
  close(channel: ChannelId): Promise<void>;
  abort(channel: ChannelId): void;
};

/** Pieces of a channel that are asked for before they are wanted. */
const READS_AHEAD = 4;

/** The owner's end. Thread: that which owns the channels. */
export class ChannelServer {
  readonly functions: ChannelFunctions;
  readonly #channels = new Map<ChannelId, ByteChannel>();
  readonly #listeners = new Map<ChannelId, ChannelListener>();
  /** The last read of each channel: they follow one another. */
  readonly #reads = new Map<ChannelId, Promise<unknown>>();
  #ids = 0;

  constructor(channels: Pick<Channels, "connect" | "listen">) {
    this.functions = {
      connect: async (address) => this.#opened(await channels.connect(address)),
      listen: async (address, connections) => {
        const listener = await channels.listen(address, connections);
        const id = this.#ids++;
        this.#listeners.set(id, listener);
        return { id, address: listener.address };
      },
      accept: async (id) => this.#opened(await (this.#listeners.get(id) as ChannelListener).accept()),
      endListener: (id) => this.#listeners.get(id)?.close(),
      read: (id) => this.#read(id),
      write: (id, bytes) => this.channel(id).write(bytes),
      close: (id) => this.channel(id).close(),
      abort: (id) => this.channel(id).abort(),
    };
  }

  channel(id: ChannelId): ByteChannel {
    return this.#channels.get(id) as ByteChannel;
  }

  #opened(channel: ByteChannel): Opened {
    const id = this.#ids++;
    this.#channels.set(id, channel);
    return { id, isDuplex: channel.isDuplex };
  }

  async #read(id: ChannelId): Promise<Given<Uint8Array> | undefined> {
    const read = (this.#reads.get(id) ?? Promise.resolve()).then(() => this.channel(id).read());
    this.#reads.set(id, read);
    const bytes = await read;
    return bytes && new Given(bytes);
  }
}

/** The other end. */
export class RemoteChannels implements Pick<Channels, "connect" | "listen"> {
  readonly #calls: ThreadCalls<ChannelFunctions>;
  readonly #ids = new WeakMap<ByteChannel, ChannelId>();

  constructor(calls: ThreadCalls<ChannelFunctions>) {
    this.#calls = calls;
  }

  async connect(address: ChannelAddress): Promise<ByteChannel> {
    return this.#opened(await this.#calls.call("connect", address));
  }

  async listen(address: ChannelAddress, connections = 1): Promise<ChannelListener> {
    const { id, address: bound } = await this.#calls.call("listen", address, connections);
    return {
      address: bound,
      accept: async () => this.#opened(await this.#calls.call("accept", id)),
      close: () => void this.#calls.call("endListener", id).catch(() => {}),
    };
  }

  /** As the other thread knows a channel of this object. */
  idOf(channel: ByteChannel): ChannelId {
    return this.#ids.get(channel) as ChannelId;
  }

  #opened({ id, isDuplex }: Opened): ByteChannel {
    const calls = this.#calls;
    const reads: Promise<Given<Uint8Array> | undefined>[] = [];
    const channel: ByteChannel = {
      isDuplex,
      async read() {
        while (reads.length < READS_AHEAD) {
          const read = calls.call("read", id);
          // Whoever comes to it hears of a failure.
          read.catch(() => {});
          reads.push(read);
        }
        return (await reads.shift())?.value;
      },
      write: (bytes) => calls.call("write", id, bytes),
      close: () => calls.call("close", id),
      abort: () => void calls.call("abort", id).catch(() => {}),
    };
    this.#ids.set(channel, id);
    return channel;
  }
}
