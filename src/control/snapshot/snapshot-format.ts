/**
 * The file of a snapshot. Integers of the head are little-endian, the device state is QEMU's stream (big-endian).
 *
 *   head: magic, version, lengths, sums | description (JSON) | sections of the devices | page numbers, u32 each
 *   from the next multiple of 4096 on: the pages, in the order of their numbers
 *
 * A page's number is its place among the pages of all RAM blocks, in the blocks' order. A page that is not listed is
 * zero. Everything before the pages is covered by sums, and the file's length follows from the head.
 */
import { crc32 } from "#core/crc32.ts";
import { SnapshotError } from "#control/snapshot/snapshot-error.ts";

export const SNAPSHOT_PAGE_BYTES = 4096;
export const HEAD_BYTES = 32;

const MAGIC = "TINASNAP";
const VERSION = 1;
/** The sum of the head lies at its end. */
const SUMMED_HEAD_BYTES = HEAD_BYTES - 4;
const LIMITS = { description: 1 << 20, devices: 64 << 20, pages: 1 << 20 } as const;
const STREAM_MAGIC = "QEVM";

/** What a snapshot says of itself. */
export type SnapshotDescription = {
  readonly tag: string;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly savedMs: number;
  /** Machine time. */
  readonly clockNs: number;
  readonly blocks: readonly { readonly name: string; readonly sizeBytes: number }[];
  readonly sections: readonly { readonly name: string; readonly instanceId: number }[];
};

/** The lengths of what follows the head. */
export type SnapshotHead = {
  readonly descriptionBytes: number;
  readonly devicesBytes: number;
  readonly pageCount: number;
  /** Of description, devices and page numbers. */
  readonly sum: number;
};
export type SnapshotBody = {
  readonly description: SnapshotDescription;
  readonly devices: Uint8Array;
  /** Numbers of the pages in the order in which they lie in the file. */
  readonly pages: Uint32Array;
};

export const bodyBytes = (head: SnapshotHead): number =>
  head.descriptionBytes + head.devicesBytes + 4 * head.pageCount;

/** Where the pages begin in the file. */
export function pagesOffset(head: SnapshotHead): number {
  return Math.ceil((HEAD_BYTES + bodyBytes(head)) / SNAPSHOT_PAGE_BYTES) * SNAPSHOT_PAGE_BYTES;
}
export const fileBytes = (head: SnapshotHead): number => pagesOffset(head) + head.pageCount * SNAPSHOT_PAGE_BYTES;

/** Everything before the pages, up to where they begin. */
export function encodeStart({ description, devices, pages }: SnapshotBody): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(description));
  const head = { descriptionBytes: text.length, devicesBytes: devices.length, pageCount: pages.length, sum: 0 };
  const bytes = new Uint8Array(pagesOffset(head));
  bytes.set(text, HEAD_BYTES);
  bytes.set(devices, HEAD_BYTES + text.length);
  const view = new DataView(bytes.buffer);
  const numbers = HEAD_BYTES + text.length + devices.length;
  pages.forEach((page, slot) => view.setUint32(numbers + 4 * slot, page, true));
  bytes.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, VERSION, true);
  view.setUint32(12, head.descriptionBytes, true);
  view.setUint32(16, head.devicesBytes, true);
  view.setUint32(20, head.pageCount, true);
  view.setUint32(24, crc32(bytes.subarray(HEAD_BYTES, HEAD_BYTES + bodyBytes(head))), true);
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
  const head = { descriptionBytes: word(12), devicesBytes: word(16), pageCount: word(20), sum: word(24) };
  const fits =
    head.descriptionBytes <= LIMITS.description &&
    head.devicesBytes <= LIMITS.devices &&
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
  const pages = new Uint32Array(head.pageCount);
  for (let slot = 0; slot < pages.length; slot++) pages[slot] = view.getUint32(numbers + 4 * slot, true);
  checkPages(pages, description, name);
  return { description, devices: bytes.subarray(head.descriptionBytes, numbers), pages };
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
  const { tag, savedMs, clockNs, blocks, sections } = value as Record<keyof SnapshotDescription, unknown>;
  const isCount = (number: unknown): boolean => Number.isFinite(number) && (number as number) >= 0;
  const isListOf = (list: unknown, number: string): boolean =>
    Array.isArray(list) && list.every((one) => typeof one?.name === "string" && isCount(one[number]));
  return (
    typeof tag === "string" &&
    isCount(savedMs) &&
    isCount(clockNs) &&
    isListOf(blocks, "sizeBytes") &&
    isListOf(sections, "instanceId")
  );
}

export const pagesOf = (sizeBytes: number): number => Math.ceil(sizeBytes / SNAPSHOT_PAGE_BYTES);

/** Every page lies in a block, and none comes twice. */
function checkPages(pages: Uint32Array, { blocks }: SnapshotDescription, name: string): void {
  const total = blocks.reduce((sum, { sizeBytes }) => sum + pagesOf(sizeBytes), 0);
  if (total > LIMITS.pages) throw new SnapshotError(`the snapshot '${name}' has larger RAM than a machine can have`);
  const seen = new Uint8Array(total);
  for (const page of pages) {
    if (page >= total || seen[page] === 1) throw new SnapshotError(`the snapshot '${name}' lists page ${page} wrongly`);
    seen[page] = 1;
  }
}
