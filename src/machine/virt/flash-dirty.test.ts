/** What the guest programs into flash is sent again by a migration that looked before. */
import { expect, test } from "vitest";
import { Board } from "../../../tools/fuzz/board.ts";
import { VIRT_MEMORY_MAP } from "#machine/virt/memory-map.ts";
import { VirtBlock } from "#machine/virt/virt-layout.ts";

test("a programmed byte and an erased sector mark their pages", () => {
  const board = new Board();
  const { dirty, blocks } = board.migration.ram;
  const flash = blocks[VirtBlock.Flash0] as (typeof blocks)[number];
  const first = dirty.pageOf(flash.host);
  const marked = (): number[] => {
    const pages = new Uint8Array(dirty.pages);
    dirty.collect(first, flash.sizeBytes / 4096, pages);
    return [...pages.keys()].filter((page) => pages[page] === 1).map((page) => page - first);
  };
  const write = (offset: number, value: bigint): void =>
    board.access({ address: VIRT_MEMORY_MAP.flash0.base + offset, size: 1, value, write: true });
  marked();
  // Spec: JEDEC CFI, command set 0001: program a byte, clear, erase a sector.
  write(5 * 4096, 0x40n);
  write(5 * 4096, 0x12n);
  expect(marked()).toEqual([5]);
  write(0, 0xffn);
  write(0, 0x20n);
  write(0, 0xd0n);
  expect(marked()).toEqual(Array.from({ length: 64 }, (_, page) => page));
});
