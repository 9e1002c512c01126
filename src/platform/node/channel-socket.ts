/** A channel over Node's streams: a socket, or the pipes of a command. */
import type { Readable, Writable } from "node:stream";
import type { Socket } from "node:net";
import type { ByteChannel } from "#core/host.ts";
import { type DirectSocket, directSocket } from "#platform/node/direct-socket.ts";

/** `isDuplex` is false for a pipe that is wrapped as a socket. */
export function socketChannel(socket: Socket, isDuplex = true): ByteChannel {
  return { ...streamChannel(socket, socket, async () => {}, directSocket(socket)), isDuplex };
}

/** What is read ahead, so that the source need not wait for each piece to be taken. */
const AHEAD_BYTES = 512 << 10;
/** What is read before the thread's other connections have their turn. */
const TURN_BYTES = 128 << 10;

/** The pieces of a stream, one by one. */
class Chunks {
  readonly #stream: Readable;
  readonly #direct: DirectSocket | undefined;
  /** Each piece is wanted by itself. */
  #isAlone = false;
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #turnBytes = 0;
  #isWanted = false;
  #isOver = false;
  #error: Error | undefined;
  readonly #waiting: (() => void)[] = [];

  constructor(stream: Readable, direct: DirectSocket | undefined) {
    this.#stream = stream;
    this.#direct = direct;
    stream.on("data", (bytes: Uint8Array) => {
      this.#queue.push(bytes);
      this.#queuedBytes += bytes.length;
      if (this.#isAlone) this.#isWanted = false;
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
    if (isFull && !this.#stream.isPaused()) {
      this.#stream.pause();
      if (this.#isAlone) this.#direct?.stopReading();
    }
    if (!isFull && this.#stream.isPaused()) this.#stream.resume();
  }

  /** As `next`, but all that has been read, and nothing is read ahead of it from now on. */
  async nextAlone(): Promise<Uint8Array | undefined> {
    this.#isAlone = true;
    const next = this.next();
    this.#direct?.startReading();
    const first = await next;
    const pieces = first ? [first, ...this.#queue.splice(0)] : [];
    this.#queuedBytes = 0;
    const buffered: Uint8Array | null = this.#stream.read();
    if (buffered) pieces.push(buffered);
    // To look into the buffer may have begun to fill it.
    this.#direct?.stopReading();
    return first && (pieces.length > 1 ? Buffer.concat(pieces) : first);
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
  direct?: DirectSocket,
): ByteChannel {
  const chunks = readable && new Chunks(readable, direct);
  // A failure shows in what is read or written next.
  writable?.on("error", () => {});
  readable?.on("error", () => {});
  return {
    isDuplex: false,
    read: async () => chunks?.next(),
    ...(direct && { direct: direct.access, readPiece: async () => chunks?.nextAlone() }),
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
