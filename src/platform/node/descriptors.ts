/** Open files, sockets and pipes by their descriptors. */
import { closeSync, writeSync } from "node:fs";
import { cFunction } from "#platform/node/c-library.ts";

/** Of fcntl(2) on Linux: the least free one from 0 on, which programs that are started do not inherit. */
const F_DUPFD_CLOEXEC = 1030;

/** A second descriptor of what `descriptor` is, which is the caller's to close; undefined when there is none left. */
export type Duplicate = (descriptor: number) => number | undefined;

/** Undefined where it cannot be done. Thread: any, each its own. */
export async function openDuplicate(): Promise<Duplicate | undefined> {
  const fcntl = await cFunction("int fcntl(int, int, int)");
  return (
    fcntl &&
    ((descriptor) => {
      const duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
      return duplicate < 0 ? undefined : duplicate;
    })
  );
}

/** How many of the bytes have gone out, without waiting; 0 as well when it is full, or broken. Thread: any. */
export function writeTo(descriptor: number, bytes: Uint8Array): number {
  try {
    return writeSync(descriptor, bytes);
  } catch {
    return 0;
  }
}

export function closeDescriptor(descriptor: number): void {
  closeSync(descriptor);
}
