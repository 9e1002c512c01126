/** How the host shares its processors between threads. */
import { readdirSync } from "node:fs";
import { setPriority } from "node:os";

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
 * The threads that the engine has for its own work, of which it makes four on any host, go behind those that run the machine:
 * they compile what would run a little faster, and on a busy host that is waited for in vain.
 * Thread: main, before it has started another. Linux alone; elsewhere nothing changes.
 */
export function lowerHelpers(): void {
  if (process.platform !== "linux") return;
  try {
    for (const name of readdirSync("/proc/self/task")) {
      if (Number(name) !== process.pid) setPriority(Number(name), HELPER_STEPS);
    }
  } catch {
    // No /proc, or a thread has ended.
  }
}
