/**
 * The file of a snapshot. Integers of the head are little-endian, the device state is QEMU's stream (big-endian).
 *
 *   head: magic, version, lengths, sums | description (JSON) | sections of the devices | runs: first page, count
 *   from the next multiple of 4096 on: the pages, run by run
 *
 * A page's number is its place among the pages of all RAM blocks, in the blocks' order. A page of no run is zero. The
 * first runs are those of the pages that the vCPUs used last. Everything before the pages is covered by sums, and the file's length follows from the head.
 */
import { crc32 } from "#core/crc32.ts";
import { SnapshotError } from "#control/snapshot/snapshot-error.ts";

export const SNAPSHOT_PAGE_BYTES = 4096;
export const HEAD_BYTES = 36;

const MAGIC = "TINASNAP";
const VERSION = 1;
/** The sum of the head lies at its end. */
const SUMMED_HEAD_BYTES = HEAD_BYTES - 4;
const RUN_BYTES = 8;
const LIMITS = { description: 1 << 20, devices: 64 << 20, runs: 1 << 20, pages: 1 << 20 } as const;
const STREAM_MAGIC = "QEVM";

/** What a snapshot says of itself. */
export type SnapshotDescription = {
  readonly tag: string;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly savedMs: number;
  /** Machine time. */
  readonly clockNs: number;
  /** Pages at the beginning of the file that the vCPUs used last. */
  readonly recentPages: number;
  readonly blocks: readonly { readonly name: string; readonly sizeBytes: number }[];
  readonly sections: readonly { readonly name: string; readonly instanceId: number }[];
};

/** The lengths of what follows the head. */
export type SnapshotHead = {
  readonly descriptionBytes: number;
  readonly devicesBytes: number;
  readonly runCount: number;
  readonly pageCount: number;
  /** Of description, devices and runs. */
  readonly sum: number;
};
export type SnapshotBody = {
  readonly description: SnapshotDescription;
  readonly devices: Uint8Array;
  readonly runs: PageRuns;
};
/** First page and count of each run in the order of the file: pairs. */
export type PageRuns = Uint32Array;

export const bodyBytes = (head: SnapshotHead): number =>
  head.descriptionBytes + head.devicesBytes + RUN_BYTES * head.runCount;

/** Where the pages begin in the file. */
export function pagesOffset(head: SnapshotHead): number {
  return Math.ceil((HEAD_BYTES + bodyBytes(head)) / SNAPSHOT_PAGE_BYTES) * SNAPSHOT_PAGE_BYTES;
}
export const fileBytes = (head: SnapshotHead): number => pagesOffset(head) + head.pageCount * SNAPSHOT_PAGE_BYTES;

/** Everything before the pages, up to where they begin. */
export function encodeStart({ description, devices, runs }: SnapshotBody): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(description));
  const head = {
    descriptionBytes: text.length,
    devicesBytes: devices.length,
    runCount: runs.length / 2,
    pageCount: pagesInRuns(runs),
    sum: 0,
  };
  const bytes = new Uint8Array(pagesOffset(head));
  bytes.set(text, HEAD_BYTES);
  bytes.set(devices, HEAD_BYTES + text.length);
  const view = new DataView(bytes.buffer);
  const numbers = HEAD_BYTES + text.length + devices.length;
  runs.forEach((value, index) => view.setUint32(numbers + 4 * index, value, true));
  bytes.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, VERSION, true);
  view.setUint32(12, head.descriptionBytes, true);
  view.setUint32(16, head.devicesBytes, true);
  view.setUint32(20, head.runCount, true);
  view.setUint32(24, head.pageCount, true);
  view.setUint32(28, crc32(bytes.subarray(HEAD_BYTES, HEAD_BYTES + bodyBytes(head))), true);
  view.setUint32(SUMMED_HEAD_BYTES, crc32(bytes.subarray(0, SUMMED_HEAD_BYTES)), true);
  return bytes;
}

/** Reads a head; `bytes` are the first of the file, at most {@link HEAD_BYTES}. Throws {@link SnapshotError}. */
export function decodeHead(bytes: Uint8Array, name: string, sizeBytes: number): SnapshotHead {
  const magic = String.fromCharCode(...bytes.subarray(0, MAGIC.length));
  if (magic.startsWith(STREAM_MAGIC)) {
    throw new SnapshotError(`'${name}' is a migration stream; load it with -incoming file:${name}`);
  }
  if (magic !== MAGIC) throw new SnapshotError(`'${name}' is not a snapshot`);
  const damaged = (): SnapshotError => new SnapshotError(`the snapshot '${name}' is damaged; it cannot be loaded`);
  if (bytes.length < HEAD_BYTES) throw damaged();
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES);
  const word = (at: number): number => view.getUint32(at, true);
  if (word(SUMMED_HEAD_BYTES) !== crc32(bytes.subarray(0, SUMMED_HEAD_BYTES))) throw damaged();
  if (word(8) !== VERSION) {
    throw new SnapshotError(`the snapshot '${name}' has format version ${word(8)}; this program reads ${VERSION}`);
  }
  const head = {
    descriptionBytes: word(12),
    devicesBytes: word(16),
    runCount: word(20),
    pageCount: word(24),
    sum: word(28),
  };
  const fits =
    head.descriptionBytes <= LIMITS.description &&
    head.devicesBytes <= LIMITS.devices &&
    head.runCount <= LIMITS.runs &&
    head.pageCount <= LIMITS.pages &&
    fileBytes(head) === sizeBytes;
  if (!fits) throw damaged();
  return head;
}

/** Reads what follows the head, {@link bodyBytes} long. Throws {@link SnapshotError}. */
export function decodeBody(head: SnapshotHead, bytes: Uint8Array, name: string): SnapshotBody {
  const description = crc32(bytes) === head.sum ? readDescription(bytes.subarray(0, head.descriptionBytes)) : undefined;
  if (!description) throw new SnapshotError(`the snapshot '${name}' is damaged; it cannot be loaded`);
  const numbers = head.descriptionBytes + head.devicesBytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const runs = new Uint32Array(2 * head.runCount);
  for (let index = 0; index < runs.length; index++) runs[index] = view.getUint32(numbers + 4 * index, true);
  checkRuns(runs, head, description, name);
  return { description, devices: bytes.subarray(head.descriptionBytes, numbers), runs };
}

/** Reads the description alone, for a list of snapshots; undefined when it is not one. */
export function readDescription(bytes: Uint8Array): SnapshotDescription | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  return isDescription(value) ? value : undefined;
}

function isDescription(value: unknown): value is SnapshotDescription {
  if (typeof value !== "object" || value === null) return false;
  const { tag, savedMs, clockNs, recentPages, blocks, sections } = value as Record<keyof SnapshotDescription, unknown>;
  const isCount = (number: unknown): boolean => Number.isFinite(number) && (number as number) >= 0;
  const isListOf = (list: unknown, number: string): boolean =>
    Array.isArray(list) && list.every((one) => typeof one?.name === "string" && isCount(one[number]));
  return (
    typeof tag === "string" &&
    isCount(savedMs) &&
    isCount(clockNs) &&
    isCount(recentPages) &&
    isListOf(blocks, "sizeBytes") &&
    isListOf(sections, "instanceId")
  );
}

export const pagesOf = (sizeBytes: number): number => Math.ceil(sizeBytes / SNAPSHOT_PAGE_BYTES);

/** The first page and the length of each run, in the order of the file. */
export function* eachRun(runs: PageRuns): Generator<{ readonly first: number; readonly count: number }> {
  for (let at = 0; at < runs.length; at += 2) yield { first: runs[at] as number, count: runs[at + 1] as number };
}
export function pagesInRuns(runs: PageRuns): number {
  let pages = 0;
  for (const { count } of eachRun(runs)) pages += count;
  return pages;
}
/** The runs of pages that are given one by one. */
export function runsOf(pages: Iterable<number>): PageRuns {
  const runs: number[] = [];
  let next = -1;
  for (const page of pages) {
    if (page === next) runs[runs.length - 1] = (runs.at(-1) as number) + 1;
    else runs.push(page, 1);
    next = page + 1;
  }
  return Uint32Array.from(runs);
}

/** Every page lies in a block, none comes twice, and they are as many as the head says. */
function checkRuns(runs: PageRuns, head: SnapshotHead, { blocks }: SnapshotDescription, name: string): void {
  const total = blocks.reduce((sum, { sizeBytes }) => sum + pagesOf(sizeBytes), 0);
  if (total > LIMITS.pages) throw new SnapshotError(`the snapshot '${name}' has larger RAM than a machine can have`);
  let end = 0;
  for (const { first, count } of [...eachRun(runs)].toSorted((a, b) => a.first - b.first)) {
    if (count === 0 || first < end || first + count > total) {
      throw new SnapshotError(`the snapshot '${name}' lists page ${first} wrongly`);
    }
    end = first + count;
  }
  if (pagesInRuns(runs) === head.pageCount) return;
  throw new SnapshotError(`the snapshot '${name}' does not list as many pages as it has`);
}
