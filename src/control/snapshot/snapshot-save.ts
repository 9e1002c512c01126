/** Writes a machine that stands still into a file. */
import { saveSections } from "#control/migration/machine-functions.ts";
import { StreamWriter } from "#control/migration/stream-writer.ts";
import { writeSections } from "#control/migration/stream-save.ts";
import { encodeStart, runsOf, SNAPSHOT_PAGE_BYTES } from "#control/snapshot/snapshot-format.ts";
import type { SnapshotWriter } from "#core/snapshot-store.ts";
import { recentPages } from "#machine/recent-pages.ts";
import type { MigrationPort } from "#machine/migration-port.ts";

const PIECE_BYTES = 2 << 20;
/** Pages looked at in one turn. */
const TURN_PAGES = 8192;
/** More of the recent pages would keep those that are wanted first waiting. */
const RECENT_LIMIT = 2048;

export type SaveOptions = {
  readonly tag: string;
  readonly savedMs: number;
  /** Resolves when everything else that waits on this thread has had its turn. */
  readonly turn: () => Promise<void>;
};

/** Rejects with the host's error. */
export async function saveSnapshot(port: MigrationPort, writer: SnapshotWriter, options: SaveOptions): Promise<void> {
  const { tag, savedMs, turn } = options;
  const devices = await deviceBytes(port);
  const { sections, nowNs: clockNs } = port;
  const { pages, recentPages: recent } = await pagesToSave(port, turn);
  await writer.write(
    encodeStart({
      description: {
        tag,
        savedMs,
        clockNs,
        recentPages: recent,
        blocks: port.ram.blocks.map(({ name, sizeBytes }) => ({ name, sizeBytes })),
        sections: sections.map(({ name, instanceId }) => ({ name, instanceId })),
      },
      devices,
      runs: runsOf(pages),
    }),
  );
  await writePages(port, writer, pages);
}

async function deviceBytes(port: MigrationPort): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const out = new StreamWriter({ write: async (bytes) => void chunks.push(bytes.slice()) });
  await writeSections(out, saveSections(port));
  await out.drain();
  const devices = new Uint8Array(out.written);
  let at = 0;
  for (const chunk of chunks) {
    devices.set(chunk, at);
    at += chunk.length;
  }
  return devices;
}

/** Pages that are not zero: first those that the vCPUs used last, then the others. */
async function pagesToSave(
  port: MigrationPort,
  turn: () => Promise<void>,
): Promise<{ readonly pages: readonly number[]; readonly recentPages: number }> {
  const { ramStart, totalBytes } = port.layout;
  const count = (totalBytes - ramStart) / SNAPSHOT_PAGE_BYTES;
  const isSaved = new Uint8Array(count);
  for (const page of await nonZeroPages(port, turn)) isSaved[page] = 1;
  const recent = recentPages(port.ram.memory, port.layout).filter((page) => isSaved[page] === 1);
  const first = recent.slice(0, RECENT_LIMIT);
  for (const page of first) isSaved[page] = 0;
  const rest: number[] = [];
  for (let page = isSaved.indexOf(1); page >= 0; page = isSaved.indexOf(1, page + 1)) rest.push(page);
  return { pages: first.concat(rest), recentPages: first.length };
}

async function nonZeroPages(port: MigrationPort, turn: () => Promise<void>): Promise<readonly number[]> {
  const pages: number[] = [];
  const { ramStart, blocks } = port.layout;
  for (const { host, sizeBytes } of blocks) {
    for (let at = host; at < host + sizeBytes; at += SNAPSHOT_PAGE_BYTES) {
      const page = (at - ramStart) / SNAPSHOT_PAGE_BYTES;
      if (!port.ram.isZero(at, SNAPSHOT_PAGE_BYTES)) pages.push(page);
      if (page % TURN_PAGES === 0) await turn();
    }
  }
  return pages;
}

async function writePages(port: MigrationPort, writer: SnapshotWriter, pages: readonly number[]): Promise<void> {
  const piece = new Uint8Array(PIECE_BYTES);
  let filled = 0;
  for (const page of pages) {
    const host = port.layout.ramStart + page * SNAPSHOT_PAGE_BYTES;
    piece.set(new Uint8Array(port.ram.memory, host, SNAPSHOT_PAGE_BYTES), filled);
    filled += SNAPSHOT_PAGE_BYTES;
    if (filled < PIECE_BYTES) continue;
    await writer.write(piece);
    filled = 0;
  }
  if (filled > 0) await writer.write(piece.subarray(0, filled));
}
