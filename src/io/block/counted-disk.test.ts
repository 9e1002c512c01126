import { expect, test } from "vitest";
import type { Disk } from "#core/host.ts";
import { countedDisk } from "#io/block/counted-disk.ts";

test("what is done to a disk is counted, with its time; what fails is counted apart", async () => {
  let now = 0;
  const work = (): Promise<void> => {
    now += 10;
    return Promise.resolve();
  };
  const disk: Disk = {
    name: "d",
    sizeBytes: 4096,
    readOnly: false,
    read: work,
    write: work,
    flush: work,
    discard: () => Promise.reject(new Error("broken")),
    writeZeroes: work,
    close: work,
  };
  const counted = countedDisk(disk, { nowNs: () => now, wallMs: () => 0 });
  await counted.read(0, new Uint8Array(512));
  await counted.read(512, new Uint8Array(1024));
  await counted.write(1024, new Uint8Array(512));
  await counted.writeZeroes(2048, 1024);
  await counted.flush();
  await expect(counted.discard(0, 512)).rejects.toThrow("broken");
  expect(counted.statistics).toMatchObject({
    read: { operations: 2, bytes: 1536, failed: 0 },
    write: { operations: 2, bytes: 1536 },
    flush: { operations: 1, bytes: 0 },
    unmap: { operations: 0, bytes: 0, failed: 1 },
    highestWrite: 3072,
  });
});
