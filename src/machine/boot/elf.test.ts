import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isElf, readElf } from "./elf.ts";
import { ImageError } from "./image-error.ts";
import { makeElf } from "./testing/images.ts";

const TEXT = { virtual: 0xffff_ffff_8000_0000n, physical: 0x8020_0000n, data: [1, 2, 3, 4], memory: 4n };
const DATA = { virtual: 0xffff_ffff_8000_1000n, physical: 0x8020_1000n, data: [5], memory: 4096n };
const NOTE = { type: 4, virtual: 0n, physical: 0n, data: [9, 9], memory: 2n };

function codeOf(bytes: Uint8Array): string {
  try {
    readElf(bytes, "file");
  } catch (error) {
    if (error instanceof ImageError) return error.code;
    throw error;
  }
  return "none";
}

function patched(bytes: Uint8Array, patch: (view: DataView) => void): Uint8Array {
  const copy = bytes.slice();
  patch(new DataView(copy.buffer));
  return copy;
}

test("gives the loadable segments at their physical addresses, and the physical entry", () => {
  const bytes = makeElf(0xffff_ffff_8000_0002n, [NOTE, TEXT, DATA]);
  expect(isElf(bytes)).toBe(true);
  expect(readElf(bytes, "file")).toEqual({
    entry: 0x8020_0002n,
    segments: [
      { physicalAddress: 0x8020_0000n, data: Uint8Array.of(1, 2, 3, 4), memorySizeBytes: 4 },
      { physicalAddress: 0x8020_1000n, data: Uint8Array.of(5), memorySizeBytes: 4096 },
    ],
  });
});

test("an entry outside every segment stays as it is", () => {
  expect(readElf(makeElf(0x1234n, [TEXT]), "file").entry).toBe(0x1234n);
});

test("refuses other machines, other kinds of ELF and nonsense", () => {
  const good = makeElf(0n, [TEXT, DATA]);
  expect(codeOf(good)).toBe("none");
  expect(codeOf(makeElf(0n, [TEXT], 62))).toBe("wrong-machine");
  expect(codeOf(patched(good, (view) => view.setUint8(4, 1)))).toBe("wrong-machine");
  expect(codeOf(patched(good, (view) => view.setUint8(5, 2)))).toBe("wrong-machine");
  expect(codeOf(patched(good, (view) => view.setUint16(16, 1, true)))).toBe("invalid");
  expect(codeOf(makeElf(0n, [NOTE]))).toBe("invalid");
  expect(codeOf(makeElf(0n, [{ ...TEXT, memory: 3n }]))).toBe("invalid");
  expect(codeOf(makeElf(0n, [{ ...TEXT, memory: 1n << 60n }]))).toBe("invalid");
  expect(codeOf(makeElf(0n, [{ ...TEXT, physical: (1n << 64n) - 1n }]))).toBe("invalid");
  expect(codeOf(patched(good, (view) => view.setUint16(54, 8, true)))).toBe("invalid");
  expect(codeOf(patched(good, (view) => view.setUint16(56, 0xffff, true)))).toBe("invalid");
});

test("every truncation is an ImageError", () => {
  const good = makeElf(0n, [TEXT, DATA]);
  for (let length = 4; length < good.length; length++) expect(codeOf(good.subarray(0, length))).toBe("truncated");
});

test("any damage gives segments inside the file, or an ImageError", () => {
  const good = makeElf(0n, [NOTE, TEXT, DATA]);
  const damage = fc.array(fc.tuple(fc.integer({ min: 4, max: good.length - 1 }), fc.nat(255)), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(damage, (changes) => {
      const bytes = good.slice();
      for (const [at, value] of changes) bytes[at] = value;
      try {
        for (const segment of readElf(bytes, "file").segments) {
          expect(segment.memorySizeBytes).toBeGreaterThanOrEqual(segment.data.length);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(ImageError);
      }
    }),
    { numRuns: 1000 },
  );
});
