/** How the host shares its processors between threads. */
import { setPriority } from "node:os";

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
