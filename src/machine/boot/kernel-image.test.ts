import * as fc from "fast-check";
import { gzipSync } from "fflate";
import { expect, test } from "vitest";
import { ImageError } from "./image-error.ts";
import { type KernelImage, loadKernelImage } from "./kernel-image.ts";
import { ascii, makeElf, makeImage, makeZboot } from "./testing/images.ts";

const SEGMENT = { virtual: 0x8000_0000n, physical: 0x8000_0000n, data: [0, 0, 0, 0], memory: 8n };

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
  for (const bytes of [makeElf(0x8000_0000n, [SEGMENT]), gzipSync(makeElf(0x8000_0000n, [SEGMENT]))]) {
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
  const seeds = [makeImage({ pe: true }), makeElf(0x8000_0000n, [SEGMENT]), gzip, makeZboot(gzip)];
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
