/**
 * Channels that another thread opens and owns, so that its connections are served while this one is busy.
 *
 *   RemoteChannels (here) -> calls -> ChannelServer (there) -> Channels of the host
 *
 * Several reads of a channel are under way at a time, and bytes are handed over without a copy. Where the host can, they
 * are read past the owner, to which a large stream is much work; it waits for more when there is none.
 * Thread: one that may block, shortly.
 */
import type {
  ByteChannel,
  ChannelAddress,
  ChannelListener,
  Channels,
  DirectAccess,
  DirectChannel,
} from "#core/host.ts";
import { directReader } from "#core/direct-reader.ts";
import { Given, type ThreadCalls } from "#core/thread-calls.ts";

/** What the end that does not own the channels has of its host. */
export type DirectHost = {
  openDirect(access: DirectAccess): DirectChannel;
  /** As of `Channels`. */
  turn(): Promise<void>;
};
/** A channel or a listener of the thread that owns it. */
export type ChannelId = number;
type Opened = { readonly id: ChannelId; readonly isDuplex: boolean; readonly direct: DirectAccess | undefined };
/** What the owner of the channels is called for. All reject with the host's error. */
export type ChannelFunctions = {
  connect(address: ChannelAddress): Promise<Opened>;
  listen(address: ChannelAddress, connections: number): Promise<{ id: ChannelId; address: ChannelAddress }>;
  accept(listener: ChannelId): Promise<Opened>;
  endListener(listener: ChannelId): void;
  read(channel: ChannelId): Promise<Given<Uint8Array> | undefined>;
  readable(channel: ChannelId): Promise<void>;
  write(channel: ChannelId, bytes: Uint8Array): Promise<void>;
  close(channel: ChannelId): Promise<void>;
  abort(channel: ChannelId): void;
};

/** Pieces of a channel that are asked for before they are wanted. */
const READS_AHEAD = 4;

/** How often, and after how long, a connection is looked at again before its owner is told to wait for it. */
const PATIENCE_TRIES = 2;
const PATIENCE_MS = 0.2;
const SLEEP = new Int32Array(new SharedArrayBuffer(4));

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
      readable: async (id) => this.channel(id).readable?.(),
      write: (id, bytes) => this.channel(id).write(bytes),
      close: (id) => this.channel(id).close(),
      abort: (id) => this.channel(id).abort(),
    };
  }

  /** Nothing is read or written any more. */
  abortAll(): void {
    for (const channel of this.#channels.values()) channel.abort();
  }
  channel(id: ChannelId): ByteChannel {
    return this.#channels.get(id) as ByteChannel;
  }

  #opened(channel: ByteChannel): Opened {
    const id = this.#ids++;
    this.#channels.set(id, channel);
    return { id, isDuplex: channel.isDuplex, direct: channel.direct };
  }

  async #read(id: ChannelId): Promise<Given<Uint8Array> | undefined> {
    const read = (this.#reads.get(id) ?? Promise.resolve()).then(() => this.channel(id).read());
    this.#reads.set(id, read);
    const bytes = await read;
    return bytes && new Given(bytes);
  }
}

/** The other end. Where the host can, bytes are read past the owner as long as the connection has some. */
export class RemoteChannels implements Pick<Channels, "connect" | "listen"> {
  readonly #calls: ThreadCalls<ChannelFunctions>;
  readonly #host: DirectHost;
  readonly #ids = new WeakMap<ByteChannel, ChannelId>();

  constructor(calls: ThreadCalls<ChannelFunctions>, host: DirectHost) {
    this.#calls = calls;
    this.#host = host;
  }

  async connect(address: ChannelAddress): Promise<ByteChannel> {
    return this.#opened(await this.#calls.call("connect", address));
  }

  async listen(address: ChannelAddress, connections = 1): Promise<ChannelListener> {
    const { id, address: bound } = await this.#calls.call("listen", address, connections);
    return {
      address: bound,
      accept: async () => this.#opened(await this.#calls.call("accept", id)),
      close: () => this.#calls.tell("endListener", id),
    };
  }

  /** As the other thread knows a channel of this object. */
  idOf(channel: ByteChannel): ChannelId {
    return this.#ids.get(channel) as ChannelId;
  }

  #opened({ id, isDuplex, direct }: Opened): ByteChannel {
    const calls = this.#calls;
    const reader = direct ? this.#directReader(id, direct) : { read: this.#reader(id) };
    const channel: ByteChannel = {
      ...reader,
      isDuplex,
      write: (bytes) => calls.call("write", id, bytes),
      close: () => calls.call("close", id),
      abort: () => calls.tell("abort", id),
    };
    this.#ids.set(channel, id);
    return channel;
  }

  #directReader(id: ChannelId, access: DirectAccess): ReturnType<typeof directReader> {
    const direct = this.#host.openDirect(access);
    const read = (into: Uint8Array): number | undefined => patiently(() => direct.read(into));
    const whenReadable = (tell: (error?: unknown) => void): void =>
      void this.#calls.call("readable", id).then(() => tell(), tell);
    return directReader({ read }, { whenReadable, turn: () => this.#host.turn() });
  }

  #reader(id: ChannelId): ByteChannel["read"] {
    const reads: Promise<Given<Uint8Array> | undefined>[] = [];
    return async () => {
      while (reads.length < READS_AHEAD) {
        const read = this.#calls.call("read", id);
        // Whoever comes to it hears of a failure.
        read.catch(() => {});
        reads.push(read);
      }
      return (await reads.shift())?.value;
    };
  }
}

/** Tries again a few times when there is nothing: the other end is about to bring some. */
function patiently(attempt: () => number | undefined): number | undefined {
  for (let tries = 0; ; tries++) {
    const lengthBytes = attempt();
    if (lengthBytes !== undefined || tries === PATIENCE_TRIES) return lengthBytes;
    Atomics.wait(SLEEP, 0, 0, PATIENCE_MS);
  }
}
