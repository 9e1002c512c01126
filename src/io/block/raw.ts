/**
 * The raw format: the disk is the file's bytes, or a part of them.
 * A file that does not end on a sector is rounded up; what lies beyond its end reads as zeros, and a write there
 * makes the file longer.
 */
import type { Disk } from "#core/host.ts";
import type { BlockFile } from "#io/block/block-file.ts";
import { ImageError } from "#io/block/block-file.ts";

const SECTOR_BYTES = 512;
const ZERO_CHUNK_BYTES = 1 << 20;

export type RawOptions = {
  readonly readOnly: boolean;
  /** Where in the file the disk starts. */
  readonly offset?: number;
  /** The disk's size; absent: up to the end of the file. */
  readonly sizeBytes?: number;
  /** Flushes do nothing: what the guest thinks safe is lost when the host fails (`cache=unsafe`). */
  readonly noFlush?: boolean;
};

/** Throws {@link ImageError} when the options do not fit the file. */
export function openRawDisk(file: BlockFile, options: RawOptions): Disk {
  const { readOnly, offset = 0, noFlush = false } = options;
  if (!readOnly && file.readOnly) {
    throw new ImageError("read-only", `${file.name} was opened read-only; give the drive read-only=on`);
  }
  if (!Number.isSafeInteger(file.sizeBytes + SECTOR_BYTES)) {
    throw new ImageError("bad-range", `${file.name} is larger than 8 PiB, which is too large for a disk here`);
  }
  const sizeBytes = options.sizeBytes ?? Math.ceil((file.sizeBytes - offset) / SECTOR_BYTES) * SECTOR_BYTES;
  checkRange(file, offset, sizeBytes, options.sizeBytes !== undefined);
  const writable = (): void => {
    if (readOnly) throw new ImageError("read-only", `${file.name} is read-only`);
  };
  return {
    name: file.name,
    sizeBytes,
    readOnly,
    allocatedBytes: () => file.allocatedBytes?.(),
    read: (at, into) => file.read(offset + at, into),
    async write(at, from) {
      writable();
      await file.write(offset + at, from);
    },
    flush: async () => {
      if (!noFlush && !readOnly) await file.flush();
    },
    // Node cannot punch holes, and a discarded range may read as before.
    discard: async () => writable(),
    async writeZeroes(at, lengthBytes) {
      writable();
      const zeroes = new Uint8Array(Math.min(lengthBytes, ZERO_CHUNK_BYTES));
      for (let done = 0; done < lengthBytes; done += zeroes.length) {
        await file.write(offset + at + done, zeroes.subarray(0, lengthBytes - done));
      }
    },
    close: () => file.close(),
  };
}

function checkRange(file: BlockFile, offset: number, sizeBytes: number, sizeGiven: boolean): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > file.sizeBytes) {
    throw new ImageError("bad-range", `${file.name} has ${file.sizeBytes} bytes; the offset ${offset} is outside`);
  }
  if (!sizeGiven) return;
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || sizeBytes % SECTOR_BYTES !== 0) {
    throw new ImageError("bad-range", `the size ${sizeBytes} is not a multiple of ${SECTOR_BYTES} bytes`);
  }
  if (offset + sizeBytes > file.sizeBytes) {
    throw new ImageError(
      "bad-range",
      `${file.name} has ${file.sizeBytes} bytes; ${sizeBytes} bytes at offset ${offset} do not fit`,
    );
  }
}
