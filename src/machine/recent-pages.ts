/**
 * The pages of RAM blocks that the vCPUs have used last, as their TLBs and code pages show. The vCPUs stand still.
 */
import {
  CODE_PAGE,
  FETCH_TLB,
  type MemoryLayout,
  MMU_MODES,
  PAGE_BYTES,
  TLB,
  VCPU_FETCH_TLB_BYTES,
  VCPU_FETCH_TLBS,
  VCPU_TLB_BYTES,
  VCPU_TLBS,
} from "#cpu/vcpu/layout.ts";
import { vcpuBlock } from "#machine/interrupt-lines.ts";

const LOW_BITS = 0xfff;

/** Indices as in the missing map, without doubles; those that were used last probably come first. */
export function recentPages(memory: ArrayBufferLike, layout: MemoryLayout): number[] {
  const { ramStart, totalBytes } = layout;
  const blocks = Array.from({ length: layout.vcpuCount }, (_, vcpu) => vcpuBlock(layout, vcpu));
  const hosts = [
    // A change of address spaces empties them.
    ...blocks.flatMap((block) => fetchHosts(new DataView(memory), block + VCPU_FETCH_TLBS)),
    ...blocks.flatMap((block) => decodedHosts(memory, layout, block)),
    // Entries of the kernel's data stay longest.
    ...blocks.flatMap((block) => dataHosts(new DataView(memory, block + VCPU_TLBS, MMU_MODES * VCPU_TLB_BYTES))),
  ];
  const inRam = hosts.filter((host) => host >= ramStart && host < totalBytes);
  return [...new Set(inRam.map((host) => Math.floor((host - ramStart) / PAGE_BYTES)))];
}

function fetchHosts(memory: DataView, tlbs: number): number[] {
  const hosts: number[] = [];
  for (let at = tlbs; at < tlbs + MMU_MODES * VCPU_FETCH_TLB_BYTES; at += FETCH_TLB.entryBytes) {
    if ((memory.getUint32(at + FETCH_TLB.tag, true) & LOW_BITS) !== 0) continue;
    hosts.push(memory.getUint32(memory.getUint32(at + FETCH_TLB.page, true) + CODE_PAGE.host, true));
  }
  return hosts;
}

/** Pages whose code a vCPU has decoded. */
function decodedHosts(memory: ArrayBufferLike, layout: MemoryLayout, block: number): number[] {
  const hosts: number[] = [];
  const pages = layout.blocks.reduce((sum, { sizeBytes }) => sum + Math.ceil(sizeBytes / PAGE_BYTES), 0);
  new Int32Array(memory, block + layout.codeIndex, pages).forEach((codePage, page) => {
    if (codePage !== 0) hosts.push(layout.ramStart + page * PAGE_BYTES);
  });
  return hosts;
}

/** The host address of each entry that allows reads or writes. */
function dataHosts(tlbs: DataView): number[] {
  const hosts: number[] = [];
  for (let at = 0; at < tlbs.byteLength; at += TLB.entryBytes) {
    const tag = [TLB.readTag, TLB.writeTag].find((one) => (tlbs.getUint32(at + one, true) & LOW_BITS) === 0);
    if (tag !== undefined) hosts.push((tlbs.getUint32(at + tag, true) + tlbs.getInt32(at + TLB.addend, true)) >>> 0);
  }
  return hosts;
}
