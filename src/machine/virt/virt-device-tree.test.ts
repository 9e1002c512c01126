import { expect, test } from "vitest";
import { decodeDeviceTree, encodeDeviceTree, findNode, readCells, readStrings } from "#machine/device-tree.ts";
import { VIRT_MEMORY_MAP } from "#machine/virt/memory-map.ts";
import { type IsaDescription, virtDeviceTree } from "#machine/virt/virt-device-tree.ts";

// What QEMU's tree has is compared in virt-against-qemu.test.ts; here is what only ours has.

const ISA: IsaDescription = {
  isaString: "rv64imafdc_zicbom_zicboz_zicsr",
  extensions: ["i", "m", "a", "f", "d", "c", "zicbom", "zicboz", "zicsr"],
  mmuType: "riscv,sv57",
  cbomBlockBytes: 64,
  cbozBlockBytes: 64,
};
const CONFIG = { smp: 2, memoryBytes: 512 << 20, isa: ISA, aclint: false };

test("a hart's instruction set is described in both forms", () => {
  const cpu = findNode(virtDeviceTree(CONFIG), "/cpus/cpu@1");
  if (cpu === undefined) throw new Error("no cpu@1");
  expect(readStrings(cpu, "riscv,isa")).toEqual([ISA.isaString]);
  expect(readStrings(cpu, "riscv,isa-base")).toEqual(["rv64i"]);
  expect(readStrings(cpu, "riscv,isa-extensions")).toEqual(ISA.extensions);
  expect(readStrings(cpu, "mmu-type")).toEqual(["riscv,sv57"]);
  expect(readCells(cpu, "riscv,cbom-block-size")).toEqual([64]);
  expect(readCells(cpu, "riscv,cboz-block-size")).toEqual([64]);
});

test("cache block sizes are there only with their extensions", () => {
  const isa = { isaString: "rv64ima", extensions: ["i", "m", "a"], mmuType: "riscv,none" };
  const cpu = findNode(virtDeviceTree({ ...CONFIG, isa }), "/cpus/cpu@0");
  expect([...(cpu?.properties.keys() ?? [])].filter((name) => name.includes("block-size"))).toEqual([]);
});

test("the PMU node says which counters can count", () => {
  const pmu = findNode(virtDeviceTree({ ...CONFIG, hpmCounterMask: 0b11000 }), "/pmu");
  expect(pmu && readCells(pmu, "riscv,event-to-mhpmcounters")?.slice(0, 9)).toEqual(
    [
      [1, 1, 0b11001],
      [2, 2, 0b11100],
      [0x10019, 0x10019, 0b11000],
    ].flat(),
  );
});

test("64 harts make a blob that still decodes to the same tree", () => {
  const tree = virtDeviceTree({ ...CONFIG, smp: 64 });
  expect(decodeDeviceTree(encodeDeviceTree(tree))).toEqual(tree);
});

test("nothing in the memory map overlaps but the CLINT and its ACLINT parts", () => {
  const entries = Object.entries(VIRT_MEMORY_MAP).filter(([name]) => !name.startsWith("aclintM"));
  entries.sort(([, a], [, b]) => a.base - b.base);
  const overlapping = entries.filter(([, { base, sizeBytes }], index) => {
    const next = entries[index + 1];
    return next !== undefined && base + sizeBytes > next[1].base;
  });
  expect(overlapping).toEqual([]);
});
