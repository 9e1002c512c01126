import { lstatSync, unlinkSync } from "node:fs";

/** A socket file that an earlier process left would make listening fail; a file of any other kind stays. */
export function removeStaleSocket(path: string): void {
  try {
    if (lstatSync(path).isSocket()) unlinkSync(path);
  } catch {
    // It is not there, or listening will say what is wrong.
  }
}
