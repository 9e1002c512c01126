/** How the host shares its processors between threads. */
import { readdirSync } from "node:fs";
import { getPriority, setPriority } from "node:os";
import type { Urgency } from "#core/host.ts";
import { cFunction } from "#platform/node/c-library.ts";

/** V8's four, and the one for what is due later. */
const HELPERS = 5;
/** Of setpriority(2): a thirtieth of what a thread gets beside it. */
const HELPER_STEPS = 15;

/**
 * The calling thread goes before others by `steps` of setpriority(2), where the host allows it: Linux, to a privileged
 * process. Elsewhere nothing changes.
 */
export function raisePriority(steps: number): void {
  // Of other systems 0 means the whole process.
  if (process.platform === "linux") setNice(0, -steps);
}

/** sched(7). FIFO runs before every thread that is not of its kind, as soon as it may. */
const [SCHED_OTHER, SCHED_FIFO] = [0, 1];
export const Urgent = {
  /** A thread that waits, and what it does then is short. */
  Waiter: 1,
  /**
   * One that others wait for. It must go before them: Linux lets it run at once on the processor that wakes it, where it
   * ran last, and makes it change to another one if its waker is as urgent as it is.
   */
  Server: 2,
} as const;
/** Of setpriority(2), where that is not to be had: as much as there is, or nearly. */
const FIRST_STEPS = 15;

/**
 * Undefined where the host does not allow it: it is Linux, to a privileged process. A thread of the usual kind waits for
 * the end of another's time slice, a millisecond or more, whatever its priority; one that was raised must sleep most of
 * the time.
 */
export async function openUrgency(priority: number): Promise<Urgency | undefined> {
  const schedule = await cFunction("int sched_setscheduler(int, int, void *)");
  if (!schedule) return undefined;
  const [first, usual] = [Int32Array.of(priority), Int32Array.of(0)];
  const lower = (): boolean => schedule(0, SCHED_OTHER, usual) === 0;
  const raise = (): boolean => schedule(0, SCHED_FIFO, first) === 0;
  return raise() && lower() ? { raise, lower } : undefined;
}

/** The calling thread runs as soon as it has something to do, or sooner than others at least. What was raised is the result. */
export async function runAtOnce(): Promise<Urgency | undefined> {
  raisePriority(FIRST_STEPS);
  const urgency = await openUrgency(Urgent.Server);
  urgency?.raise();
  return urgency;
}

/**
 * The threads that the engine has for its own work, of which there are four on any host, go behind those that run the
 * machine: they compile what would run a little faster, and on a busy host that is waited for in vain.
 * Node makes them first, with one for what is due later; the others of the process, which wait for disks, stay as they are.
 * Thread: any. Linux alone; elsewhere nothing changes.
 */
export function lowerHelpers(): void {
  for (const thread of helperThreads()) setNice(thread, HELPER_STEPS);
}

/**
 * They are threads like others from `raise` to `lower`, where the host allows it: code that is waited for runs fast when
 * they have compiled it, and whoever waits for one of them, as the garbage collector does, waits for its turn.
 * Thread: any.
 */
export function openHelpers(): Urgency {
  let restore: (() => void) | undefined;
  return {
    raise() {
      restore ??= rememberHelpers();
      for (const thread of helperThreads()) setNice(thread, 0);
    },
    lower() {
      restore?.();
      restore = undefined;
    },
  };
}

/** Makes them again what they are now. */
export function rememberHelpers(): () => void {
  const before = helperThreads().map((thread) => [thread, niceOf(thread)] as const);
  return () => {
    for (const [thread, nice] of before) setNice(thread, nice);
  };
}

/** In the order in which they were made; the first one of the process is main. */
function helperThreads(): readonly number[] {
  if (process.platform !== "linux") return [];
  try {
    return readdirSync("/proc/self/task")
      .slice(1, 1 + HELPERS)
      .map(Number);
  } catch {
    // No /proc.
    return [];
  }
}
function niceOf(thread: number): number {
  try {
    return getPriority(thread);
  } catch {
    return 0;
  }
}
function setNice(thread: number, nice: number): void {
  try {
    setPriority(thread, nice);
  } catch {
    // Not allowed.
  }
}
