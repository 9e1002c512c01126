/** A channel that reads or writes a file from some place on, or a descriptor from where it stands. */
import { close, ftruncate, read, write } from "node:fs";
import { open } from "node:fs/promises";
import { promisify } from "node:util";
import type { ByteChannel } from "#core/host.ts";

const READ_BYTES = 1 << 20;
const readAt = promisify(read);
const writeAt = promisify(write);

/** Writing begins at `offset`, and what was behind it is gone. */
export async function fileChannel(path: string, offset: number, direction: "read" | "write"): Promise<ByteChannel> {
  if (direction === "read") {
    const handle = await open(path, "r");
    return channel(handle.fd, offset, () => handle.close());
  }
  // The part before the offset is kept.
  const handle = await open(path, offset === 0 ? "w" : "a").then(async (opened) => {
    await opened.close();
    return open(path, "r+");
  });
  await promisify(ftruncate)(handle.fd, offset);
  return channel(handle.fd, offset, () => handle.close());
}

/** A file that somebody else has opened, from its present position on: what is before it is theirs. */
export function descriptorChannel(fd: number): ByteChannel {
  return channel(fd, null, () => promisify(close)(fd));
}

/** `offset` null: at the descriptor's own position. */
function channel(fd: number, offset: number | null, end: () => Promise<void>): ByteChannel {
  let at = offset;
  const advance = (lengthBytes: number): void => {
    if (at !== null) at += lengthBytes;
  };
  let isOpen = true;
  const finish = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    await end();
  };
  return {
    isDuplex: false,
    async read() {
      if (!isOpen) return undefined;
      const bytes = new Uint8Array(READ_BYTES);
      const { bytesRead } = await readAt(fd, bytes, 0, READ_BYTES, at);
      advance(bytesRead);
      return bytesRead === 0 ? undefined : bytes.subarray(0, bytesRead);
    },
    async write(bytes) {
      for (let done = 0; done < bytes.length; ) {
        if (!isOpen) throw new Error("the file is closed");
        const { bytesWritten } = await writeAt(fd, bytes, done, bytes.length - done, at);
        done += bytesWritten;
        advance(bytesWritten);
      }
    },
    close: finish,
    abort: () => void finish().catch(() => {}),
  };
}
