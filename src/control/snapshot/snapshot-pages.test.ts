/** A file's pages come to where they belong, once each, whatever the order of faults. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { runsOf, SNAPSHOT_PAGE_BYTES } from "#control/snapshot/snapshot-format.ts";
import { SnapshotPages } from "#control/snapshot/snapshot-pages.ts";

const COUNT = 200;
const OFFSET = 8192;
const RAM_START = 65_536;

/** The pages of `order` in a file, each filled with its number; those of `recent` are the first. */
function makeSource(order: readonly number[], recentPages: number) {
  const memory = new ArrayBuffer(RAM_START + COUNT * SNAPSHOT_PAGE_BYTES);
  const missing = new Set(order);
  const reads: number[] = [];
  const source = new SnapshotPages({
    memory,
    ramStart: RAM_START,
    offset: OFFSET,
    runs: runsOf(order),
    recentPages,
    isMissing: (page) => missing.has(page),
    read(offset, into) {
      reads.push(into.length);
      const slot = (offset - OFFSET) / SNAPSHOT_PAGE_BYTES;
      if (slot + into.length / SNAPSHOT_PAGE_BYTES > order.length) throw new Error("beyond the end");
      for (let i = 0; i < into.length; i++) into[i] = order[slot + Math.floor(i / SNAPSHOT_PAGE_BYTES)] as number;
    },
  });
  const first = (page: number): number => new Uint8Array(memory)[RAM_START + page * SNAPSHOT_PAGE_BYTES] as number;
  return { source, missing, first, reads };
}

test("faults between pieces: every page comes once, and is its own", () => {
  const pages = fc.uniqueArray(fc.integer({ min: 1, max: COUNT - 1 }), { minLength: 1, maxLength: COUNT - 1 });
  const runs = pages.map((some) => (some.length % 2 === 0 ? some : some.toSorted((a, b) => a - b)));
  fc.assert(
    fc.property(runs, fc.nat(COUNT), fc.array(fc.nat(COUNT - 1), { maxLength: 20 }), (order, recent, faults) => {
      const { source, missing, first } = makeSource(order, Math.min(recent, order.length));
      const place = (come: Iterable<number>): void => {
        for (const page of come) {
          expect(missing.delete(page)).toBe(true);
          expect(first(page)).toBe(page);
        }
      };
      for (const fault of faults) {
        if (missing.has(fault)) place(source.fetch(fault));
        place(source.next() ?? []);
      }
      for (let come = source.next(); come; come = source.next()) place(come);
      expect(missing.size).toBe(0);
      expect(source.isPressing).toBe(false);
    }),
  );
});

test("a page that the file has not is an error, and what is there already is not read", () => {
  const { source, missing, reads } = makeSource([1, 2, 3], 3);
  expect(source.isPressing).toBe(true);
  expect(() => source.fetch(9)).toThrow("no page 9");
  missing.clear();
  expect([source.next(), source.next(), reads]).toEqual([[], undefined, []]);
});
