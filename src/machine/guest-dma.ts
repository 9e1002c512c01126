/** The devices' way to guest RAM. Thread: machine. */
import type { Clock } from "#core/host.ts";
import type { MemoryLayout } from "#cpu/vcpu/layout.ts";
import { PageMissing } from "#hw/bus/page-missing.ts";
import type { Dma } from "#hw/bus/types.ts";
import type { PageFaults } from "#machine/page-faults.ts";
import { VIRT_MEMORY_MAP } from "#machine/virt/memory-map.ts";
import { VirtBlock } from "#machine/virt/virt-layout.ts";
import { DirtyMap } from "#memory/dirty-map.ts";

/** Pages of one view that are asked for together. */
const MAX_PAGES_AT_ONCE = 16;

export function guestDma(memory: ArrayBufferLike, layout: MemoryLayout, faults: PageFaults, clock: Clock): Dma {
  const ram = layout.blocks[VirtBlock.Ram];
  const dirty = new DirtyMap(memory, layout);
  return {
    isIncomplete: () => faults.missingCount > 0,
    view(address, lengthBytes, direction) {
      const offset = address - VIRT_MEMORY_MAP.dram.base;
      if (!ram || !(offset >= 0 && lengthBytes >= 0 && offset + lengthBytes <= ram.sizeBytes)) return undefined;
      requirePages(faults, ram.host + offset, lengthBytes);
      if (direction === "toGuest") dirty.mark(ram.host + offset, lengthBytes);
      return new Uint8Array(memory, ram.host + offset, lengthBytes);
    },
    present: (pages) => presentPages(faults, pages, clock),
  };
}

/** Throws `PageMissing` when a page of the range in the machine's memory has not come. */
export function requirePages(faults: PageFaults, host: number, lengthBytes: number): void {
  if (lengthBytes === 0 || faults.missingCount === 0) return;
  const missing: number[] = [];
  const last = faults.pageOf(host + lengthBytes - 1);
  for (let page = faults.pageOf(host); page <= last && missing.length < MAX_PAGES_AT_ONCE; page++) {
    if (faults.isMissing(page)) missing.push(page);
  }
  const [first, ...rest] = missing;
  if (first !== undefined) throw new PageMissing([first, ...rest]);
}

async function presentPages(faults: PageFaults, pages: readonly number[], clock: Clock): Promise<void> {
  await Promise.all(pages.map((page) => faults.want(page, clock.nowNs())));
}
