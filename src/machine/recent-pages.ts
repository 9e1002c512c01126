/**
 * The pages of RAM blocks that the vCPUs have used last: those in their TLBs, and those whose code they have decoded.
 * The vCPUs stand still.
 */
import { type MemoryLayout, MMU_MODES, PAGE_BYTES, TLB, VCPU_TLB_BYTES, VCPU_TLBS } from "#cpu/vcpu/layout.ts";
import { vcpuBlock } from "#machine/interrupt-lines.ts";

const LOW_BITS = 0xfff;

/** Indices as in the missing map, ascending. */
export function recentPages(memory: ArrayBufferLike, layout: MemoryLayout): number[] {
  const pages = new Set<number>();
  const { ramStart, totalBytes } = layout;
  const add = (host: number): void => {
    if (host >= ramStart && host < totalBytes) pages.add(Math.floor((host - ramStart) / PAGE_BYTES));
  };
  const count = (totalBytes - ramStart) / PAGE_BYTES;
  for (let vcpu = 0; vcpu < layout.vcpuCount; vcpu++) {
    const block = vcpuBlock(layout, vcpu);
    dataPages(new DataView(memory, block + VCPU_TLBS, MMU_MODES * VCPU_TLB_BYTES), add);
    const index = new Int32Array(memory, block + layout.codeIndex, Math.min(count, ramPages(layout)));
    index.forEach((codePage, page) => {
      if (codePage !== 0) pages.add(page);
    });
  }
  return [...pages].toSorted((a, b) => a - b);
}

function ramPages({ blocks }: MemoryLayout): number {
  return blocks.reduce((sum, { sizeBytes }) => sum + Math.ceil(sizeBytes / PAGE_BYTES), 0);
}

/** The host address of each entry that allows reads or writes. */
function dataPages(tlbs: DataView, add: (host: number) => void): void {
  for (let at = 0; at < tlbs.byteLength; at += TLB.entryBytes) {
    for (const tag of [TLB.readTag, TLB.writeTag]) {
      const low = tlbs.getUint32(at + tag, true);
      if ((low & LOW_BITS) !== 0) continue;
      add((low + tlbs.getInt32(at + TLB.addend, true)) >>> 0);
      break;
    }
  }
}
