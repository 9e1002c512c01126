/**
 * Snapshots as files: a tag is `DIRECTORY/TAG.snapshot`, with what a file's name cannot hold as %XX.
 * A file under way is `.NAME.PID.part`; what a process that was killed left of it goes with the next one of that name.
 * Thread: machine; an open file may be read by any.
 */
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync, renameSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { getSystemErrorMap } from "node:util";
import type { SnapshotFile, SnapshotPlace, SnapshotStore, SnapshotWriter } from "#core/snapshot-store.ts";

const SUFFIX = ".snapshot";
/** So that the name of a file under way is not longer than 255 bytes. */
const NAME_LIMIT = 220;

/** A snapshot's file that cannot be opened or written; the message says why. */
export class SnapshotFileError extends Error {
  readonly code = "snapshot-file";
}

export function snapshotFiles(directory: string | undefined): SnapshotStore {
  const pathOf = (place: SnapshotPlace): string => {
    if ("path" in place) return place.path;
    if (directory === undefined) throw new SnapshotFileError("there is no directory for snapshots");
    return join(directory, fileName(place.tag));
  };
  return {
    hasDirectory: directory !== undefined,
    *files() {
      if (directory === undefined) return;
      const names = asking(directory, () => readdirSync(directory));
      for (const name of names.filter((one) => one.endsWith(SUFFIX) && !one.startsWith("."))) {
        const path = join(directory, name);
        const file = openRegular(path, path);
        if (!file) continue;
        try {
          yield file;
        } finally {
          file.close();
        }
      }
    },
    has: (place) => existsSync(pathOf(place)),
    open(place) {
      const path = pathOf(place);
      const file = asking(path, () => openRegular(path, "tag" in place ? place.tag : path));
      if (!file) throw new SnapshotFileError(`'${path}' is not a regular file`);
      return file;
    },
    create: async (place) => createFile(pathOf(place)),
    remove(place) {
      const path = pathOf(place);
      if (!existsSync(path)) return false;
      asking(path, () => rmSync(path));
      return true;
    },
  };
}

function fileName(tag: string): string {
  let name: string;
  try {
    name = encodeURIComponent(tag).replace(/^\./, "%2E");
  } catch (cause) {
    throw new SnapshotFileError("the snapshot's name is no text", { cause });
  }
  if (name === "") throw new SnapshotFileError("a snapshot needs a name");
  if (name.length > NAME_LIMIT) throw new SnapshotFileError("the snapshot's name is too long for a file's name");
  return `${name}${SUFFIX}`;
}

/** Runs `ask`; its errors become sentences about `path`. */
function asking<T>(path: string, ask: () => T): T {
  try {
    return ask();
  } catch (cause) {
    throw sentence(path, cause as NodeJS.ErrnoException);
  }
}
function sentence(path: string, cause: NodeJS.ErrnoException): SnapshotFileError {
  const known = cause.errno === undefined ? undefined : getSystemErrorMap().get(cause.errno)?.[1];
  return new SnapshotFileError(`'${path}': ${known ?? cause.message}`, { cause });
}

/** Undefined for what is no regular file. Throws the system's error. */
function openRegular(path: string, name: string): SnapshotFile | undefined {
  // Not blocking: a pipe would wait for somebody who writes.
  const descriptor = openSync(path, "r");
  const status = fstatSync(descriptor);
  if (!status.isFile()) {
    closeSync(descriptor);
    return undefined;
  }
  return {
    name,
    sizeBytes: status.size,
    descriptor,
    read: (offset, into) => readFully(descriptor, offset, into),
    close: () => closeSync(descriptor),
  };
}

/** Fills `into` from `offset` of an open file on. Throws the system's error, or that the file has ended. Thread: any. */
export function readFully(descriptor: number, offset: number, into: Uint8Array): void {
  for (let done = 0; done < into.length; ) {
    const got = readSync(descriptor, into, done, into.length - done, offset + done);
    if (got === 0) throw new SnapshotFileError(`the file ends at byte ${offset + done}`);
    done += got;
  }
}

async function createFile(path: string): Promise<SnapshotWriter> {
  const [directory, name] = [dirname(path), basename(path)];
  asking(directory, () => removeLeftovers(directory, name));
  const part = join(directory, `.${name}.${process.pid}.part`);
  const handle = await open(part, "w").catch((cause: NodeJS.ErrnoException) => {
    throw sentence(part, cause);
  });
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) await handle.close();
    isOpen = false;
  };
  return {
    write: (bytes) => writeFully(handle, bytes),
    async commit() {
      await handle.sync();
      await close();
      renameSync(part, path);
      await syncDirectory(directory);
    },
    async abort() {
      await close();
      rmSync(part, { force: true });
    },
  };
}

async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done);
    done += bytesWritten;
  }
}

/** So that the new name survives a crash of the host. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Files under way of processes that are gone. */
function removeLeftovers(directory: string, name: string): void {
  for (const one of readdirSync(directory)) {
    if (!one.startsWith(`.${name}.`)) continue;
    const pid = /^(\d+)\.part$/.exec(one.slice(name.length + 2))?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(directory, one), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
