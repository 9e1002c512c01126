import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { neededLibraries } from "./elf-needed.mjs";
import { packageName } from "./packages.mjs";

/** A file with one loaded segment, whose strings hold `names` and whose dynamic section asks for them. */
function elf(names: readonly string[]): Buffer {
  const file = Buffer.alloc(1024);
  const [strings, dynamic, address] = [512, 256, 0x10000];
  file.write("\x7fELF\x02\x01", 0, "latin1");
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(2, 56);
  const segment = (index: number, type: number, offset: number, sizeBytes: number): void => {
    const at = 64 + 56 * index;
    file.writeUInt32LE(type, at);
    file.writeBigUInt64LE(BigInt(offset), at + 8);
    file.writeBigUInt64LE(BigInt(address + offset), at + 16);
    file.writeBigUInt64LE(BigInt(sizeBytes), at + 32);
  };
  segment(0, 1, 0, file.length);
  segment(1, 2, dynamic, 128);
  let [at, offset] = [dynamic, 1];
  const entry = (tag: bigint, value: number): void => {
    at = file.writeBigUInt64LE(BigInt(value), file.writeBigUInt64LE(tag, at));
  };
  for (const name of names) {
    entry(1n, offset);
    file.write(name, strings + offset, "latin1");
    offset += name.length + 1;
  }
  entry(5n, address + strings);
  return file;
}

test("the libraries that a file asks for, in its order", () => {
  expect(neededLibraries(elf(["libssl.so.3", "libc.so.6"]))).toEqual(["libssl.so.3", "libc.so.6"]);
  expect(neededLibraries(elf([]))).toEqual([]);
});

test("the program that runs this asks for the C library, on Linux", () => {
  if (process.platform === "linux" && process.arch === "x64") {
    expect(neededLibraries(readFileSync(process.execPath)).some((name) => /^(libc|libdl)\b/.test(name))).toBe(true);
  }
});

test("what is no ELF file, or is cut off, asks for none", () => {
  expect(neededLibraries(Buffer.from("#!/bin/sh\n"))).toEqual([]);
  const whole = elf(["libc.so.6"]);
  for (const length of [0, 4, 63, 64, 100, 176, 260]) expect(neededLibraries(whole.subarray(0, length))).toEqual([]);
});

test.each([
  ["libssl.so.3", "libssl3"],
  ["libstdc++.so.6", "libstdc++6"],
  ["libgcc_s.so.1", "libgcc-s1"],
  ["libsqlite3.so.0", "libsqlite3-0"],
  ["libX11.so.6", "libx11-6"],
])("%s is in %s", (library, name) => {
  expect(packageName(library)).toBe(name);
});
