/**
 * The `virt` board in the shared memory: RAM blocks (named and ordered as QEMU's), what the page walk finds where.
 */
import { type CpuConfig, type MachineConfig } from "#machine/config.ts";
import { LayoutError, layoutMemory, type MemoryLayout, REGIONS } from "#cpu/vcpu/layout.ts";
import { CpuFeatureError, EXTENSION_NAMES, type Extensions, resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { MAX_VCPUS } from "#machine/shared-words.ts";
import { VIRT_MEMORY_MAP } from "#machine/virt/memory-map.ts";

/** Index of each block in `MemoryLayout.blocks`. */
export const VirtBlock = { Ram: 0, Flash0: 1, Flash1: 2, Mrom: 3 } as const;

/** Throws `LayoutError` for a machine that does not fit. */
export function virtLayout(config: MachineConfig): MemoryLayout {
  if (config.smp.cpus > MAX_VCPUS) {
    throw new LayoutError(`${config.smp.cpus} vCPUs are too many; this machine has at most ${MAX_VCPUS} (-smp)`);
  }
  return layoutMemory(config.smp.cpus, [
    { name: "riscv_virt_board.ram", sizeBytes: config.memoryBytes },
    { name: "virt.flash0", sizeBytes: VIRT_MEMORY_MAP.flash0.sizeBytes },
    { name: "virt.flash1", sizeBytes: VIRT_MEMORY_MAP.flash1.sizeBytes },
    { name: "riscv_virt_board.mrom", sizeBytes: VIRT_MEMORY_MAP.mrom.sizeBytes },
  ]);
}

/** Entry of a block in the table that the page walk reads. */
const REGION_OF_BLOCK = [
  { base: VIRT_MEMORY_MAP.dram.base, flags: REGIONS.readable | REGIONS.writable },
  { base: VIRT_MEMORY_MAP.flash0.base, flags: REGIONS.readable },
  { base: VIRT_MEMORY_MAP.flash1.base, flags: REGIONS.readable },
  { base: VIRT_MEMORY_MAP.mrom.base, flags: REGIONS.readable },
] as const;

/** Fills the table of RAM-like regions. Thread: machine, before the vCPUs start. */
export function writeRegions(memory: ArrayBufferLike, layout: MemoryLayout): void {
  const view = new DataView(memory);
  layout.blocks.forEach((block, index) => {
    const region = REGION_OF_BLOCK[index];
    if (!region) return;
    const at = REGIONS.entries + index * REGIONS.entryBytes;
    view.setBigUint64(at + REGIONS.first, BigInt(region.base), true);
    view.setBigUint64(at + REGIONS.size, BigInt(block.sizeBytes), true);
    view.setInt32(at + REGIONS.host, block.host, true);
    view.setInt32(at + REGIONS.flags, region.flags, true);
  });
  view.setInt32(REGIONS.count, layout.blocks.length, true);
}

/** Says whether reads of a flash go straight to its memory. The caller flushes the vCPUs' TLBs. */
export function setRegionReadable(memory: ArrayBufferLike, blockIndex: number, on: boolean): void {
  const at = REGIONS.entries + blockIndex * REGIONS.entryBytes + REGIONS.flags;
  new DataView(memory).setInt32(at, on ? REGIONS.readable : 0, true);
}

/** Features of the QEMU model that are always there, or that only say how the page tables may be. */
const FIXED_FEATURES = new Set(["s", "u", "mmu", "pmp", "sv39", "sv48", "sv57", "zicsr", "zifencei", "g"]);

/** The hart's extensions. Throws {@link CpuFeatureError}. */
export function cpuExtensions(cpu: CpuConfig): Extensions {
  const wanted: Record<string, boolean> = {};
  for (const [name, on] of Object.entries(cpu.features)) {
    if ((EXTENSION_NAMES as readonly string[]).includes(name)) wanted[name] = on;
    else if (on && !FIXED_FEATURES.has(name)) {
      throw new CpuFeatureError(`CPU extension '${name}' is not available; leave it out or set ${name}=off`);
    }
  }
  return resolveExtensions(wanted);
}
