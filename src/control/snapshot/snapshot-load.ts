/** Reads a snapshot's file into a machine that stands still: whole, or what cannot wait. */
import { MigrationError } from "#control/migration/migration-error.ts";
import { loadSection } from "#control/migration/section-load.ts";
import { Mark } from "#control/migration/wire.ts";
import { SnapshotError } from "#control/snapshot/snapshot-error.ts";
import {
  bodyBytes,
  decodeBody,
  decodeHead,
  eachRun,
  HEAD_BYTES,
  pagesOf,
  pagesOffset,
  type PageRuns,
  SNAPSHOT_PAGE_BYTES,
  type SnapshotBody,
  type SnapshotDescription,
  type SnapshotHead,
} from "#control/snapshot/snapshot-format.ts";
import { ByteReader, TruncatedError } from "#core/bytes.ts";
import type { SnapshotFile } from "#core/snapshot-store.ts";
import type { RamBlock } from "#cpu/vcpu/layout.ts";
import type { MigrationPort } from "#machine/migration-port.ts";

/** Read at once, and in one turn of the thread. */
const PIECE_PAGES = 256;
const TURN_BYTES = 4 << 20;
/** Looked at in one turn. */
const TURN_PAGES = 8192;

/** A file whose head and body are in order; its pages have not been looked at. */
export type OpenSnapshot = { readonly file: SnapshotFile; readonly head: SnapshotHead; readonly body: SnapshotBody };

/** Throws `SnapshotError`. */
export function readHead(file: SnapshotFile): SnapshotHead {
  const bytes = new Uint8Array(Math.min(HEAD_BYTES, file.sizeBytes));
  reading(file, () => file.read(0, bytes));
  return decodeHead(bytes, file.name, file.sizeBytes);
}

/** Throws `SnapshotError`. */
export function readSnapshot(file: SnapshotFile): OpenSnapshot {
  const head = readHead(file);
  const bytes = new Uint8Array(bodyBytes(head));
  reading(file, () => file.read(HEAD_BYTES, bytes));
  return { file, head, body: decodeBody(head, bytes, file.name) };
}

/** Throws `SnapshotError` for what the machine is made of otherwise than the one that was saved. */
export function checkBlocks({ name }: SnapshotFile, { blocks }: SnapshotDescription, own: readonly RamBlock[]): void {
  for (const { name: block, sizeBytes } of own) {
    const saved = blocks.find((one) => one.name === block);
    if (!saved) throw new SnapshotError(`the snapshot '${name}' has no RAM block '${block}'`);
    if (saved.sizeBytes === sizeBytes) continue;
    const sizes = `${saved.sizeBytes >>> 20} MiB in the snapshot '${name}' and ${sizeBytes >>> 20} MiB here`;
    throw new SnapshotError(`the RAM block '${block}' has ${sizes}; give the machine the same -m`);
  }
  if (blocks.length !== own.length || own.some((block, index) => blocks[index]?.name !== block.name)) {
    throw new SnapshotError(`the snapshot '${name}' has other RAM blocks than this machine`);
  }
}

/** Throws `SnapshotError`, as {@link checkBlocks}. */
export function checkSections(
  { name }: SnapshotFile,
  { sections }: SnapshotDescription,
  own: MigrationPort["sections"],
): void {
  const key = (one: { readonly name: string; readonly instanceId: number }): string => `${one.name}#${one.instanceId}`;
  const [saved, here] = [new Set(sections.map(key)), new Set(own.map(key))];
  const missing = [...saved].find((one) => !here.has(one)) ?? [...here].find((one) => !saved.has(one));
  if (missing === undefined) return;
  const where = saved.has(missing) ? `in the snapshot '${name}' only` : `not in the snapshot '${name}'`;
  throw new SnapshotError(`the device '${missing}' is ${where}; give the machine the same devices and the same -smp`);
}

/** Reads the pages of `blocks`. Rejects with `SnapshotError`. */
export async function loadPages(
  { file, head, body }: OpenSnapshot,
  port: MigrationPort,
  blocks: readonly RamBlock[],
  turn: () => Promise<void>,
): Promise<void> {
  const { ramStart } = port.layout;
  let read = 0;
  let slot = 0;
  for (const run of eachRun(body.runs)) {
    for (const block of blocks) {
      const blockFirst = (block.host - ramStart) / SNAPSHOT_PAGE_BYTES;
      const end = Math.min(run.first + run.count, blockFirst + pagesOf(block.sizeBytes));
      for (let page = Math.max(run.first, blockFirst); page < end; page += PIECE_PAGES) {
        const at = pagesOffset(head) + (slot + page - run.first) * SNAPSHOT_PAGE_BYTES;
        const lengthBytes = Math.min(PIECE_PAGES, end - page) * SNAPSHOT_PAGE_BYTES;
        const into = new Uint8Array(port.ram.memory, ramStart + page * SNAPSHOT_PAGE_BYTES, lengthBytes);
        reading(file, () => file.read(at, into));
        read += lengthBytes;
        if (read < TURN_BYTES) continue;
        read = 0;
        await turn();
      }
    }
    slot += run.count;
  }
}

/** Zeros where the snapshot has no page; what is zero already is not touched: the host need not give it memory. */
export async function clearOtherPages(runs: PageRuns, port: MigrationPort, turn: () => Promise<void>): Promise<void> {
  const { ramStart, totalBytes } = port.layout;
  const isSaved = new Uint8Array((totalBytes - ramStart) / SNAPSHOT_PAGE_BYTES);
  for (const { first, count } of eachRun(runs)) isSaved.fill(1, first, first + count);
  for (let page = 0; page < isSaved.length; page++) {
    if (page % TURN_PAGES === 0) await turn();
    if (isSaved[page] === 1) continue;
    const host = ramStart + page * SNAPSHOT_PAGE_BYTES;
    if (!port.ram.isZero(host, SNAPSHOT_PAGE_BYTES)) new Uint8Array(port.ram.memory, host, SNAPSHOT_PAGE_BYTES).fill(0);
  }
}

/** Throws `SnapshotError`. */
export function loadDevices({ file, body: { devices } }: OpenSnapshot, port: MigrationPort): void {
  try {
    for (let at = 0; at < devices.length; ) at += loadNext(devices.subarray(at), port);
  } catch (cause) {
    if (!(cause instanceof MigrationError || cause instanceof TruncatedError)) throw cause;
    throw new SnapshotError(`the snapshot '${file.name}' cannot be loaded: ${cause.message}`, { cause });
  }
}

/** Returns the length of the section. */
function loadNext(bytes: Uint8Array, port: MigrationPort): number {
  const head = new ByteReader(bytes);
  const [mark, id] = [head.u8(), head.u32()];
  if (mark !== Mark.Full) throw new MigrationError(`0x${mark.toString(16)} stands where a section should begin`);
  const [name, instanceId, version] = [head.shortString(), head.u32(), head.u32()];
  const lengthBytes = loadSection(port, { name, instanceId, version }, bytes.subarray(head.position));
  if (lengthBytes === undefined) throw new MigrationError(`section '${name}' is not whole`);
  const footer = new ByteReader(bytes.subarray(head.position + lengthBytes));
  if (footer.u8() !== Mark.Footer || footer.u32() !== id)
    throw new MigrationError(`section ${id} does not end where it should`);
  return head.position + lengthBytes + footer.position;
}

function reading(file: SnapshotFile, read: () => void): void {
  try {
    read();
  } catch (cause) {
    throw new SnapshotError(`the snapshot '${file.name}' cannot be read: ${(cause as Error).message}`, { cause });
  }
}
