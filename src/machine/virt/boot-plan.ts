/**
 * Decides what of firmware, kernel, initrd and device tree goes where in the `virt` board's memory, and where the harts
 * start. Pure: it reads no file and writes no memory.
 *
 *   0x80000000           firmware
 *   next 2 MiB boundary  kernel (an ELF file goes where it says)
 *   + min(RAM/2, 128 M)  initrd
 *   top of RAM           device tree, below 3 GiB, on a 2 MiB boundary
 *
 * With firmware in flash 1 (S mode) that firmware is "the kernel", and the real one goes through fw_cfg.
 *
 * Source: the addresses are those of qemu-system-riscv64 7.2 (`info roms`), except where that one would fail: an initrd
 * that does not fit there goes behind the kernel, and an ELF image that is not at the start of RAM is entered
 * at its entry.
 */
import type { KernelImage } from "#machine/boot/kernel-image.ts";
import type { AddressRange } from "#machine/virt/chosen.ts";
import { VIRT_MEMORY_MAP } from "#machine/virt/memory-map.ts";

/** An image with a header that says where it goes, or bytes that go where such an image belongs. */
export type BootImage = KernelImage | { readonly kind: "raw"; readonly data: Uint8Array };

export type BootPlanConfig = {
  readonly memoryBytes: number;
  /** Absent: `-bios none`. */
  readonly firmware?: BootImage | undefined;
  readonly kernel?: BootImage | undefined;
  readonly initrd?: Uint8Array | undefined;
  /** Flash 0 has a drive: the harts start there, in M mode. */
  readonly flash0?: boolean | undefined;
  /** Flash 1 has a drive: firmware enters it in S mode, and it loads kernel and initrd through fw_cfg. */
  readonly flash1?: boolean | undefined;
  /** Makes the device tree blob once the initrd has its place. */
  readonly deviceTree: (initrd: AddressRange | undefined) => Uint8Array;
};

/** `data`, then `zeroBytes` zeros (an ELF segment's bss), at a guest physical address. */
export type MemoryWrite = { readonly address: bigint; readonly data: Uint8Array; readonly zeroBytes: number };

export type BootPlan = {
  /** To be done at every reset; all of them lie in RAM, and those of different parts do not overlap. */
  readonly writes: readonly MemoryWrite[];
  /** Where the reset ROM jumps to, in M mode. */
  readonly startAddress: bigint;
  readonly fdtAddress: bigint;
  /** What lies there, for `dumpdtb`. */
  readonly fdtBlob: Uint8Array;
  /** Where firmware goes next, in S mode. */
  readonly kernelEntry?: bigint;
  readonly initrd?: AddressRange;
  /** The kernel, initrd and command line are for fw_cfg. */
  readonly directBootByFwCfg: boolean;
};

export type BootErrorCode = "too-little-memory" | "outside-ram" | "overlap" | "initrd-without-kernel" | "empty-image";

export class BootError extends Error {
  readonly code: BootErrorCode;
  constructor(code: BootErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

const KIB = 1024;
const MIB = 1024 * KIB;
const PAGE_BYTES = 4096n;
/** Sv39 and up map the kernel by pages of this size, so it must lie on such a boundary. */
const KERNEL_ALIGNMENT = BigInt(2 * MIB);
const FDT_ALIGNMENT = BigInt(2 * MIB);
/** 32-bit firmware and kernels reach no further, and 64-bit ones get the same. */
const FDT_LIMIT = 0xc000_0000n;
/** The blob lies in at least this much room; firmware adds nodes in place. */
const FDT_ROOM_BYTES = MIB;
const FDT_GROWTH_BYTES = 64 * KIB;
/** An address beyond this is not a wish for more memory but a mistake, such as a virtual address. */
const LARGEST_USEFUL_RAM_BYTES = 2n ** 40n;
const INITRD_MAX_DISTANCE_BYTES = 128 * MIB;

const DRAM_BASE = BigInt(VIRT_MEMORY_MAP.dram.base);
const FLASH0_BASE = BigInt(VIRT_MEMORY_MAP.flash0.base);
const FLASH1_BASE = BigInt(VIRT_MEMORY_MAP.flash1.base);

/** Throws {@link BootError} when something does not fit. */
export function planBoot(config: BootPlanConfig): BootPlan {
  const ram: AddressRange = { start: DRAM_BASE, end: DRAM_BASE + BigInt(config.memoryBytes) };
  const directBootByFwCfg = config.flash1 === true;
  const kernelImage = directBootByFwCfg ? undefined : config.kernel;

  const firmware = config.firmware && place("firmware", config.firmware, DRAM_BASE);
  const kernelAddress = firmware === undefined ? DRAM_BASE : alignUp(firmware.range.end, KERNEL_ALIGNMENT);
  const kernel = kernelImage && place("kernel", kernelImage, kernelAddress);
  for (const part of [firmware, kernel]) if (part !== undefined) checkInRam(part, ram);

  // Before the initrd's place is known, so that the initrd can keep off it.
  const fdtCeiling = ram.end < FDT_LIMIT ? ram.end : FDT_LIMIT;
  const initrd = directBootByFwCfg ? undefined : placeInitrd(config, kernel, ram, fdtAddressBelow(fdtCeiling, 0));
  const fdtBlob = config.deviceTree(initrd?.range);
  const fdt = placeFdt(fdtBlob, fdtCeiling);
  if (fdt.range.start < ram.start) throw tooLittleMemory(fdt, ram.start + BigInt(fdtRoomBytes(fdtBlob.length)), ram);

  const parts = [firmware, kernel, initrd, fdt].filter((part) => part !== undefined);
  checkApart(parts, ram);

  // Firmware's idea of a kernel is its lowest address, not an ELF file's entry: OpenSBI's fw_jump and fw_payload go
  // there too, and FreeBSD's kernel has its SBI entry there.
  const kernelEntry = directBootByFwCfg ? FLASH1_BASE : kernel?.range.start;
  const first = firmware ?? kernel;
  return {
    writes: parts.flatMap((part) => part.writes),
    startAddress: config.flash0 === true ? FLASH0_BASE : (first?.start ?? DRAM_BASE),
    fdtAddress: fdt.range.start,
    fdtBlob,
    ...(kernelEntry !== undefined && { kernelEntry }),
    ...(initrd !== undefined && { initrd: initrd.range }),
    directBootByFwCfg,
  };
}

/** Something with its place: the range is all it needs, the writes are what fills it. */
type Part = {
  readonly name: "firmware" | "kernel" | "initrd" | "device tree";
  readonly range: AddressRange;
  readonly writes: readonly MemoryWrite[];
  /** Where a hart in M mode begins. */
  readonly start: bigint;
};

function place(name: "firmware" | "kernel", image: BootImage, address: bigint): Part {
  if (image.kind === "elf") return placeElf(name, image);
  if (image.data.length === 0) throw new BootError("empty-image", `the ${name} is empty`);
  // An Image's header counts its bss; the kernel clears that itself.
  const neededBytes = image.kind === "image" ? Math.max(image.imageSizeBytes, image.data.length) : image.data.length;
  return {
    name,
    range: { start: address, end: address + BigInt(neededBytes) },
    writes: [{ address, data: image.data, zeroBytes: 0 }],
    start: address,
  };
}

function placeElf(name: "firmware" | "kernel", image: KernelImage & { readonly kind: "elf" }): Part {
  const writes = image.segments
    .map(({ physicalAddress, data, memorySizeBytes }) => ({
      address: physicalAddress,
      data,
      zeroBytes: Math.max(0, memorySizeBytes - data.length),
    }))
    .filter((write) => write.data.length + write.zeroBytes > 0);
  const [firstWrite, ...otherWrites] = writes;
  if (firstWrite === undefined) throw new BootError("empty-image", `the ${name} is an ELF file with nothing to load`);
  checkSegmentsApart(name, writes.map(rangeOf));
  const range = otherWrites.map(rangeOf).reduce(span, rangeOf(firstWrite));
  const coversDramBase = writes.map(rangeOf).some(({ start, end }) => start <= DRAM_BASE && DRAM_BASE < end);
  return { name, range, writes, start: coversDramBase ? DRAM_BASE : image.entry };
}

/** Segments on top of each other are a mistake, and thousands of them would be written for minutes. */
function checkSegmentsApart(name: "firmware" | "kernel", ranges: readonly AddressRange[]): void {
  const sorted = ranges.toSorted((a, b) => (a.start < b.start ? -1 : 1));
  sorted.forEach((range, index) => {
    const before = sorted[index - 1];
    if (before === undefined || before.end <= range.start) return;
    throw new BootError(
      "overlap",
      `the ${name} is an ELF file whose segments at ${describe(before)} and ${describe(range)} overlap; link it anew`,
    );
  });
}

function placeInitrd(
  config: BootPlanConfig,
  kernel: Part | undefined,
  ram: AddressRange,
  fdtAddress: bigint,
): Part | undefined {
  const data = config.initrd;
  if (data === undefined) return undefined;
  if (kernel === undefined) {
    throw new BootError("initrd-without-kernel", "an initrd is of no use without a kernel; give one with -kernel");
  }
  const lengthBytes = BigInt(data.length);
  const behindKernel = alignUp(kernel.range.end, PAGE_BYTES);
  const distanceBytes = Math.min(Math.floor(config.memoryBytes / 2), INITRD_MAX_DISTANCE_BYTES);
  const preferred = alignUp(kernel.range.start + BigInt(distanceBytes), PAGE_BYTES);
  const fits = [preferred, behindKernel].find((start) => {
    const range = { start, end: start + lengthBytes };
    return start >= behindKernel && range.end <= ram.end && !(start < fdtAddress && fdtAddress < range.end);
  });
  const start = fits ?? behindKernel;
  const part: Part = {
    name: "initrd",
    range: { start, end: start + lengthBytes },
    writes: [{ address: start, data, zeroBytes: 0 }],
    start,
  };
  checkInRam(part, ram);
  return part;
}

function placeFdt(blob: Uint8Array, ceiling: bigint): Part {
  const address = fdtAddressBelow(ceiling, blob.length);
  return {
    name: "device tree",
    range: { start: address, end: address + BigInt(fdtRoomBytes(blob.length)) },
    writes: [{ address, data: blob, zeroBytes: 0 }],
    start: address,
  };
}

function fdtRoomBytes(blobBytes: number): number {
  return Math.max(FDT_ROOM_BYTES, blobBytes + FDT_GROWTH_BYTES);
}

function fdtAddressBelow(ceiling: bigint, blobBytes: number): bigint {
  const highest = ceiling - BigInt(fdtRoomBytes(blobBytes));
  return highest - (highest % FDT_ALIGNMENT);
}

function checkInRam(part: Part, ram: AddressRange): void {
  if (part.range.start < ram.start || part.range.end > ram.start + LARGEST_USEFUL_RAM_BYTES) {
    throw new BootError(
      "outside-ram",
      `the ${part.name} is to be loaded at ${describe(part.range)}, but the machine's memory is at ` +
        `${describe(ram)}; link it for physical addresses there`,
    );
  }
  if (part.range.end > ram.end) throw tooLittleMemory(part, part.range.end, ram);
}

/** Any two parts that overlap would destroy each other. */
function checkApart(parts: readonly Part[], ram: AddressRange): void {
  for (const [index, part] of parts.entries()) {
    for (const other of parts.slice(0, index)) {
      if (part.range.start >= other.range.end || other.range.start >= part.range.end) continue;
      // The device tree keeps to the top of RAM: unless the limit keeps it lower, more RAM gets it out of the way.
      if (part.name === "device tree" && ram.end < FDT_LIMIT) throw tooLittleMemory(other, other.range.end, ram);
      throw new BootError(
        "overlap",
        `the ${part.name} (${describe(part.range)}) and the ${other.name} (${describe(other.range)}) overlap in ` +
          `memory${adviceFor(part, other)}`,
      );
    }
  }
}

function adviceFor(part: Part, other: Part): string {
  if (part.name === "kernel" && other.name === "firmware") {
    return "; link the kernel for another address, or start it without firmware by -bios none";
  }
  if (part.name === "device tree") {
    return `; the device tree must lie below ${hex(FDT_LIMIT)}, so make the ${other.name} smaller`;
  }
  return "";
}

function tooLittleMemory(part: Part, neededEnd: bigint, ram: AddressRange): BootError {
  const machineMib = Number(ram.end - ram.start) / MIB;
  // The device tree comes on the next boundary, and takes the rest.
  const neededMib = (Number(alignUp(neededEnd - ram.start, FDT_ALIGNMENT)) + FDT_ROOM_BYTES) / MIB;
  return new BootError(
    "too-little-memory",
    `the machine's ${round(machineMib)} MiB of memory are too little: the ${part.name} needs ` +
      `${round(Number(part.range.end - part.range.start) / MIB)} MiB at ${hex(part.range.start)}; ` +
      `give the machine at least -m ${neededMib}M`,
  );
}

function rangeOf(write: MemoryWrite): AddressRange {
  return { start: write.address, end: write.address + BigInt(write.data.length + write.zeroBytes) };
}

function span(a: AddressRange, b: AddressRange): AddressRange {
  return { start: a.start < b.start ? a.start : b.start, end: a.end > b.end ? a.end : b.end };
}

function alignUp(address: bigint, alignment: bigint): bigint {
  return ((address + alignment - 1n) / alignment) * alignment;
}

function describe(range: AddressRange): string {
  return `${hex(range.start)} to ${hex(range.end - 1n)}`;
}

function hex(address: bigint): string {
  return `0x${address.toString(16)}`;
}

function round(mib: number): number {
  return Math.ceil(mib * 10) / 10;
}
