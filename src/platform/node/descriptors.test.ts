/** Descriptors of their own for what is open already, where koffi is. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { closeDescriptor, openDuplicate, writeTo } from "#platform/node/descriptors.ts";

const duplicate = await openDuplicate();

test.skipIf(!duplicate)("a duplicate outlives what it was made of; what is not open has none", () => {
  const folder = mkdtempSync(join(tmpdir(), "tinamou-"));
  try {
    const path = join(folder, "file");
    const first = openSync(path, "w");
    const second = duplicate?.(first) ?? -1;
    expect(second).not.toBe(first);
    closeSync(first);
    expect(duplicate?.(first)).toBeUndefined();
    expect(writeTo(second, Uint8Array.of(65, 66))).toBe(2);
    closeDescriptor(second);
    expect(writeTo(second, Uint8Array.of(67))).toBe(0);
    expect(readFileSync(path, "utf8")).toBe("AB");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
