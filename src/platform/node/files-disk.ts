/**
 * Files of the host as block files, through positioned reads and writes.
 * Several operations run at once on Node's thread pool. No lock is taken: two machines on one image spoil it.
 * Thread: machine.
 */
import { fdatasync, fstatSync, read, write } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import type { BlockFile, ImageErrorCode } from "#io/block/block-file.ts";
import { ImageError } from "#io/block/block-file.ts";

/** The unit of `blocks`. Spec: stat(2). */
const STAT_BLOCK_BYTES = 512;

export type DiskFileOptions = { readonly readOnly: boolean };

/** Opens an existing image. Rejects with {@link ImageError}. */
export async function openDiskFile(path: string, options: DiskFileOptions): Promise<BlockFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, options.readOnly ? "r" : "r+");
  } catch (error) {
    throw openError(path, error as NodeJS.ErrnoException);
  }
  try {
    return diskFile(path, handle, options.readOnly, await usableSize(path, handle));
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function usableSize(path: string, handle: FileHandle): Promise<number> {
  const status = await handle.stat();
  if (status.isDirectory()) throw new ImageError("directory", `${path} is a directory, not a disk image`);
  if (!status.isFile()) throw new ImageError("not-a-file", `${path} is not a regular file; copy it into one`);
  if (status.size === 0) {
    throw new ImageError("empty", `${path} is empty; give it a size first, for example with 'truncate -s 1G ${path}'`);
  }
  return status.size;
}

// The callback functions cost about half of the promise ones for each operation.
function diskFile(path: string, handle: FileHandle, readOnly: boolean, sizeBytes: number): BlockFile {
  const { fd } = handle;
  return {
    name: path,
    sizeBytes,
    readOnly,
    allocatedBytes() {
      try {
        return STAT_BLOCK_BYTES * fstatSync(fd).blocks;
      } catch {
        return undefined;
      }
    },
    read(offset, into) {
      return new Promise((resolve, reject) => {
        const step = (done: number): void => {
          if (done === into.length) return resolve();
          read(fd, into, done, into.length - done, offset + done, (error, bytes) => {
            if (error) return reject(error);
            if (bytes > 0) return step(done + bytes);
            into.fill(0, done); // beyond the end
            resolve();
          });
        };
        step(0);
      });
    },
    write(offset, from) {
      return new Promise((resolve, reject) => {
        const step = (done: number): void => {
          if (done === from.length) return resolve();
          write(fd, from, done, from.length - done, offset + done, (error, bytes) => {
            if (error) reject(error);
            else step(done + bytes);
          });
        };
        step(0);
      });
    },
    flush() {
      return new Promise((resolve, reject) => {
        fdatasync(fd, (error) => (error ? reject(error) : resolve()));
      });
    },
    close: () => handle.close(),
  };
}

const OPEN_ERRORS: Readonly<Record<string, readonly [ImageErrorCode, string]>> = {
  ENOENT: ["missing", "does not exist; check the name, or make it with 'truncate -s 1G NAME'"],
  ENOTDIR: ["missing", "does not exist: a part of its path is not a directory"],
  EISDIR: ["directory", "is a directory, not a disk image"],
  EACCES: ["permission", "may not be opened by this user; change its permissions, or give the drive read-only=on"],
  EPERM: ["permission", "may not be opened by this user; change its permissions, or give the drive read-only=on"],
  EROFS: ["permission", "lies on a read-only file system; give the drive read-only=on"],
};

function openError(path: string, cause: NodeJS.ErrnoException): ImageError {
  const [code, sentence] = OPEN_ERRORS[cause.code ?? ""] ?? ["io", `cannot be opened: ${cause.message}`];
  return new ImageError(code, `${path} ${sentence}`, { cause });
}
