/** A channel over Node's streams: a socket, or the pipes of a command. */
import type { Readable, Writable } from "node:stream";
import type { Socket } from "node:net";
import type { ByteChannel } from "#core/host.ts";

export function socketChannel(socket: Socket): ByteChannel {
  return streamChannel(socket, socket, async () => {});
}

/** One of the streams may be missing; `ended` resolves when what is behind them has ended well. */
export function streamChannel(
  readable: Readable | undefined,
  writable: Writable | undefined,
  ended: () => Promise<void>,
): ByteChannel {
  const chunks = readable?.[Symbol.asyncIterator]() as AsyncIterator<Uint8Array> | undefined;
  // A failure shows in what is read or written next.
  writable?.on("error", () => {});
  readable?.on("error", () => {});
  return {
    async read() {
      const next = await chunks?.next();
      return next?.done === false ? next.value : undefined;
    },
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
