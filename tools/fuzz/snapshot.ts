/**
 * Snapshot files that were damaged or made up, with sums that are right: they load or are refused with an error of
 * ours, and nothing is written but RAM blocks and the state of harts and devices.
 */
import * as fc from "fast-check";
import { SnapshotError } from "#control/snapshot/snapshot-error.ts";
import { bodyBytes, decodeHead, fileBytes, HEAD_BYTES, pagesOffset } from "#control/snapshot/snapshot-format.ts";
import {
  checkBlocks,
  checkSections,
  clearOtherPages,
  loadDevices,
  loadPages,
  readSnapshot,
} from "#control/snapshot/snapshot-load.ts";
import { saveSnapshot } from "#control/snapshot/snapshot-save.ts";
import { crc32 } from "#core/crc32.ts";
import type { SnapshotFile } from "#core/snapshot-store.ts";
import { Board } from "./board.ts";
import { guarded, sum } from "./migration.ts";
import { damaged } from "./mutation.ts";
import { must, target } from "./target.ts";

const turn = (): Promise<void> => Promise.resolve();

async function goodFile(): Promise<Uint8Array> {
  const board = new Board();
  for (let page = 0; page < 40; page += 3) board.ram[page * 4096] = 1 + page;
  const chunks: Uint8Array[] = [];
  const writer = {
    write: async (bytes: Uint8Array): Promise<void> => void chunks.push(bytes.slice()),
    commit: turn,
    abort: turn,
  };
  await saveSnapshot(board.migration, writer, { tag: "t", savedMs: 1, turn });
  return new Uint8Array(Buffer.concat(chunks));
}

/** The file with the sums, and if it is not much larger the length, that its head asks for. */
function mended(bytes: Uint8Array): Uint8Array {
  if (bytes.length < HEAD_BYTES) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const word = (at: number): number => view.getUint32(at, true);
  const head = { descriptionBytes: word(12), devicesBytes: word(16), runCount: word(20), pageCount: word(24), sum: 0 };
  const end = Math.min(HEAD_BYTES + bodyBytes(head), bytes.length);
  view.setUint32(28, crc32(bytes.subarray(HEAD_BYTES, end)), true);
  view.setUint32(32, crc32(bytes.subarray(0, 32)), true);
  if (fileBytes(head) > 4 << 20) return bytes;
  const file = new Uint8Array(fileBytes(head));
  file.set(bytes.subarray(0, file.length));
  return file;
}

function openFile(bytes: Uint8Array): SnapshotFile {
  return {
    name: "x",
    sizeBytes: bytes.length,
    descriptor: -1,
    read(offset, into) {
      if (offset + into.length > bytes.length) throw new Error(`the file ends at byte ${bytes.length}`);
      into.set(bytes.subarray(offset, offset + into.length));
    },
    close: () => {},
  };
}

const good = await goodFile();
const start = good.subarray(0, pagesOffset(decodeHead(good, "x", good.length)));

const file = target({
  name: "snapshot-file",
  input: fc.oneof(
    { weight: 10, arbitrary: damaged(start).map(mended) },
    { weight: 3, arbitrary: damaged(good) },
    fc.uint8Array({ maxLength: 200 }),
  ),
  errors: [SnapshotError],
  shortRuns: 200,
  async run(bytes) {
    const board = new Board();
    const { migration } = board;
    const before = guarded(migration, board).map(sum);
    try {
      const open = readSnapshot(openFile(bytes));
      checkBlocks(open.file, open.body.description, migration.ram.blocks);
      checkSections(open.file, open.body.description, migration.sections);
      await loadPages(open, migration, migration.ram.blocks, turn);
      await clearOtherPages(open.body.runs, migration, turn);
      loadDevices(open, migration);
      migration.finishLoad();
    } finally {
      must(
        guarded(migration, board).every((part, i) => sum(part) === before[i]),
        "only RAM and declared state are written",
      );
    }
  },
});

export const SNAPSHOT_TARGETS = [file];
