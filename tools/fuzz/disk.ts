/** Raw disks: any size of file, offset and size of the disk, and requests of a guest at their ends. */
import * as fc from "fast-check";
import type { BlockFile } from "#io/block/block-file.ts";
import { ImageError } from "#io/block/block-file.ts";
import { openRawDisk } from "#io/block/raw.ts";
import { VirtioBlk } from "#hw/devices/virtio-blk.ts";
import { must, target } from "./target.ts";

const SECTOR_BYTES = 512;
const size = fc.oneof(
  fc.constantFrom(0, 1, 511, 512, 513, 1024, 2 ** 31, 2 ** 32, 2 ** 40, Number.MAX_SAFE_INTEGER, 2 ** 53, 2 ** 64),
  fc.nat(4096),
  fc.maxSafeNat(),
);
const odd = fc.oneof({ weight: 8, arbitrary: size }, fc.double(), fc.integer({ max: -1 }));

/** A file that checks where it is read and written. */
function checkedFile(sizeBytes: number): BlockFile {
  const check = async (offset: number, lengthBytes: number): Promise<void> => {
    must(Number.isSafeInteger(offset) && offset >= 0 && lengthBytes >= 0, "a file is used at sane offsets");
    must(offset + lengthBytes <= sizeBytes + SECTOR_BYTES, "a file is not used behind its last sector");
  };
  return {
    name: "file",
    sizeBytes,
    readOnly: false,
    read: (offset, into) => check(offset, into.length),
    write: (offset, from) => check(offset, from.length),
    flush: async () => {},
    close: async () => {},
  };
}

const rawDisk = target({
  name: "raw-disk",
  input: fc.record({
    fileBytes: size,
    offset: fc.option(odd, { nil: undefined }),
    sizeBytes: fc.option(odd, { nil: undefined }),
    readOnly: fc.boolean(),
    lengthBytes: fc.nat(4096),
  }),
  errors: [ImageError],
  shortRuns: 2000,
  async run({ fileBytes, offset, sizeBytes, readOnly, lengthBytes }) {
    const disk = openRawDisk(checkedFile(fileBytes), {
      readOnly,
      ...(offset === undefined ? {} : { offset }),
      ...(sizeBytes === undefined ? {} : { sizeBytes }),
    });
    must(Number.isSafeInteger(disk.sizeBytes) && disk.sizeBytes >= 0, "a disk has a size");
    must(disk.sizeBytes % SECTOR_BYTES === 0, "a disk is made of sectors");
    const device = new VirtioBlk(disk);
    device.readConfig(new Uint8Array(device.configBytes));
    const atEnd = Math.max(0, disk.sizeBytes - lengthBytes);
    const buffer = new Uint8Array(Math.min(lengthBytes, disk.sizeBytes));
    await disk.read(atEnd, buffer);
    await disk.write(atEnd, buffer);
    await disk.writeZeroes(atEnd, buffer.length);
    await disk.discard(atEnd, buffer.length);
  },
});

export const DISK_TARGETS = [rawDisk];
