import { expect, test } from "vitest";
import { zeroScan } from "#machine/zero-scan.ts";

const PAGE_BYTES = 4096;

test("a page is zero when each of its bytes is, whatever lies beside it", () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65_536, shared: true });
  const bytes = new Uint8Array(memory.buffer);
  const isZero = zeroScan(memory);
  bytes.fill(0xff);
  bytes.fill(0, PAGE_BYTES, 3 * PAGE_BYTES);
  expect([0, 1, 2, 3].map((page) => isZero(page * PAGE_BYTES, PAGE_BYTES))).toEqual([false, true, true, false]);
  expect(isZero(PAGE_BYTES, 2 * PAGE_BYTES)).toBe(true);
  for (let at = PAGE_BYTES; at < 2 * PAGE_BYTES; at++) {
    bytes[at] = 0x80 >>> (at & 7);
    expect(isZero(PAGE_BYTES, PAGE_BYTES)).toBe(false);
    bytes[at] = 0;
  }
});
