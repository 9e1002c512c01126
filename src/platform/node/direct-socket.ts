/**
 * A socket that Node tells of, and does not read: read(2) and write(2) on its descriptor. The events and messages of Node's
 * streams cost more than short messages do, and a large stream twice.
 * Thread: the socket's owner.
 */
import { readSync, writeSync } from "node:fs";
import type { Socket } from "node:net";
import { socketHandle } from "#platform/node/socket-handle.ts";

export type DirectSocket = {
  /** Undefined when it was closed. */
  descriptor(): number | undefined;
  /** How many bytes were read, without waiting; 0 at the end, undefined: none now, or it was closed. Throws the host's error. */
  read(into: Uint8Array): number | undefined;
  /** Calls once when a read will not find nothing, or the socket is closed. */
  whenReadable(tell: () => void): void;
  /** How many of the bytes have gone out, without waiting. A failure shows in what the stream writes next. */
  write(bytes: Uint8Array): number;
};

/** Undefined where it cannot be done. Nothing has been read. */
export function directSocket(socket: Socket): DirectSocket | undefined {
  const handle = socketHandle(socket, "useUserBuffer", "readStart", "readStop");
  if (!handle) return undefined;
  const { fd } = handle;
  let waiting: (() => void)[] = [];
  const wakeAll = (): void => {
    const all = waiting;
    waiting = [];
    for (const wake of all) wake();
  };
  // Without room in the buffer it reads nothing, and says that it could.
  handle.useUserBuffer(new Uint8Array(0));
  handle.onread = () => {
    // Who was told reads, and waits again as a rule: that need not be said to the kernel each time.
    if (waiting.length > 0) return wakeAll();
    handle.reading = false;
    handle.readStop();
  };
  socket.once("close", wakeAll);
  return {
    // Node closes the descriptor behind the socket's end only.
    descriptor: () => (socket.destroyed ? undefined : fd),
    read(into) {
      if (socket.destroyed) return undefined;
      try {
        return readSync(fd, into, 0, into.length, null);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EAGAIN") return undefined;
        throw error;
      }
    },
    whenReadable(tell) {
      if (socket.destroyed) return tell();
      waiting.push(tell);
      if (handle.reading) return;
      handle.reading = true;
      handle.readStart();
    },
    write(bytes) {
      if (socket.destroyed) return 0;
      try {
        return writeSync(fd, bytes);
      } catch {
        // It is full, or broken.
        return 0;
      }
    },
  };
}
