/**
 * A pipe by which threads wake another that sleeps in its event loop. `Atomics.waitAsync` does it, too, but tells the event
 * loop with a lock of the engine held: who is woken on the waker's processor waits for that lock, and its holder for the
 * processor.
 */
import { closeSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { cFunction } from "#platform/node/c-library.ts";
import { directSocket } from "#platform/node/direct-socket.ts";

const [O_NONBLOCK, O_CLOEXEC] = [0o4000, 0o2000000];
const ONE = new Uint8Array(1);
/** More than those who wake write between two looks. */
const MANY_BYTES = 256;

export type WakePipe = {
  /** For {@link wakeByPipe}, until it is closed. */
  readonly descriptor: number;
  /** Resolves when somebody has woken since the last call, or the pipe is closed. */
  untilWoken(): Promise<void>;
  /** Nobody may wake any more. */
  close(): void;
};

/** Undefined where it cannot be done. Thread: the one that sleeps. */
export async function openWakePipe(): Promise<WakePipe | undefined> {
  const pipe2 = await cFunction("int pipe2(void *, int)");
  const ends = new Int32Array(2);
  if (pipe2?.(ends, O_NONBLOCK | O_CLOEXEC) !== 0) return undefined;
  const [fd, descriptor] = ends as unknown as [number, number];
  const socket = new Socket({ fd, readable: true, writable: false });
  const direct = directSocket(socket);
  const close = (): void => {
    socket.destroy();
    closeSync(descriptor);
  };
  if (!direct) return void close();
  const bytes = new Uint8Array(MANY_BYTES);
  return {
    descriptor,
    close,
    untilWoken: () =>
      new Promise((resolve) => {
        const look = (): void => {
          if (direct.read(bytes) === undefined && !socket.destroyed) direct.whenReadable(look);
          else resolve();
        };
        // A read that finds nothing costs more than to wait.
        direct.whenReadable(look);
      }),
  };
}

/** Thread: any. */
export function wakeByPipe(descriptor: number): void {
  try {
    writeSync(descriptor, ONE);
  } catch {
    // It is full: somebody else has woken, too. Or whom it would wake has ended.
  }
}
