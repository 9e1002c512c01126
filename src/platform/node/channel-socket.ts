/** A channel over Node's streams: a socket, or the pipes of a command. */
import type { Readable, Writable } from "node:stream";
import type { Socket } from "node:net";
import type { ByteChannel } from "#core/host.ts";
import { directReader } from "#platform/node/direct-reader.ts";
import { type DirectSocket, directSocket } from "#platform/node/direct-socket.ts";

/** `isDuplex` is false for a pipe that is wrapped as a socket. Nothing has been read from it. */
export function socketChannel(socket: Socket, isDuplex = true): ByteChannel {
  const direct = directSocket(socket);
  return { ...(direct ? directChannel(socket, direct) : streamChannel(socket, socket, async () => {})), isDuplex };
}

/**
 * What goes out in one call: Linux lets nobody else use a TCP connection meanwhile, not even to receive, and what comes
 * back over it may be waited for.
 */
const WRITE_BYTES = 64 << 10;

function directChannel(socket: Socket, direct: DirectSocket): ByteChannel {
  const stream = streamChannel(undefined, socket, async () => {});
  const writeParts = async (bytes: Uint8Array): Promise<void> => {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + WRITE_BYTES);
      const written = direct.write(part);
      // The stream waits until there is room.
      if (written < part.length) await stream.write(part.subarray(written));
      at += part.length;
    }
  };
  let last: Promise<void> | undefined;
  return {
    ...stream,
    ...directReader({
      read: (into) => direct.read(into),
      whenReadable: (tell) =>
        direct.whenReadable(() =>
          tell(socket.destroyed ? (socket.errored ?? new Error("the connection was closed")) : undefined),
        ),
    }),
    descriptor: () => direct.descriptor(),
    write(bytes) {
      const own = (last ? last.then(() => writeParts(bytes)) : writeParts(bytes)).finally(() => {
        if (last === own) last = undefined;
      });
      last = own;
      return own;
    },
    async close() {
      await stream.close();
      socket.destroy();
    },
  };
}

/** What is read ahead, so that the source need not wait for each piece to be taken. */
const AHEAD_BYTES = 512 << 10;
/** What is read before the thread's other connections have their turn. */
const TURN_BYTES = 128 << 10;

/** The pieces of a stream, one by one. */
class Chunks {
  readonly #stream: Readable;
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #turnBytes = 0;
  #isWanted = false;
  #isOver = false;
  #error: Error | undefined;
  readonly #waiting: (() => void)[] = [];

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on("data", (bytes: Uint8Array) => {
      this.#queue.push(bytes);
      this.#queuedBytes += bytes.length;
      this.#endTurn(bytes.length);
      this.#flow();
      this.#wakeAll();
    });
    stream.on("end", () => this.#end(undefined));
    stream.on("error", (error) => this.#end(error));
    stream.on("close", () => this.#end(stream.readableEnded ? undefined : new Error("the connection was closed")));
    // Not before somebody reads.
    stream.pause();
  }

  #endTurn(lengthBytes: number): void {
    this.#turnBytes += lengthBytes;
    if (this.#turnBytes < TURN_BYTES || this.#turnBytes - lengthBytes >= TURN_BYTES) return;
    setImmediate(() => {
      this.#turnBytes = 0;
      this.#flow();
    });
  }

  #flow(): void {
    const isFull = this.#queuedBytes >= AHEAD_BYTES || this.#turnBytes >= TURN_BYTES || !this.#isWanted;
    if (isFull && !this.#stream.isPaused()) this.#stream.pause();
    if (!isFull && this.#stream.isPaused()) this.#stream.resume();
  }

  /** Undefined at the end. Rejects with the stream's error. */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#queue.length === 0) {
      if (this.#error) throw this.#error;
      if (this.#isOver) return undefined;
      const some = new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
      this.#isWanted = true;
      this.#flow();
      await some;
    }
    const bytes = this.#queue.shift() as Uint8Array;
    this.#queuedBytes -= bytes.length;
    return bytes;
  }

  /** Who finds nothing waits again. */
  #wakeAll(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
  #end(error: Error | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    this.#wakeAll();
  }
}

/** One of the streams may be missing; `ended` resolves when what is behind them has ended well. */
export function streamChannel(
  readable: Readable | undefined,
  writable: Writable | undefined,
  ended: () => Promise<void>,
): ByteChannel {
  const chunks = readable && new Chunks(readable);
  // A failure shows in what is read or written next.
  writable?.on("error", () => {});
  readable?.on("error", () => {});
  return {
    isDuplex: false,
    read: async () => chunks?.next(),
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (!writable || writable.destroyed) return reject(new Error("the connection is closed"));
        writable.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
    async close() {
      if (writable && !writable.destroyed) {
        await new Promise<void>((resolve) => {
          writable.once("close", resolve);
          writable.end(resolve);
        });
      }
      readable?.destroy();
      await ended();
    },
    abort() {
      readable?.destroy();
      writable?.destroy();
    },
  };
}
