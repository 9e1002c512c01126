import * as fc from "fast-check";
import { gzipSync } from "fflate";
import { expect, test } from "vitest";
import { ImageError } from "./image-error.ts";
import { type KernelImage, loadKernelImage } from "./kernel-image.ts";

/** An Image of 4 KiB that wants 8 KiB at 2 MiB; with a PE header of one section that ends at the file's end, if asked. */
function makeImage({ pe = false, magic2 = true, magic = true } = {}): Uint8Array {
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

function makeZboot(payload: Uint8Array, compression = "gzip"): Uint8Array {
  const bytes = new Uint8Array(0x200 + payload.length);
  const view = new DataView(bytes.buffer);
  bytes.set(ascii("MZ\0\0zimg"));
  view.setUint32(8, 0x200, true);
  view.setUint32(12, payload.length, true);
  bytes.set(ascii(compression), 0x18);
  bytes.set(payload, 0x200);
  return bytes;
}

function makeElf(): Uint8Array {
  const bytes = new Uint8Array(64 + 56 + 4);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 243, true);
  view.setBigUint64(24, 0x8000_0000n, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  for (const [offset, value] of [
    [8, 120n],
    [16, 0x8000_0000n],
    [24, 0x8000_0000n],
    [32, 4n],
    [40, 8n],
  ] as const) {
    view.setBigUint64(64 + offset, value, true);
  }
  return bytes;
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

function patched(bytes: Uint8Array, patch: (view: DataView) => void): Uint8Array {
  const copy = bytes.slice();
  patch(new DataView(copy.buffer));
  return copy;
}

function errorOf(bytes: Uint8Array, limitBytes?: number): ImageError {
  let result: KernelImage;
  try {
    result = loadKernelImage(bytes, "vmlinuz", limitBytes);
  } catch (error) {
    if (error instanceof ImageError) return error;
    throw error;
  }
  throw new Error(`no error, but a ${result.kind}`);
}

test("an Image, with and without a PE header, by either magic", () => {
  for (const bytes of [
    makeImage(),
    makeImage({ pe: true }),
    makeImage({ magic: false }),
    makeImage({ magic2: false }),
  ]) {
    const expected = { kind: "image", textOffset: 0x20_0000, imageSizeBytes: 8192, data: bytes };
    expect(loadKernelImage(bytes, "vmlinuz")).toEqual(expected);
  }
});

test("an old header without a size counts as long as the file", () => {
  const bytes = patched(makeImage(), (view) => view.setBigUint64(16, 0n, true));
  expect(loadKernelImage(bytes, "vmlinuz")).toMatchObject({ imageSizeBytes: 4096 });
});

test("gzip, zboot and what nests them give the same Image", () => {
  const image = makeImage({ pe: true });
  const gzip = gzipSync(image);
  for (const bytes of [gzip, makeZboot(gzip), gzipSync(makeZboot(gzip))]) {
    expect(loadKernelImage(bytes, "vmlinuz")).toMatchObject({ kind: "image", data: image });
  }
});

test("an ELF file, bare or in gzip", () => {
  for (const bytes of [makeElf(), gzipSync(makeElf())]) {
    expect(loadKernelImage(bytes, "vmlinux")).toMatchObject({
      kind: "elf",
      entry: 0x8000_0000n,
      segments: [{ physicalAddress: 0x8000_0000n, memorySizeBytes: 8 }],
    });
  }
});

test("an unknown file says what is taken; others say what they are", () => {
  expect(errorOf(new Uint8Array(0)).code).toBe("unknown-format");
  expect(errorOf(ascii("MZ")).code).toBe("unknown-format");
  expect(errorOf(new Uint8Array(4096)).message).toBe(
    "vmlinuz is not a riscv64 kernel; give a Linux Image, a gzip or EFI zboot of one, or an ELF executable",
  );
  expect(errorOf(ascii("\xfd7zXZ\0....")).message).toBe("vmlinuz is xz-compressed; unpack it with xz -d");
  const arm = patched(new Uint8Array(4096), (view) => view.setUint32(0x38, 0x644d5241, true));
  expect(errorOf(arm).message).toBe("vmlinuz is a kernel for arm64; give one for riscv64");
});

test("a header that makes no sense is refused", () => {
  const image = makeImage();
  expect(errorOf(patched(image, (view) => view.setBigUint64(8, 1n << 40n, true))).code).toBe("invalid");
  expect(errorOf(patched(image, (view) => view.setBigUint64(16, 1n << 63n, true))).code).toBe("invalid");
  expect(errorOf(patched(image, (view) => view.setBigUint64(24, 1n, true))).code).toBe("wrong-machine");
});

test("an Image that was cut off is noticed by its section table", () => {
  const image = makeImage({ pe: true });
  expect(errorOf(image.subarray(0, 4095)).code).toBe("truncated");
  expect(errorOf(image.subarray(0, 0x100)).code).toBe("truncated");
});

test("zboot: truncated, nonsense, other compressions, not what it says", () => {
  const zboot = makeZboot(gzipSync(makeImage()));
  expect(errorOf(zboot.subarray(0, zboot.length - 1)).code).toBe("truncated");
  expect(errorOf(zboot.subarray(0, 32)).code).toBe("truncated");
  expect(errorOf(patched(zboot, (view) => view.setUint32(8, 4, true))).code).toBe("invalid");
  expect(errorOf(patched(zboot, (view) => view.setUint32(8, 0xffff_ffff, true))).code).toBe("truncated");
  expect(errorOf(makeZboot(makeImage())).code).toBe("invalid");
  expect(errorOf(makeZboot(gzipSync(makeImage()), "zstd\u001b")).message).toContain('"zstd?"');
});

test("too large or too deep is refused", () => {
  const gzip = gzipSync(makeImage());
  expect(errorOf(gzip, 4095).code).toBe("too-large");
  expect(errorOf(gzipSync(gzipSync(gzipSync(gzip)))).message).toContain("more than 3 times");
});

test("whatever the bytes are, the answer is a kernel or an ImageError", () => {
  const gzip = gzipSync(makeImage({ pe: true }));
  const seeds = [makeImage({ pe: true }), makeElf(), gzip, makeZboot(gzip)];
  const input = fc.record({
    seed: fc.constantFrom(...seeds),
    // Most of what decides lies in the first 512 bytes.
    changes: fc.array(fc.tuple(fc.oneof(fc.nat(511), fc.nat(65535)), fc.nat(255)), { maxLength: 6 }),
    keep: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
  });
  fc.assert(
    fc.property(input, ({ seed, changes, keep }) => {
      const bytes = seed.slice(0, Math.ceil(seed.length * keep));
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      try {
        const image = loadKernelImage(bytes, "vmlinuz", 1 << 20);
        if (image.kind === "image") expect(image.imageSizeBytes).toBeGreaterThanOrEqual(image.data.length);
      } catch (error) {
        expect(error).toBeInstanceOf(ImageError);
      }
    }),
    { numRuns: 2000 },
  );
});
