import { expect, test } from "vitest";
import { virtFwCfgItems } from "#machine/virt/fw-cfg-items.ts";

const BARE = { cpus: 3, noGraphic: true, bootOrder: [] };

function item(items: ReturnType<typeof virtFwCfgItems>, key: number): number[] | undefined {
  const found = items.find((candidate) => candidate.key === key);
  return found && [...found.data];
}

test("the directory lists the files with their keys and sizes", () => {
  const items = virtFwCfgItems({ ...BARE, bootOrder: ["/a", "/b"] });
  const directory = new Uint8Array(item(items, 0x19) ?? []);
  const view = new DataView(directory.buffer);
  expect(directory).toHaveLength(4 + 3 * 64);
  expect(view.getUint32(0)).toBe(3);
  const entries = [0, 1, 2].map((index) => {
    const at = 4 + index * 64;
    const name = new TextDecoder().decode(directory.subarray(at + 8, at + 64)).replace(/\0+$/, "");
    return { name, key: view.getUint16(at + 4), sizeBytes: view.getUint32(at) };
  });
  expect(entries).toEqual([
    { name: "bios-geometry", key: 0x20, sizeBytes: 0 },
    { name: "bootorder", key: 0x21, sizeBytes: 6 },
    { name: "etc/boot-fail-wait", key: 0x22, sizeBytes: 4 },
  ]);
  expect(new TextDecoder().decode(new Uint8Array(item(items, 0x21) ?? []))).toBe("/a\n/b\0");
});

test("what -boot says", () => {
  const items = virtFwCfgItems({ ...BARE, bootMenu: true, rebootTimeoutMs: 0x1234 });
  expect([item(items, 0x0e), item(items, 0x22)]).toEqual([
    [1, 0],
    [0x34, 0x12, 0, 0],
  ]);
  expect(item(virtFwCfgItems(BARE), 0x22)).toEqual([255, 255, 255, 255]);
});

test("numbers are little-endian", () => {
  const items = virtFwCfgItems({ ...BARE, directBoot: { kernel: new Uint8Array(0x1234) } });
  expect(item(items, 0x05)).toEqual([3, 0]);
  expect(item(items, 0x08)).toEqual([0x34, 0x12, 0, 0]);
  expect(item(items, 0x0b)).toBeUndefined();
  // An absent command line is an empty one.
  expect(item(items, 0x14)).toEqual([1, 0, 0, 0]);
  expect(item(items, 0x15)).toEqual([0]);
});
