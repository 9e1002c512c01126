import { execFileSync, spawnSync } from "node:child_process";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  cells,
  cells64,
  type DeviceTree,
  DeviceTreeError,
  type DeviceTreeNode,
  decodeDeviceTree,
  deviceTree,
  empty,
  encodeDeviceTree,
  findNode,
  node,
  readCells,
  readStrings,
  text,
} from "#machine/device-tree.ts";

const hasDtc = spawnSync("dtc", ["--version"]).status === 0;

function sample(): DeviceTree {
  const root = node("", { "#address-cells": cells(2), compatible: text("tinamou,board", "simple") }, [
    node("memory@80000000", { device_type: text("memory"), reg: cells64(0x8000_0000, 0x1_2345_6789n) }),
    node("cpus", { "#address-cells": cells(1) }, [
      node("cpu@0", { reg: cells(0), "no-map": empty(), odd: text("ab") }),
    ]),
  ]);
  return { ...deviceTree(root), reservations: [{ address: 0x8000_0000n, sizeBytes: 0x1000n }], bootCpuId: 3 };
}

test("a blob is laid out as the specification says", () => {
  const blob = encodeDeviceTree(deviceTree(node("", { a: cells(7) }, [node("b", {})])));
  const view = new DataView(blob.buffer);
  const words = Array.from({ length: blob.length >> 2 }, (_, index) => view.getUint32(index * 4));
  expect(words).toEqual(
    [
      [0xd00dfeed, 102], // magic, total size
      [56, 100, 40], // offsets of structure, strings, reservations
      [17, 16, 0], // version, last compatible one, boot CPU
      [2, 44], // sizes of strings and structure
      [0, 0, 0, 0], // no reservation
      [1, 0], // the root begins
      [3, 4, 0, 7], // a = <7>
      [1, 0x62000000, 2], // b
      [2, 9],
    ].flat(),
  );
  expect(blob.subarray(100)).toEqual(text("a"));
});

test("a tree survives encoding and decoding", () => {
  expect(decodeDeviceTree(encodeDeviceTree(sample()))).toEqual(sample());
});

test("bytes behind the tree are ignored", () => {
  const blob = encodeDeviceTree(sample());
  const padded = new Uint8Array(blob.length + 100).fill(0xaa);
  padded.set(blob);
  expect(decodeDeviceTree(padded)).toEqual(sample());
});

test("nodes are found by path and values read back", () => {
  const tree = sample();
  const cpu = findNode(tree, "/cpus/cpu@0");
  expect(cpu?.name).toBe("cpu@0");
  expect(findNode(tree, "/")).toBe(tree.root);
  expect(findNode(tree, "/cpus/cpu@1/x")).toBeUndefined();
  expect(readStrings(tree.root, "compatible")).toEqual(["tinamou,board", "simple"]);
  expect(readCells(tree.root, "#address-cells")).toEqual([2]);
  expect(cpu && readCells(cpu, "odd")).toBeUndefined();
  expect(cpu && readStrings(cpu, "reg")).toEqual(["", "", "", ""]);
});

test.skipIf(!hasDtc)("dtc reads what we write, and we read what dtc writes (skipped without dtc)", () => {
  const source = execFileSync("dtc", ["-q", "-I", "dtb", "-O", "dts", "-"], { input: encodeDeviceTree(sample()) });
  expect(source.toString()).toContain("/memreserve/\t0x0000000080000000 0x0000000000001000;");
  expect(source.toString()).toContain('compatible = "tinamou,board\\0simple"');
  for (const version of ["16", "17"]) {
    const blob = execFileSync("dtc", ["-q", "-I", "dts", "-O", "dtb", "-b", "3", "-V", version, "-"], {
      input: source,
    });
    expect(decodeDeviceTree(blob)).toEqual(sample());
  }
});

test("every node and property is kept, whatever they are", () => {
  const name = fc.stringMatching(/^[a-z#][a-z0-9,._+?#-]{0,20}$/);
  const { tree } = fc.letrec<{ tree: DeviceTreeNode }>((tie) => ({
    tree: fc
      .tuple(
        name,
        fc.dictionary(name, fc.uint8Array({ maxLength: 9 })),
        fc.oneof({ maxDepth: 3 }, fc.constant([]), fc.array(tie("tree"), { maxLength: 3 })),
      )
      .map(([own, properties, children]) => node(own, properties, children)),
  }));
  fc.assert(
    fc.property(fc.array(tree, { maxLength: 4 }), (children) => {
      const made = deviceTree(node("", { "#size-cells": cells(1) }, children));
      expect(decodeDeviceTree(encodeDeviceTree(made))).toEqual(made);
    }),
    { numRuns: 100 },
  );
});

const SAMPLE_BLOB = encodeDeviceTree(sample());

test("a damaged blob gives a tree or a clear error, and nothing else", () => {
  let refused = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(SAMPLE_BLOB.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      fc.nat(SAMPLE_BLOB.length),
      (edits, cut) => {
        const blob = SAMPLE_BLOB.slice(0, cut % 4 === 0 ? cut : SAMPLE_BLOB.length);
        for (const [at, value] of edits) if (at < blob.length) blob[at] = value;
        try {
          encodeDeviceTree(decodeDeviceTree(blob));
        } catch (error) {
          expect(error).toBeInstanceOf(DeviceTreeError);
          refused++;
        }
      },
    ),
    { numRuns: 2000 },
  );
  expect(refused).toBeGreaterThan(100);
});

/** The sample's blob with 32-bit words of its header or structure replaced. */
function edited(words: Readonly<Record<number, number>>): Uint8Array {
  const blob = SAMPLE_BLOB.slice();
  for (const [at, value] of Object.entries(words)) new DataView(blob.buffer).setUint32(Number(at), value);
  return blob;
}
const STRUCTURE = new DataView(SAMPLE_BLOB.buffer).getUint32(8);

test.each([
  ["nothing", new Uint8Array(0), "not-a-device-tree", "0 bytes are too few"],
  [
    "a text",
    new TextEncoder().encode("/dts-v1/; / { compatible = 'x'; };......"),
    "not-a-device-tree",
    "compile a .dts",
  ],
  ["an old version", edited({ 20: 3 }), "unsupported-version", "version 3; 17 is needed"],
  ["a newer version", edited({ 20: 20, 24: 18 }), "unsupported-version", "version 20"],
  ["a cut blob", SAMPLE_BLOB.subarray(0, -1), "truncated", `there are ${SAMPLE_BLOB.length - 1}`],
  ["a tiny total size", edited({ 4: 8 }), "malformed", "does not hold its header"],
  ["a structure block outside", edited({ 8: 0xffff_fffc }), "malformed", "structure block reaches past its end"],
  ["a strings block outside", edited({ 32: 0x8000_0000 }), "malformed", "strings block reaches past its end"],
  ["no end of reservations", edited({ 16: 0x7fff_ffff }), "malformed", "reservation block has no end"],
  ["an unknown token", edited({ [STRUCTURE + 8]: 5 }), "malformed", "token 5"],
  ["a property that is too long", edited({ [STRUCTURE + 12]: 0xffff_fffe }), "malformed", "reaches past the end"],
  ["a name outside the strings", edited({ [STRUCTURE + 16]: 0xffff }), "malformed", "strings block"],
  ["no root node", edited({ [STRUCTURE]: 9 }), "malformed", "does not start with a node"],
  ["a root with a name", edited({ [STRUCTURE + 4]: 0x61000000 }), "malformed", "root node has a name"],
  ["no end", edited({ 36: 8 }), "malformed", "structure block has no end"],
])("%s is refused", (_, blob, code, message) => {
  expect(() => decodeDeviceTree(blob)).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(message) }),
  );
});

test("a tree that is too deep is refused, not a stack overflow", () => {
  let deep = node("leaf", {});
  for (let level = 0; level < 100; level++) deep = node("n", {}, [deep]);
  const blob = encodeDeviceTree(deviceTree(node("", {}, [deep])));
  expect(() => decodeDeviceTree(blob)).toThrow("more than 64 levels deep");
});

test("a property twice, or after a child, is refused", () => {
  const blob = encodeDeviceTree(deviceTree(node("", { a: cells(1), b: cells(2) })));
  const view = new DataView(blob.buffer);
  const structure = view.getUint32(8);
  view.setUint32(structure + 8 + 16 + 8, view.getUint32(structure + 8 + 8));
  expect(() => decodeDeviceTree(blob)).toThrow('has the property "a" twice');

  const nested = encodeDeviceTree(deviceTree(node("", {}, [node("c", { a: cells(1) })])));
  const inner = new DataView(nested.buffer);
  const at = inner.getUint32(8);
  inner.setUint32(at + 16, 2); // ends c before its property; the property's words become (len, name) of a PROP after it
  inner.setUint32(at + 20, 3);
  inner.setUint32(at + 24, 0);
  inner.setUint32(at + 28, 0);
  expect(() => decodeDeviceTree(nested)).toThrow("has a property after a child node");
});
