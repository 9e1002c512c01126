/**
 * The `file` character device: output is written to a file; input, if asked for, comes from another one, once.
 * Thread: machine. Writes are synchronous, so that what the guest printed is there when the emulator dies.
 */
import { closeSync, createReadStream, openSync, writeSync } from "node:fs";
import type { CharBackend } from "#core/host.ts";
import { InputPump } from "#io/char/input-pump.ts";
import { ChardevError, chardevErrorCode } from "#platform/node/chardev-error.ts";

export type FileChardevOptions = {
  readonly id: string;
  readonly path: string;
  /** Keep what is in the file; otherwise it is emptied. */
  readonly append: boolean;
  /** Where input is read from. */
  readonly input?: string;
};

/** Throws {@link ChardevError}. */
export function openFileChardev(options: FileChardevOptions): CharBackend {
  const output = open(options.path, options.append ? "a" : "w");
  const input = options.input === undefined ? undefined : open(options.input, "r");
  const stream = input === undefined ? undefined : createReadStream("", { fd: input });
  const pump = new InputPump(() => stream?.resume());
  let closed = false;
  return {
    name: options.id,
    filename: "file",
    attach(frontend) {
      pump.attach(frontend);
      frontend.event("opened");
      stream?.on("data", (chunk) => {
        pump.push(chunk as Buffer);
        if (pump.heldBytes > 0) stream.pause();
      });
      stream?.on("error", () => pump.end());
      stream?.on("end", () => pump.end());
    },
    poke: () => pump.flush(),
    write(bytes) {
      if (!closed) writeAll(output, bytes);
    },
    close() {
      if (closed) return;
      closed = true;
      closeSync(output);
      stream?.destroy();
    },
  };
}

function open(path: string, flags: string): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    const cause = error as NodeJS.ErrnoException;
    throw new ChardevError(chardevErrorCode(cause), `chardev file ${path} cannot be opened: ${cause.message}`, {
      cause,
    });
  }
}

/** What does not fit on the host's disk is lost; the guest goes on. */
function writeAll(fd: number, bytes: Uint8Array): void {
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  } catch {
    // Nobody in the guest could be told.
  }
}
