/**
 * Turns the file of `-kernel` into something to place in memory, whatever it is wrapped in.
 *
 *     file -> [zboot -> payload] -> [gzip -> content] -> Image | ELF
 *
 * Spec: Linux Documentation/arch/riscv/boot-image-header.rst (Image); Microsoft PE/COFF, "Section Table", for the size
 * that an Image with a PE header must have.
 */
import { isElf, readElf, type ElfSegment } from "./elf.ts";
import { gunzip, isGzip } from "./gunzip.ts";
import { ImageError } from "./image-error.ts";
import { isZboot, readZboot } from "./zboot.ts";

export type KernelImage =
  | {
      readonly kind: "image";
      /** Where it wants to be, from the start of RAM. */
      readonly textOffset: number;
      /** What it needs in memory, its zero-filled data included; at least `data.length`. */
      readonly imageSizeBytes: number;
      readonly data: Uint8Array;
    }
  | { readonly kind: "elf"; readonly entry: bigint; readonly segments: readonly ElfSegment[] };

/** No kernel is larger once it is unpacked; a file that says so is not believed. */
const UNPACKED_LIMIT_BYTES = 256 << 20;
/** A zboot image in gzip holds gzip; nothing real goes deeper. */
const MAX_WRAPPERS = 3;

const IMAGE_HEADER_BYTES = 0x40;
const IMAGE_MAGIC = 0x5643534952n; // "RISCV\0\0\0", in headers up to 0.1; deprecated
const IMAGE_MAGIC2 = 0x05435352; // "RSC\x05", since 0.2
const IMAGE_FLAG_BIG_ENDIAN = 1n << 0n;

const PE_HEADER_POINTER = 0x3c;
const PE_SIGNATURE = 0x4550; // "PE\0\0"
const PE_FILE_HEADER_BYTES = 24;
const PE_SECTION_BYTES = 40;

/** Formats that are recognised only to say what they are: offset, bytes as text, what, what to do. */
const KNOWN_OTHERS = [
  [0, "\xfd7zXZ\0", "xz-compressed", "unpack it with xz -d"],
  [0, "\x28\xb5\x2f\xfd", "zstd-compressed", "unpack it with zstd -d"],
  [0, "BZh", "bzip2-compressed", "unpack it with bzip2 -d"],
  [0, "\x02\x21\x4c\x18", "lz4-compressed", "unpack it with lz4 -d"],
  [0, "\x04\x22\x4d\x18", "lz4-compressed", "unpack it with lz4 -d"],
] as const;
const OTHER_MACHINES = [
  [0x38, "ARM\x64", "arm64"],
  [0x202, "HdrS", "x86"],
] as const;

/**
 * Reads a kernel file. `name` is the file's, for messages. The result's bytes may be views of `bytes`.
 * Throws an ImageError, and nothing else, for whatever it cannot use.
 */
export function loadKernelImage(bytes: Uint8Array, name: string, limitBytes = UNPACKED_LIMIT_BYTES): KernelImage {
  let content = bytes;
  for (let wrappers = 0; wrappers <= MAX_WRAPPERS; wrappers++) {
    if (isElf(content)) return { kind: "elf", ...readElf(content, name) };
    if (isGzip(content)) {
      content = gunzip(content, name, limitBytes);
    } else if (isZboot(content)) {
      content = readZboot(content, name);
      if (!isGzip(content)) {
        throw new ImageError("invalid", `${name} is an EFI zboot image without gzip data in it; get the file again`);
      }
    } else {
      return readImage(content, name);
    }
  }
  throw new ImageError("invalid", `${name} is packed more than ${MAX_WRAPPERS} times over; unpack it first`);
}

function readImage(bytes: Uint8Array, name: string): KernelImage {
  if (bytes.length < IMAGE_HEADER_BYTES) throw unknownFormat(bytes, name);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const hasMagic = view.getUint32(0x38, true) === IMAGE_MAGIC2 || view.getBigUint64(0x30, true) === IMAGE_MAGIC;
  if (!hasMagic) throw unknownFormat(bytes, name);

  const textOffset = view.getBigUint64(0x08, true);
  const imageSize = view.getBigUint64(0x10, true);
  const flags = view.getBigUint64(0x18, true);
  if ((flags & IMAGE_FLAG_BIG_ENDIAN) !== 0n) {
    throw new ImageError("wrong-machine", `${name} is a big-endian kernel; build it little-endian`);
  }
  if (textOffset > BigInt(UNPACKED_LIMIT_BYTES) || imageSize > BigInt(UNPACKED_LIMIT_BYTES)) {
    throw new ImageError("invalid", `${name} has a kernel header that makes no sense; get the file again`);
  }
  if (bytes.length < peFileSizeBytes(view)) {
    throw new ImageError("truncated", `${name} ends before its sections do; get the file again`);
  }
  return {
    kind: "image",
    textOffset: Number(textOffset),
    imageSizeBytes: Math.max(Number(imageSize), bytes.length),
    data: bytes,
  };
}

/** How long the file must be by its PE section table; 0 when it has none, as in a kernel built without EFI. */
function peFileSizeBytes(view: DataView): number {
  const header = view.getUint32(PE_HEADER_POINTER, true);
  const isPe =
    view.getUint16(0, true) === 0x5a4d && // "MZ"
    header + PE_FILE_HEADER_BYTES <= view.byteLength &&
    view.getUint32(header, true) === PE_SIGNATURE;
  if (!isPe) return 0;
  const sections = view.getUint16(header + 6, true);
  const table = header + PE_FILE_HEADER_BYTES + view.getUint16(header + 20, true);
  let end = table + sections * PE_SECTION_BYTES;
  if (end > view.byteLength) return end;
  for (let index = 0; index < sections; index++) {
    const section = table + index * PE_SECTION_BYTES;
    end = Math.max(end, view.getUint32(section + 16, true) + view.getUint32(section + 20, true));
  }
  return end;
}

function unknownFormat(bytes: Uint8Array, name: string): ImageError {
  const holds = (offset: number, text: string) =>
    Uint8Array.from(text, (char) => char.charCodeAt(0)).every((byte, index) => bytes[offset + index] === byte);
  for (const [offset, text, what, remedy] of KNOWN_OTHERS) {
    if (holds(offset, text)) return new ImageError("unsupported-compression", `${name} is ${what}; ${remedy}`);
  }
  for (const [offset, text, machine] of OTHER_MACHINES) {
    if (holds(offset, text))
      return new ImageError("wrong-machine", `${name} is a kernel for ${machine}; give one for riscv64`);
  }
  return new ImageError(
    "unknown-format",
    `${name} is not a riscv64 kernel; give a Linux Image, a gzip or EFI zboot of one, or an ELF executable`,
  );
}
