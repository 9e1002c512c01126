import { expect, test } from "vitest";
import { pageCode } from "#machine/page-code.ts";

const PAGE_BYTES = 4096;

test("a page is zero when each of its bytes is, whatever lies beside it", () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65_536, shared: true });
  const bytes = new Uint8Array(memory.buffer);
  const { isZero } = pageCode(memory);
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

test("a page is copied, and nothing beside it", () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65_536, shared: true });
  const bytes = new Uint8Array(memory.buffer);
  for (let at = 0; at < PAGE_BYTES; at++) bytes[at] = at % 251;
  pageCode(memory).copy(3 * PAGE_BYTES + 1, 0, PAGE_BYTES);
  expect([...bytes.subarray(3 * PAGE_BYTES + 1, 4 * PAGE_BYTES + 1)]).toEqual([...bytes.subarray(0, PAGE_BYTES)]);
  expect([bytes[3 * PAGE_BYTES], bytes[4 * PAGE_BYTES + 1]]).toEqual([0, 0]);
});
