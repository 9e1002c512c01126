/**
 * A socket that Node tells of, and does not read: whoever wants its bytes takes them from the descriptor, on this thread or
 * another. The events and messages of Node's streams cost more than short messages do, and a large stream twice.
 *
 *   owner: readable, closes it;   any thread: read(2), under a lock that closing takes, too
 *
 * The lock is what makes a descriptor that was closed, and perhaps opened again for something else, unreachable.
 */
import { readSync, writeSync } from "node:fs";
import type { Socket } from "node:net";
import type { DirectAccess, DirectChannel } from "#core/host.ts";
import { SharedLock } from "#core/shared-lock.ts";
import { socketHandle } from "#platform/node/socket-handle.ts";

const LOCK = 0;
const CLOSED = 1;
const WORDS = 2;

/** The owner's side. */
export type DirectSocket = DirectChannel & {
  readonly access: DirectAccess;
  /** Calls once when a read will not find nothing, or the socket is closed. */
  whenReadable(tell: () => void): void;
  /** How many of the bytes have gone out, without waiting. A failure shows in what the stream writes next. */
  write(bytes: Uint8Array): number;
};

/** Undefined where it cannot be done. Nothing has been read. Thread: the socket's owner. */
export function directSocket(socket: Socket): DirectSocket | undefined {
  const handle = socketHandle(socket, "useUserBuffer", "readStart", "readStop", "close");
  if (!handle) return undefined;
  const state = new SharedArrayBuffer(4 * WORDS);
  const words = new Int32Array(state);
  const lock = new SharedLock(words, LOCK);
  const access = { descriptor: handle.fd, state };
  const end = (): void => lock.with(() => void Atomics.store(words, CLOSED, 1));
  for (const name of ["close", "reset"] as const) {
    const closing = handle[name]?.bind(handle);
    if (!closing) continue;
    handle[name] = (done) => {
      end();
      return closing(done);
    };
  }
  let waiting: (() => void)[] = [];
  const wakeAll = (): void => {
    const all = waiting;
    waiting = [];
    for (const wake of all) wake();
  };
  const stop = (): void => {
    handle.reading = false;
    handle.readStop();
  };
  // Without room in the buffer it reads nothing, and says that it could.
  handle.useUserBuffer(new Uint8Array(0));
  handle.onread = () => {
    stop();
    wakeAll();
  };
  socket.once("close", wakeAll);
  return {
    ...openDirect(access),
    access,
    whenReadable(tell) {
      if (socket.destroyed) return tell();
      waiting.push(tell);
      handle.reading = true;
      handle.readStart();
    },
    write(bytes) {
      try {
        return writeSync(access.descriptor, bytes);
      } catch {
        // It is full, or broken.
        return 0;
      }
    },
  };
}

/** Of the owner's thread or another. */
export function openDirect({ descriptor, state }: DirectAccess): DirectChannel {
  const words = new Int32Array(state);
  const lock = new SharedLock(words, LOCK);
  return {
    read(into) {
      lock.acquire();
      try {
        if (Atomics.load(words, CLOSED) !== 0) return undefined;
        return readSync(descriptor, into, 0, into.length, null);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EAGAIN") return undefined;
        throw error;
      } finally {
        lock.release();
      }
    },
  };
}
