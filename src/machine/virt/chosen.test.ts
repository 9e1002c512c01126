import { expect, test } from "vitest";
import { cells, deviceTree, findNode, node, readCells, readStrings, text } from "#machine/device-tree.ts";
import { patchChosen, patchMemory } from "#machine/virt/chosen.ts";

test("a user's tree without /chosen gets one", () => {
  const tree = deviceTree(node("", {}));
  patchChosen(tree, {
    kernelCommandLine: "console=ttyS0",
    initrd: { start: 0x8820_0000n, end: 0x8820_1388n },
    rngSeed: new Uint8Array([1, 2, 3, 4]),
  });
  const chosen = findNode(tree, "/chosen");
  expect(chosen && readStrings(chosen, "bootargs")).toEqual(["console=ttyS0"]);
  expect(chosen && readCells(chosen, "linux,initrd-start")).toEqual([0x8820_0000]);
  expect(chosen && readCells(chosen, "linux,initrd-end")).toEqual([0x8820_1388]);
  expect(chosen && readCells(chosen, "rng-seed")).toEqual([0x0102_0304]);
});

test("what the boot does not set stays as it was", () => {
  const tree = deviceTree(node("", {}, [node("chosen", { bootargs: text("quiet"), "stdout-path": text("/serial") })]));
  patchChosen(tree, { kernelCommandLine: "" });
  const chosen = findNode(tree, "/chosen");
  expect(chosen && readStrings(chosen, "bootargs")).toEqual(["quiet"]);
  expect(chosen && readStrings(chosen, "stdout-path")).toEqual(["/serial"]);
  expect(tree.root.children).toHaveLength(1);
});

test("an initrd beyond 4 GiB takes two cells for both of its ends", () => {
  const tree = deviceTree(node("", {}));
  patchChosen(tree, { initrd: { start: 0xf000_0000n, end: 0x1_1000_0000n } });
  const chosen = findNode(tree, "/chosen");
  expect(chosen && readCells(chosen, "linux,initrd-start")).toEqual([0, 0xf000_0000]);
  expect(chosen && readCells(chosen, "linux,initrd-end")).toEqual([1, 0x1000_0000]);
});

test.each([
  [2, 2, [0, 0x8000_0000, 2, 0x1000_0000]],
  [1, 1, [0x8000_0000, 0x1000_0000]],
  [2, 1, [0, 0x8000_0000, 0x1000_0000]],
])("memory is told in %i address and %i size cells", (addressCells, sizeCells, reg) => {
  const memory = node("memory@80000000", { reg: cells(1, 2, 3, 4) });
  const root = node("", { "#address-cells": cells(addressCells), "#size-cells": cells(sizeCells) }, [memory]);
  patchMemory(deviceTree(root), 0x2_1000_0000);
  expect(readCells(memory, "reg")).toEqual(reg);
});

test("a tree without memory gets some", () => {
  const tree = deviceTree(node("", { "#size-cells": cells(2) }));
  patchMemory(tree, 0x2000_0000);
  const memory = findNode(tree, "/memory@80000000");
  expect(memory && readCells(memory, "reg")).toEqual([0, 0x8000_0000, 0, 0x2000_0000]);
  expect(memory && readStrings(memory, "device_type")).toEqual(["memory"]);
});
