import { expect, test } from "vitest";
import { DirtyMap } from "#memory/dirty-map.ts";

const PLACE = { dirtyMap: 64, ramStart: 65_536, totalBytes: 65_536 + 8 * 4096 };

test("marks every page that the bytes touch; collecting takes the marks and counts what is new", () => {
  const memory = new SharedArrayBuffer(PLACE.totalBytes);
  const map = new DirtyMap(memory, PLACE);
  expect(map.pages).toBe(8);
  map.mark(65_536 + 4095, 2);
  map.mark(65_536 + 5 * 4096, 0);
  map.mark(65_536 + 6 * 4096, 4096);
  const pending = new Uint8Array(8);
  expect(map.collect(0, 8, pending)).toBe(3);
  expect([...pending]).toEqual([1, 1, 0, 0, 0, 0, 1, 0]);
  expect(map.collect(0, 8, pending)).toBe(0);
  map.mark(65_536, 1);
  map.mark(65_536 + 3 * 4096, 1);
  expect(map.collect(0, 8, pending)).toBe(1);
  map.markAll();
  expect(map.collect(2, 2, new Uint8Array(8))).toBe(2);
  // Nothing beside the map was written.
  expect(new Uint8Array(memory, 0, 64).every((byte) => byte === 0)).toBe(true);
  expect(new Uint8Array(memory, 72).every((byte) => byte === 0)).toBe(true);
});
