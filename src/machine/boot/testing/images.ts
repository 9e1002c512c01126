/** Small files in the formats of kernels, for tests. */

const HEADER_BYTES = 0x200;

export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** An Image of 4 KiB that wants 8 KiB at 2 MiB; with a PE header of one section that ends at the file's end, if asked. */
export function makeImage({ pe = false, magic2 = true, magic = true } = {}): Uint8Array {
  const bytes = Uint8Array.from({ length: 4096 }, (_, index) => (index < 1024 ? 0 : index & 0xff));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x5a4d, true);
  view.setBigUint64(8, 0x20_0000n, true);
  view.setBigUint64(16, 8192n, true);
  view.setUint32(32, 2, true);
  if (magic) bytes.set(ascii("RISCV"), 0x30);
  if (magic2) bytes.set(ascii("RSC\x05"), 0x38);
  if (pe) {
    view.setUint32(0x3c, 0x40, true);
    bytes.set(ascii("PE\0\0"), 0x40);
    view.setUint16(0x46, 1, true);
    view.setUint16(0x54, 0xa0, true);
    const section = 0x40 + 24 + 0xa0;
    view.setUint32(section + 16, 3072, true);
    view.setUint32(section + 20, 1024, true);
  }
  return bytes;
}

/** An EFI zboot image around `payload`. */
export function makeZboot(payload: Uint8Array, compression = "gzip"): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  bytes.set(ascii("MZ\0\0zimg"));
  view.setUint32(8, HEADER_BYTES, true);
  view.setUint32(12, payload.length, true);
  bytes.set(ascii(compression), 0x18);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

export type TestSegment = {
  readonly type?: number;
  readonly virtual: bigint;
  readonly physical: bigint;
  readonly data: readonly number[];
  readonly memory: bigint;
};

/** An ELF64 executable with its program headers right after the file header, and the data behind. */
export function makeElf(entry: bigint, segments: readonly TestSegment[], machine = 243): Uint8Array {
  const dataStart = 64 + 56 * segments.length;
  const bytes = new Uint8Array(dataStart + segments.reduce((sum, segment) => sum + segment.data.length, 0));
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, machine, true);
  view.setBigUint64(24, entry, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  let at = dataStart;
  segments.forEach((segment, index) => {
    const header = 64 + index * 56;
    view.setUint32(header, segment.type ?? 1, true);
    view.setBigUint64(header + 8, BigInt(at), true);
    view.setBigUint64(header + 16, segment.virtual, true);
    view.setBigUint64(header + 24, segment.physical, true);
    view.setBigUint64(header + 32, BigInt(segment.data.length), true);
    view.setBigUint64(header + 40, segment.memory, true);
    bytes.set(segment.data, at);
    at += segment.data.length;
  });
  return bytes;
}
