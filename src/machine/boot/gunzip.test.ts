import * as fc from "fast-check";
import { gzipSync } from "fflate";
import { expect, test } from "vitest";
import { gunzip } from "./gunzip.ts";
import { ImageError } from "./image-error.ts";

const LIMIT = 1 << 20;
const content = Uint8Array.from({ length: 20_000 }, (_, index) => (index * index) >> 7);

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof ImageError) return error.code;
    throw error;
  }
  return "none";
}

test("unpacks stored, compressed and empty members", () => {
  for (const level of [0, 1, 9] as const) {
    expect(gunzip(gzipSync(content, { level }), "k", LIMIT)).toEqual(content);
  }
  expect(gunzip(gzipSync(new Uint8Array(0)), "k", LIMIT)).toEqual(new Uint8Array(0));
});

test("skips every optional field of the header", () => {
  const plain = gzipSync(content);
  const extra = [3, 0, 1, 2, 3];
  const texts = [...new TextEncoder().encode("name\0comment\0")];
  const headerCrc = [0, 0];
  const header = plain.slice(0, 10);
  header[3] = 0x1f;
  const member = Uint8Array.from([...header, ...extra, ...texts, ...headerCrc, ...plain.subarray(10)]);
  expect(gunzip(member, "k", LIMIT)).toEqual(content);
});

test("refuses what is cut off, damaged, followed by something or too large", () => {
  const packed = gzipSync(content);
  expect(codeOf(() => gunzip(packed.subarray(0, 12), "k", LIMIT))).toBe("truncated");
  expect(codeOf(() => gunzip(packed.subarray(0, packed.length - 9), "k", LIMIT))).not.toBe("none");
  expect(codeOf(() => gunzip(Uint8Array.from([...packed, 0]), "k", LIMIT))).not.toBe("none");
  expect(codeOf(() => gunzip(packed, "k", content.length - 1))).toBe("too-large");
  const wrongCrc = packed.slice();
  wrongCrc[packed.length - 8] = (wrongCrc[packed.length - 8] as number) ^ 1;
  expect(codeOf(() => gunzip(wrongCrc, "k", LIMIT))).toBe("invalid");
});

test("a trailer that lies about the size allocates nothing of that size", () => {
  const packed = gzipSync(new Uint8Array(10));
  new DataView(packed.buffer, packed.byteOffset).setUint32(packed.length - 4, 0xfff_ffff, true);
  expect(codeOf(() => gunzip(packed, "k", 256 << 20))).toBe("invalid");
});

test("more data than the trailer says is refused while it is unpacked", () => {
  const bomb = gzipSync(new Uint8Array(8 << 20));
  new DataView(bomb.buffer, bomb.byteOffset).setUint32(bomb.length - 4, 1000, true);
  expect(codeOf(() => gunzip(bomb, "k", LIMIT))).toBe("invalid");
});

test("rubbish after an early end of the data is not waited through", () => {
  const packed = gzipSync(content);
  const long = new Uint8Array(packed.length + (4 << 20));
  long.set(packed.subarray(0, -8));
  long.set(packed.subarray(-8), long.length - 8);
  expect(codeOf(() => gunzip(long, "k", LIMIT))).toBe("invalid");
});

test("any damage gives the content or an ImageError", () => {
  const small = content.subarray(0, 3000);
  const packed = gzipSync(small);
  const damage = fc.array(fc.tuple(fc.nat(packed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(damage, fc.nat(packed.length), (changes, cutBytes) => {
      const bytes = packed.slice();
      for (const [at, value] of changes) bytes[at] = value;
      const input = cutBytes % 3 === 0 ? bytes.subarray(0, bytes.length - (cutBytes >> 1)) : bytes;
      let output: Uint8Array | undefined;
      try {
        output = gunzip(input, "k", LIMIT);
      } catch (error) {
        expect(error).toBeInstanceOf(ImageError);
      }
      if (output !== undefined) expect(output).toEqual(small);
    }),
    { numRuns: 500 },
  );
});
