/**
 * Reads the loadable segments of an ELF executable for riscv64: kernels, firmware, bare-metal programs.
 *
 * Spec: System V ABI, "ELF-64 Object File Format" (file header, program header); RISC-V ELF psABI for the machine number.
 */
import { ImageError } from "./image-error.ts";

export type ElfSegment = {
  readonly physicalAddress: bigint;
  /** What the file holds; a view of the file's bytes. */
  readonly data: Uint8Array;
  /** At least `data.length`; the rest is zero. */
  readonly memorySizeBytes: number;
};

export type ElfImage = {
  /** The physical address of the entry. */
  readonly entry: bigint;
  /** In file order, never empty, none of size 0. They may overlap only if the file says so. */
  readonly segments: readonly ElfSegment[];
};

const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const EM_RISCV = 243;
const ET_EXEC = 2;
const ET_DYN = 3;
const PT_LOAD = 1;
const PN_XNUM = 0xffff;

const FILE_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
/** No machine has that much memory; keeps sizes exact in a number. */
const MAX_MEMORY_BYTES = 1n << 48n;
const MAX_ADDRESS = 1n << 64n;

export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** Reads `bytes`, which {@link isElf}; `name` is the file's, for messages. Throws an ImageError. */
export function readElf(bytes: Uint8Array, name: string): ElfImage {
  if (bytes.length < FILE_HEADER_BYTES) throw truncated(name);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  checkTarget(view, name);

  const tableOffset = view.getBigUint64(32, true);
  const entrySize = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (count === PN_XNUM || (count > 0 && entrySize < PROGRAM_HEADER_BYTES)) throw invalid(name);
  if (tableOffset + BigInt(count * entrySize) > BigInt(bytes.length)) throw truncated(name);

  let entry = view.getBigUint64(24, true);
  let entryIsPhysical = false;
  const segments: ElfSegment[] = [];
  for (let index = 0; index < count; index++) {
    const header = readProgramHeader(view, Number(tableOffset) + index * entrySize);
    if (header.type !== PT_LOAD || header.memorySize === 0n) continue;
    segments.push(loadSegment(bytes, header, name));
    // The entry is a virtual address; a kernel's differs from where it is loaded.
    if (!entryIsPhysical && entry >= header.virtualAddress && entry - header.virtualAddress < header.memorySize) {
      entry = entry - header.virtualAddress + header.physicalAddress;
      entryIsPhysical = true;
    }
  }
  if (segments.length === 0) {
    throw new ImageError("invalid", `${name} has nothing to load; give an executable, not an object file or a library`);
  }
  return { entry, segments };
}

function checkTarget(view: DataView, name: string): void {
  const [elfClass, byteOrder] = [view.getUint8(4), view.getUint8(5)];
  const type = view.getUint16(16, true);
  const machine = view.getUint16(18, true);
  if (elfClass !== ELFCLASS64 || byteOrder !== ELFDATA2LSB || machine !== EM_RISCV) {
    throw new ImageError(
      "wrong-machine",
      `${name} is an ELF file, but not a 64-bit little-endian one for RISC-V; build it for riscv64`,
    );
  }
  if (type !== ET_EXEC && type !== ET_DYN) {
    throw new ImageError("invalid", `${name} is an ELF file of type ${type}, not an executable; link it first`);
  }
}

type ProgramHeader = ReturnType<typeof readProgramHeader>;

function readProgramHeader(view: DataView, at: number) {
  return {
    type: view.getUint32(at, true),
    fileOffset: view.getBigUint64(at + 8, true),
    virtualAddress: view.getBigUint64(at + 16, true),
    physicalAddress: view.getBigUint64(at + 24, true),
    fileSize: view.getBigUint64(at + 32, true),
    memorySize: view.getBigUint64(at + 40, true),
  };
}

function loadSegment(bytes: Uint8Array, header: ProgramHeader, name: string): ElfSegment {
  const { fileOffset, fileSize, memorySize, physicalAddress } = header;
  if (memorySize < fileSize || memorySize > MAX_MEMORY_BYTES || physicalAddress + memorySize > MAX_ADDRESS) {
    throw invalid(name);
  }
  if (fileOffset + fileSize > BigInt(bytes.length)) throw truncated(name);
  const start = Number(fileOffset);
  return {
    physicalAddress,
    data: bytes.subarray(start, start + Number(fileSize)),
    memorySizeBytes: Number(memorySize),
  };
}

function truncated(name: string): ImageError {
  return new ImageError("truncated", `${name} ends before its ELF headers say that it does; get the file again`);
}

function invalid(name: string): ImageError {
  return new ImageError("invalid", `${name} has ELF program headers that make no sense; build or get the file again`);
}
