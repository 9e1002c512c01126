/** How the host shares its processors between threads. */
import { readdirSync } from "node:fs";
import { setPriority } from "node:os";

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
  if (process.platform !== "linux") return;
  try {
    setPriority(0, -steps);
  } catch {
    // Not allowed.
  }
}

/**
 * The threads that the engine has for its own work, of which there are four on any host, go behind those that run the
 * machine: they compile what would run a little faster, and on a busy host that is waited for in vain.
 * Node makes them first, with one for what is due later; the others of the process, which wait for disks, stay as they are.
 * Thread: main, before it has started another. Linux alone; elsewhere nothing changes.
 */
export function lowerHelpers(): void {
  if (process.platform !== "linux") return;
  try {
    // In the order in which they were made; the first one is main.
    const threads = readdirSync("/proc/self/task").slice(1, 1 + HELPERS);
    for (const thread of threads) setPriority(Number(thread), HELPER_STEPS);
  } catch {
    // No /proc.
  }
}
