/**
 * Device trees in memory, and as the flattened blob (FDT, "dtb") that firmware and kernels read.
 *
 *   node("cpus", { "#size-cells": cells(0) }, [...]) -> DeviceTree -> encodeDeviceTree -> blob
 *   blob (-dtb FILE; may be anything) -> decodeDeviceTree -> DeviceTree -> patched -> encodeDeviceTree
 *
 * A property's value is bytes; `cells`, `text` and so on make them. Properties and children keep their order, because
 * Linux probes devices in the order of their nodes.
 *
 * Spec: Devicetree Specification 0.4, chapters 2.2 (nodes and properties) and 5 (FDT version 17).
 */
import { ByteWriter } from "#core/bytes.ts";

export type DeviceTreeNode = {
  /** With the unit address ("serial@10000000"); the root's is empty. */
  readonly name: string;
  readonly properties: Map<string, Uint8Array>;
  readonly children: DeviceTreeNode[];
};

/** Memory that the client program must leave alone. */
export type MemoryReservation = { readonly address: bigint; readonly sizeBytes: bigint };

export type DeviceTree = {
  readonly root: DeviceTreeNode;
  readonly reservations: readonly MemoryReservation[];
  /** The `reg` of the boot CPU. */
  readonly bootCpuId: number;
};

export type DeviceTreeErrorCode = "not-a-device-tree" | "unsupported-version" | "truncated" | "malformed";

/** Says what is wrong with a blob that was to be decoded. */
export class DeviceTreeError extends Error {
  readonly code: DeviceTreeErrorCode;
  constructor(code: DeviceTreeErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

const FDT_MAGIC = 0xd00dfeed;
const FDT_VERSION = 17;
/** Version 17 only adds a header field to 16, so that readers of 16 can read it. */
const FDT_LAST_COMPATIBLE_VERSION = 16;
const FDT_HEADER_BYTES = 40;
/** Without `size_dt_struct`. */
const FDT_V16_HEADER_BYTES = 36;
const FDT_RESERVATION_BYTES = 16;

const FDT_BEGIN_NODE = 1;
const FDT_END_NODE = 2;
const FDT_PROP = 3;
const FDT_NOP = 4;
const FDT_END = 9;

/** Deeper trees are refused; real ones have fewer than ten levels. */
const MAX_DEPTH = 64;
/** The spec says 31 (2.2.4.1); Linux and dtc take longer ones. */
const MAX_PROPERTY_NAME_BYTES = 255;

// Making trees

export function node(
  name: string,
  properties: Readonly<Record<string, Uint8Array>>,
  children: readonly DeviceTreeNode[] = [],
): DeviceTreeNode {
  return { name, properties: new Map(Object.entries(properties)), children: [...children] };
}

export function deviceTree(root: DeviceTreeNode): DeviceTree {
  return { root, reservations: [], bootCpuId: 0 };
}

/** A `<u32>` or `<prop-encoded-array>` of 32-bit cells. */
export function cells(...values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  for (const [index, value] of values.entries()) view.setUint32(index * 4, value);
  return new Uint8Array(view.buffer);
}

/** A `<u64>` or an array of two-cell numbers. */
export function cells64(...values: readonly (number | bigint)[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 8));
  for (const [index, value] of values.entries()) view.setBigUint64(index * 8, BigInt(value));
  return new Uint8Array(view.buffer);
}

/** A `<string>`, or a `<stringlist>` of more than one. */
export function text(...strings: readonly string[]): Uint8Array {
  return new TextEncoder().encode(strings.map((string) => `${string}\0`).join(""));
}

/** An `<empty>`: its presence is the value. */
export function empty(): Uint8Array {
  return new Uint8Array(0);
}

// Reading trees

/** The node at an absolute path of full names, such as "/cpus/cpu@0"; "/" is the root. */
export function findNode(tree: DeviceTree, path: string): DeviceTreeNode | undefined {
  let found: DeviceTreeNode | undefined = tree.root;
  for (const name of path.split("/").filter((part) => part !== "")) {
    found = found?.children.find((child) => child.name === name);
  }
  return found;
}

/** The property as 32-bit cells, or undefined when it is absent or not a whole number of cells. */
export function readCells(from: DeviceTreeNode, property: string): number[] | undefined {
  const bytes = from.properties.get(property);
  if (bytes === undefined || bytes.length % 4 !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4));
}

/** The property's strings, or undefined when it is absent or does not end with a NUL. */
export function readStrings(from: DeviceTreeNode, property: string): string[] | undefined {
  const bytes = from.properties.get(property);
  if (bytes === undefined || bytes.at(-1) !== 0) return undefined;
  return new TextDecoder().decode(bytes.subarray(0, -1)).split("\0");
}

// The flattened form

/** The blob, as short as it can be: readers that edit it in place need room behind it. */
export function encodeDeviceTree(tree: DeviceTree): Uint8Array {
  const strings = new StringBlock();
  const structure = new ByteWriter();
  encodeNode(tree.root, structure, strings);
  structure.bytes(cells(FDT_END));
  const structureBytes = structure.finish();
  const stringsBytes = strings.finish();

  const reservationsOffset = FDT_HEADER_BYTES;
  const structureOffset = reservationsOffset + (tree.reservations.length + 1) * FDT_RESERVATION_BYTES;
  const stringsOffset = structureOffset + structureBytes.length;

  const blob = new ByteWriter();
  blob.bytes(
    cells(
      FDT_MAGIC,
      stringsOffset + stringsBytes.length,
      structureOffset,
      stringsOffset,
      reservationsOffset,
      FDT_VERSION,
      FDT_LAST_COMPATIBLE_VERSION,
      tree.bootCpuId,
      stringsBytes.length,
      structureBytes.length,
    ),
  );
  for (const { address, sizeBytes } of tree.reservations) blob.bytes(cells64(address, sizeBytes));
  blob.bytes(cells64(0, 0));
  blob.bytes(structureBytes);
  blob.bytes(stringsBytes);
  return blob.finish();
}

function encodeNode(from: DeviceTreeNode, structure: ByteWriter, strings: StringBlock): void {
  structure.bytes(cells(FDT_BEGIN_NODE));
  structure.bytes(text(from.name));
  alignToCell(structure);
  for (const [name, value] of from.properties) {
    structure.bytes(cells(FDT_PROP, value.length, strings.offsetOf(name)));
    structure.bytes(value);
    alignToCell(structure);
  }
  for (const child of from.children) encodeNode(child, structure, strings);
  structure.bytes(cells(FDT_END_NODE));
}

function alignToCell(writer: ByteWriter): void {
  writer.bytes(new Uint8Array(align4(writer.length) - writer.length));
}

/** The property names, each stored once. */
class StringBlock {
  readonly #offsets = new Map<string, number>();
  readonly #bytes = new ByteWriter();

  offsetOf(name: string): number {
    let offset = this.#offsets.get(name);
    if (offset === undefined) {
      offset = this.#bytes.length;
      this.#offsets.set(name, offset);
      this.#bytes.bytes(text(name));
    }
    return offset;
  }

  finish(): Uint8Array {
    return this.#bytes.finish();
  }
}

/**
 * Reads a blob, which may be hostile; `blob` may be longer than the tree. Values are copies.
 * Throws {@link DeviceTreeError}.
 */
export function decodeDeviceTree(blob: Uint8Array): DeviceTree {
  if (blob.length < FDT_V16_HEADER_BYTES) {
    throw new DeviceTreeError("not-a-device-tree", `${blob.length} bytes are too few for a device tree blob`);
  }
  const header = new DataView(blob.buffer, blob.byteOffset, blob.length);
  if (header.getUint32(0) !== FDT_MAGIC) {
    throw new DeviceTreeError(
      "not-a-device-tree",
      "it is not a device tree blob: it does not start with d00dfeed; compile a .dts with dtc first",
    );
  }
  const version = header.getUint32(20);
  const lastCompatible = header.getUint32(24);
  if (version < FDT_LAST_COMPATIBLE_VERSION || lastCompatible > FDT_VERSION) {
    throw new DeviceTreeError("unsupported-version", `the device tree has format version ${version}; 17 is needed`);
  }
  const totalBytes = header.getUint32(4);
  if (totalBytes > blob.length) {
    throw new DeviceTreeError("truncated", `the device tree says it has ${totalBytes} bytes; there are ${blob.length}`);
  }
  if (totalBytes < (version >= 17 ? FDT_HEADER_BYTES : FDT_V16_HEADER_BYTES)) {
    throw malformed(`its size of ${totalBytes} bytes does not hold its header`);
  }
  const structureOffset = header.getUint32(8);
  const stringsOffset = header.getUint32(12);
  const structureBytes = version >= 17 ? header.getUint32(36) : Math.max(0, totalBytes - structureOffset);
  const stringsBytes = header.getUint32(32);
  const tree = blob.subarray(0, totalBytes);
  return {
    root: new StructureReader(
      block(tree, structureOffset, structureBytes, "structure"),
      block(tree, stringsOffset, stringsBytes, "strings"),
    ).readTree(),
    reservations: readReservations(tree, header.getUint32(16)),
    bootCpuId: header.getUint32(28),
  };
}

function malformed(what: string): DeviceTreeError {
  return new DeviceTreeError("malformed", `the device tree is malformed: ${what}`);
}

function block(tree: Uint8Array, offset: number, lengthBytes: number, name: string): Uint8Array {
  if (offset + lengthBytes > tree.length) throw malformed(`its ${name} block reaches past its end`);
  return tree.subarray(offset, offset + lengthBytes);
}

function readReservations(tree: Uint8Array, start: number): MemoryReservation[] {
  const view = new DataView(tree.buffer, tree.byteOffset, tree.length);
  const reservations: MemoryReservation[] = [];
  for (let at = start; at + FDT_RESERVATION_BYTES <= tree.length; at += FDT_RESERVATION_BYTES) {
    const address = view.getBigUint64(at);
    const sizeBytes = view.getBigUint64(at + 8);
    if (address === 0n && sizeBytes === 0n) return reservations;
    reservations.push({ address, sizeBytes });
  }
  throw malformed("its memory reservation block has no end");
}

/** Reads the tokens of the structure block (5.4). */
class StructureReader {
  readonly #structure: Uint8Array;
  readonly #view: DataView;
  readonly #strings: Uint8Array;
  /** By offset, because every node uses the same few names. */
  readonly #names = new Map<number, string>();
  #at = 0;

  constructor(structure: Uint8Array, strings: Uint8Array) {
    this.#structure = structure;
    this.#view = new DataView(structure.buffer, structure.byteOffset, structure.length);
    this.#strings = strings;
  }

  readTree(): DeviceTreeNode {
    if (this.#nextToken() !== FDT_BEGIN_NODE) throw malformed("it does not start with a node");
    const root = this.#beginNode();
    if (root.name !== "") throw malformed("its root node has a name");
    const open = [root];
    for (let parent = open.at(-1); parent !== undefined; parent = open.at(-1)) {
      const token = this.#nextToken();
      if (token === FDT_BEGIN_NODE) {
        if (open.length === MAX_DEPTH) throw malformed(`its nodes are nested more than ${MAX_DEPTH} levels deep`);
        const child = this.#beginNode();
        if (child.name === "") throw malformed("a node has no name");
        parent.children.push(child);
        open.push(child);
      } else if (token === FDT_PROP) {
        this.#readProperty(parent);
      } else if (token === FDT_END_NODE) {
        open.pop();
      } else {
        throw malformed(`token ${token} stands inside node "${parent.name}"`);
      }
    }
    if (this.#nextToken() !== FDT_END) throw malformed("something follows its root node");
    return root;
  }

  #nextToken(): number {
    let token = this.#u32();
    while (token === FDT_NOP) token = this.#u32();
    return token;
  }

  #beginNode(): DeviceTreeNode {
    const end = this.#structure.indexOf(0, this.#at);
    if (end < 0) throw malformed("a node's name has no end");
    const name = printable(this.#structure.subarray(this.#at, end), "node");
    this.#at = align4(end + 1);
    return { name, properties: new Map(), children: [] };
  }

  #readProperty(into: DeviceTreeNode): void {
    // The spec puts a node's properties before its children (5.4.2); libfdt relies on it, so it is a must here too.
    if (into.children.length > 0) throw malformed(`node "${into.name}" has a property after a child node`);
    const lengthBytes = this.#u32();
    const name = this.#propertyName(this.#u32());
    if (this.#at + lengthBytes > this.#structure.length) throw malformed(`property "${name}" reaches past the end`);
    if (into.properties.has(name)) throw malformed(`node "${into.name}" has the property "${name}" twice`);
    // Not slice(): that of a Node Buffer does not copy.
    into.properties.set(name, new Uint8Array(this.#structure.subarray(this.#at, this.#at + lengthBytes)));
    this.#at = align4(this.#at + lengthBytes);
  }

  #propertyName(offset: number): string {
    const known = this.#names.get(offset);
    if (known !== undefined) return known;
    const candidate = this.#strings.subarray(offset, offset + MAX_PROPERTY_NAME_BYTES + 1);
    const length = candidate.indexOf(0);
    if (length < 0) throw malformed("a property's name is too long or lies outside its strings block");
    if (length === 0) throw malformed("a property has no name");
    const name = printable(candidate.subarray(0, length), "property");
    this.#names.set(offset, name);
    return name;
  }

  #u32(): number {
    if (this.#at + 4 > this.#structure.length) throw malformed("its structure block has no end");
    const value = this.#view.getUint32(this.#at);
    this.#at += 4;
    return value;
  }
}

function printable(bytes: Uint8Array, what: string): string {
  if (bytes.some((byte) => byte <= 0x20 || byte >= 0x7f)) throw malformed(`a ${what}'s name is not printable`);
  return new TextDecoder().decode(bytes);
}

function align4(offset: number): number {
  return (offset + 3) & ~3;
}
