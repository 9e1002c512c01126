/**
 * A socket that another thread reads past the event loop of the one that owns it: the owner's events and messages cost
 * more than the bytes do.
 *
 *   owner: socket, closes it;   other thread: read(2) of its descriptor, under a lock that closing takes, too
 *
 * The lock is what makes a descriptor that was closed, and perhaps opened again for something else, unreachable.
 */
import { readSync } from "node:fs";
import type { Socket } from "node:net";
import type { DirectAccess, DirectChannel } from "#core/host.ts";
import { SharedLock } from "#core/shared-lock.ts";
import { socketHandle } from "#platform/node/socket-handle.ts";

const LOCK = 0;
const CLOSED = 1;
const WORDS = 2;

/** The owner's side. */
export type DirectSocket = {
  readonly access: DirectAccess;
  /** Whatever the stream believes. */
  startReading(): void;
  /** What comes from now on stays where the other thread finds it. */
  stopReading(): void;
};

/** Undefined where it cannot be done. Thread: the socket's owner. */
export function directSocket(socket: Socket): DirectSocket | undefined {
  const handle = socketHandle(socket, "readStart", "readStop", "close");
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
  return {
    access,
    startReading() {
      if (handle.reading) return;
      handle.reading = true;
      handle.readStart();
    },
    stopReading() {
      handle.reading = false;
      handle.readStop();
    },
  };
}

/** The other thread's side. */
export function openDirect({ descriptor, state }: DirectAccess): DirectChannel {
  const words = new Int32Array(state);
  const lock = new SharedLock(words, LOCK);
  return {
    read: (into) =>
      lock.with(() => {
        if (Atomics.load(words, CLOSED) !== 0) return 0;
        try {
          return readSync(descriptor, into, 0, into.length, null);
        } catch {
          // Whatever it is, the owner is asked next, and hears of it.
          return 0;
        }
      }),
  };
}
