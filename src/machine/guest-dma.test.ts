/** Views of guest RAM while some of it has not come. */
import { expect, test } from "vitest";
import { layoutMemory } from "#cpu/vcpu/layout.ts";
import type { PageMissing } from "#hw/bus/page-missing.ts";
import { guestDma } from "#machine/guest-dma.ts";
import { PageFaults } from "#machine/page-faults.ts";
import { VirtBlock } from "#machine/virt/virt-layout.ts";

const BASE = 0x8000_0000;
const PAGES = 64;

test("a view meets its missing pages, marks nothing, and has a device wait for them", async () => {
  const blocks = Array.from({ length: Object.keys(VirtBlock).length }, (_, index) => ({
    name: String(index),
    sizeBytes: index === VirtBlock.Ram ? PAGES * 4096 : 4096,
  }));
  const layout = layoutMemory(1, blocks);
  const memory = new SharedArrayBuffer(layout.totalBytes);
  const faults = new PageFaults(memory, layout);
  const dma = guestDma(memory, layout, faults, { nowNs: () => 5, wallMs: () => 0 });
  const first = faults.pageOf(layout.blocks[VirtBlock.Ram]?.host ?? 0);
  const missing = (address: number, lengthBytes: number): readonly number[] => {
    try {
      dma.view(address, lengthBytes, "toGuest");
      return [];
    } catch (error) {
      return (error as PageMissing).pages.map((page) => page - first);
    }
  };
  const map = new Uint8Array(memory, layout.dirtyMap + first, PAGES);
  map.fill(0);
  faults.expect(first + 2, 3);
  faults.expect(first + 30, 20);
  expect(dma.isIncomplete()).toBe(true);
  expect(missing(BASE + 2 * 4096 - 1, 1)).toEqual([]);
  expect([...map.subarray(0, 4)]).toEqual([0, 1, 0, 0]);
  expect(missing(BASE + 2 * 4096 - 1, 2)).toEqual([2]);
  expect(missing(BASE, PAGES * 4096)).toEqual([2, 3, 4, ...Array.from({ length: 13 }, (_, i) => 30 + i)]);
  expect(missing(BASE + 5 * 4096 - 1, 1)).toEqual([4]);
  expect([missing(BASE + 5 * 4096, 4096), missing(BASE + 3 * 4096, 0)]).toEqual([[], []]);
  expect(dma.view(BASE + PAGES * 4096 - 1, 2, "toGuest")).toBeUndefined();
  expect([...map.subarray(0, 8)]).toEqual([0, 1, 0, 0, 0, 1, 0, 0]);
  const there = dma.present([first + 2, first + 3]);
  expect([faults.take(), faults.take(), faults.take()]).toEqual([
    { vcpu: -1, page: first + 2, sinceNs: 5 },
    { vcpu: -1, page: first + 3, sinceNs: 5 },
    undefined,
  ]);
  for (const page of [2, 3]) faults.placed(first + page);
  await there;
  expect(missing(BASE + 2 * 4096, 8192)).toEqual([]);
});
