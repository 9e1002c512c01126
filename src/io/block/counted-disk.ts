/** A disk that counts what is done to it. Thread: machine. */
import type { Clock, Disk } from "#core/host.ts";

type Counter = { operations: number; bytes: number; timeNs: number; failed: number };
export type DiskStatistics = {
  readonly read: Counter;
  readonly write: Counter;
  readonly flush: Counter;
  readonly unmap: Counter;
  /** End of the highest write, in bytes. */
  highestWrite: number;
  /** Time since the last operation ended; undefined before the first. */
  readonly idleNs: number | undefined;
};

const counter = (): Counter => ({ operations: 0, bytes: 0, timeNs: 0, failed: 0 });

/** `disk` with counters. */
export function countedDisk(disk: Disk, clock: Clock): Disk & { readonly statistics: DiskStatistics } {
  let lastNs: number | undefined;
  const statistics: DiskStatistics = {
    read: counter(),
    write: counter(),
    flush: counter(),
    unmap: counter(),
    highestWrite: 0,
    get idleNs() {
      return lastNs === undefined ? undefined : clock.nowNs() - lastNs;
    },
  };
  const count = async (of: Counter, lengthBytes: number, work: Promise<void>): Promise<void> => {
    const start = clock.nowNs();
    try {
      await work;
      of.operations++;
      of.bytes += lengthBytes;
      of.timeNs += clock.nowNs() - start;
    } catch (error) {
      of.failed++;
      throw error;
    } finally {
      lastNs = clock.nowNs();
    }
  };
  const written = (offset: number, lengthBytes: number): void => {
    statistics.highestWrite = Math.max(statistics.highestWrite, offset + lengthBytes);
  };
  return {
    name: disk.name,
    sizeBytes: disk.sizeBytes,
    readOnly: disk.readOnly,
    statistics,
    allocatedBytes: () => disk.allocatedBytes?.(),
    read: (offset, into) => count(statistics.read, into.length, disk.read(offset, into)),
    write(offset, from) {
      written(offset, from.length);
      return count(statistics.write, from.length, disk.write(offset, from));
    },
    flush: () => count(statistics.flush, 0, disk.flush()),
    discard: (offset, lengthBytes) => count(statistics.unmap, lengthBytes, disk.discard(offset, lengthBytes)),
    writeZeroes(offset, lengthBytes) {
      written(offset, lengthBytes);
      return count(statistics.write, lengthBytes, disk.writeZeroes(offset, lengthBytes));
    },
    close: () => disk.close(),
  };
}
