/** The file's beginning: what is written is read again, and what is damaged is refused. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { SnapshotError } from "#control/snapshot/snapshot-error.ts";
import {
  bodyBytes,
  decodeBody,
  decodeHead,
  encodeStart,
  fileBytes,
  HEAD_BYTES,
  pagesOffset,
  runsOf,
  type SnapshotBody,
} from "#control/snapshot/snapshot-format.ts";

const BODY: SnapshotBody = {
  description: {
    tag: "über",
    savedMs: 1_795_625_234_000,
    clockNs: 953_000_000,
    recentPages: 2,
    blocks: [
      { name: "ram", sizeBytes: 16 * 4096 },
      { name: "rom", sizeBytes: 100 },
    ],
    sections: [{ name: "cpu", instanceId: 1 }],
  },
  devices: Uint8Array.of(4, 0, 0),
  runs: runsOf([7, 8, 3, 16]),
};
const START = encodeStart(BODY);
const PAGES = 4;

function decode(start: Uint8Array, sizeBytes: number): SnapshotBody {
  const head = decodeHead(start.subarray(0, HEAD_BYTES), "x", sizeBytes);
  return decodeBody(head, start.subarray(HEAD_BYTES, HEAD_BYTES + bodyBytes(head)), "x");
}

test("runs are pages that follow each other", () => {
  expect([...runsOf([])]).toEqual([]);
  expect([...runsOf([7, 8, 3, 16])]).toEqual([7, 2, 3, 1, 16, 1]);
});

test("what was written is read again", () => {
  expect(decode(START, START.length + PAGES * 4096)).toEqual(BODY);
  const head = decodeHead(START.subarray(0, HEAD_BYTES), "x", START.length + PAGES * 4096);
  expect([pagesOffset(head), fileBytes(head)]).toEqual([START.length, START.length + PAGES * 4096]);
});

test("a file of any other length, and any bit that is flipped before the pages, is noticed", () => {
  const length = HEAD_BYTES + bodyBytes(decodeHead(START, "x", START.length + PAGES * 4096));
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 8 * length - 1 }), (bit) => {
      const spoiled = START.slice();
      spoiled[bit >>> 3] = (spoiled[bit >>> 3] as number) ^ (1 << (bit & 7));
      expect(() => decode(spoiled, START.length + PAGES * 4096)).toThrow(SnapshotError);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: START.length + PAGES * 4096 - 1 }), (sizeBytes) => {
      expect(() => decode(START.subarray(0, sizeBytes), sizeBytes)).toThrow(SnapshotError);
    }),
  );
});

test.each([
  ["a page beyond the blocks", { runs: Uint32Array.of(16, 2) }, /lists page 16 wrongly/],
  ["a page twice", { runs: Uint32Array.of(3, 2, 4, 1) }, /lists page 4 wrongly/],
  ["a run that wraps around", { runs: Uint32Array.of(3, 0xffff_ffff) }, /damaged/],
  ["an empty run", { runs: Uint32Array.of(3, 0) }, /lists page 3 wrongly/],
  ["blocks that are larger than any machine", { blocks: [{ name: "ram", sizeBytes: 1e300 }] }, /larger RAM/],
  ["blocks that are none", { blocks: [null] }, /damaged/],
  ["a clock that is no number", { clockNs: "now" }, /damaged/],
])("%s with sums that are right is refused", (_what, { runs, ...changes }: Record<string, unknown>, message) => {
  const description = { ...BODY.description, ...changes } as SnapshotBody["description"];
  const body: SnapshotBody = { ...BODY, description, ...(runs !== undefined && { runs: runs as Uint32Array }) };
  const start = encodeStart(body);
  let pages = 0;
  for (let at = 1; at < body.runs.length; at += 2) pages += body.runs[at] as number;
  expect(() => decode(start, start.length + pages * 4096)).toThrow(message);
});

test("other files are called by their names", () => {
  const text = (content: string): Uint8Array => new TextEncoder().encode(content);
  expect(() => decodeHead(text("QEVM\0\0\0\x03"), "a\nb", 8)).toThrow("'a\\x0ab' is a migration stream; load it with");
  expect(() => decodeHead(text(""), "x", 0)).toThrow("'x' is not a snapshot");
  expect(() => decodeHead(text("#!/bin/sh"), "x", 9)).toThrow("'x' is not a snapshot");
  expect(() => decodeHead(text("TINASNAP"), "x", 8)).toThrow("the snapshot 'x' is damaged");
});
