/**
 * Sleeping on a word of shared memory past the engine, by futex(2). `Atomics.wait` and `Atomics.notify` of V8 hold one lock for
 * the whole process while they wake a thread, and so does whatever else V8 wants of a thread that sleeps: who does that
 * and loses its processor to whom it wakes keeps everybody else from waking anybody.
 */
import type { Futex } from "#core/host.ts";
import { cFunction } from "#platform/node/c-library.ts";

/** The system call's number, by Node's name of the processor. */
const FUTEX: { readonly [arch: string]: number } = { x64: 202, arm64: 98, riscv64: 98 };
/** Within the process. */
const [WAIT_PRIVATE, WAKE_PRIVATE] = [128, 129];
/** A thread that is to end looks up so often. */
const LOOK_UP_MS = 50;

/** Undefined where it cannot be done. Thread: any, each its own. */
export async function openFutex(): Promise<Futex | undefined> {
  const number = FUTEX[process.arch];
  const syscall = await cFunction("long syscall(long, void *, int, int, void *, void *, int)");
  if (number === undefined || !syscall) return undefined;
  // struct timespec: seconds, nanoseconds.
  const timeout = BigInt64Array.of(0n, BigInt(LOOK_UP_MS * 1e6));
  return {
    wait: (word, value) => void syscall(number, word, WAIT_PRIVATE, value, timeout, null, 0),
    wake: (word) => void syscall(number, word, WAKE_PRIVATE, 1, null, null, 0),
  };
}
