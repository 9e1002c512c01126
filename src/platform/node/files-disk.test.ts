import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ImageError } from "#io/block/block-file.ts";
import { openRawDisk } from "#io/block/raw.ts";
import { openDiskFile } from "#platform/node/files-disk.ts";

const folder = mkdtempSync(join(tmpdir(), "tinamou-disk-"));
afterAll(() => rmSync(folder, { recursive: true }));

function image(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}
const numbers = (length: number): Uint8Array => new Uint8Array(length).map((_, i) => (i * 7) & 0xff);

test("reads, writes, flushes, several at once", async () => {
  const path = image("a.img", numbers(4096));
  const disk = openRawDisk(await openDiskFile(path, { readOnly: false }), { readOnly: false });
  expect([disk.sizeBytes, disk.readOnly]).toEqual([4096, false]);
  const parts = [0, 1, 2, 3].map(() => new Uint8Array(1024));
  await Promise.all(parts.map((part, i) => disk.read(i * 1024, part)));
  expect(Buffer.concat(parts)).toEqual(Buffer.from(numbers(4096)));
  await Promise.all([disk.write(512, new Uint8Array(512).fill(1)), disk.write(3584, new Uint8Array(512).fill(2))]);
  await disk.flush();
  await disk.writeZeroes(1024, 512);
  await disk.discard(2048, 512);
  await disk.close();
  const want = numbers(4096);
  want.fill(1, 512, 1024).fill(2, 3584).fill(0, 1024, 1536);
  expect(readFileSync(path)).toEqual(Buffer.from(want));
});

test("a memory shared with other threads works as a buffer", async () => {
  const disk = openRawDisk(await openDiskFile(image("s.img", numbers(1024)), { readOnly: true }), { readOnly: true });
  const into = new Uint8Array(new SharedArrayBuffer(512));
  await disk.read(512, into);
  expect(Buffer.from(into)).toEqual(Buffer.from(numbers(1024).subarray(512)));
  await disk.close();
});

test("a size that is no multiple of 512 is rounded up; the tail is zero, and a write there grows the file", async () => {
  const path = image("odd.img", numbers(700));
  const disk = openRawDisk(await openDiskFile(path, { readOnly: false }), { readOnly: false });
  expect(disk.sizeBytes).toBe(1024);
  const last = new Uint8Array(512).fill(9);
  await disk.read(512, last);
  expect(Buffer.from(last)).toEqual(Buffer.concat([numbers(700).subarray(512), new Uint8Array(324)]));
  await disk.write(512, last);
  await disk.close();
  expect(readFileSync(path)).toHaveLength(1024);
});

test("offset and size choose a part of the file", async () => {
  const path = image("part.img", numbers(4096));
  const file = await openDiskFile(path, { readOnly: true });
  const disk = openRawDisk(file, { readOnly: true, offset: 100, sizeBytes: 1024 });
  const into = new Uint8Array(4);
  await disk.read(1020, into);
  expect(Buffer.from(into)).toEqual(Buffer.from(numbers(4096).subarray(1120, 1124)));
  expect(() => openRawDisk(file, { readOnly: true, offset: 5000 })).toThrow(/the offset 5000 is outside/);
  expect(() => openRawDisk(file, { readOnly: true, sizeBytes: 8192 })).toThrow(/do not fit/);
  expect(() => openRawDisk(file, { readOnly: true, sizeBytes: 100 })).toThrow(/not a multiple of 512/);
  await disk.close();
});

test("a read-only disk refuses to change", async () => {
  const file = await openDiskFile(image("ro.img", numbers(512)), { readOnly: true });
  expect(() => openRawDisk(file, { readOnly: false })).toThrow(ImageError);
  const disk = openRawDisk(file, { readOnly: true });
  await expect(disk.write(0, new Uint8Array(512))).rejects.toMatchObject({ code: "read-only" });
  await expect(disk.discard(0, 512)).rejects.toMatchObject({ code: "read-only" });
  await expect(disk.writeZeroes(0, 512)).rejects.toMatchObject({ code: "read-only" });
  await disk.close();
});

test("what cannot be opened is said with what to do", async () => {
  const code = async (path: string): Promise<unknown> =>
    openDiskFile(path, { readOnly: false }).then(
      () => "opened",
      (error: unknown) => (error instanceof ImageError ? error.code : error),
    );
  expect(await code(join(folder, "none.img"))).toBe("missing");
  expect(await code(folder)).toBe("directory");
  expect(await code("/dev/null")).toBe("not-a-file");
  expect(await code(image("empty.img", new Uint8Array(0)))).toBe("empty");
  const secret = image("secret.img", numbers(512));
  chmodSync(secret, 0);
  // Root may open it all the same.
  expect(await code(secret)).toBe(process.getuid?.() === 0 ? "opened" : "permission");
  expect(await openDiskFile(folder, { readOnly: true }).catch((error: Error) => error.message)).toMatch(
    /is a directory/,
  );
});
