/**
 * `-blockdev`: a tree of block nodes. `raw` sits on `file`, inside it or by its node name; the tree is flattened to
 * what the machine opens: a file, and how.
 */

import type { DriveConfig } from "#machine/config.ts";
import { parseStructured, type Value, type ValueMap } from "./key-values.ts";
import { OptionError, type OptionUse } from "./option-error.ts";
import { checkProperty, isIdentifier, type PropertyRow, type PropertyType, showValue } from "./properties.ts";

/** A named node: the file at its bottom, and the options of all layers together. */
export type BlockNode = {
  readonly use: OptionUse;
  readonly name: string;
  readonly file: string;
  readonly readOnly: boolean;
  readonly discard: boolean;
  readonly noFlush: boolean;
  readonly isFileAlone: boolean;
  readonly fileNode: string | undefined;
  /** Another node sits on it, so no device can have it. */
  hasParent: boolean;
};

type Layer = Pick<BlockNode, "file" | "readOnly" | "discard" | "noFlush" | "isFileAlone" | "fileNode">;

/** Drivers of QEMU that are not here yet, for a better sentence than "does not accept value". */
const ABSENT_DRIVERS: readonly string[] = [
  ..."blkdebug blklogwrites blkverify bochs cloop compress copy-before-write copy-on-read dmg ftp ftps".split(" "),
  ..."gluster host_cdrom host_device http https iscsi luks nbd nfs null-aio null-co nvme parallels preallocate".split(
    " ",
  ),
  ..."qcow qcow2 qed quorum rbd replication snapshot-access ssh throttle vdi vhdx vmdk vpc vvfat".split(" "),
];

const COMMON: readonly PropertyRow[] = [
  row("node-name", "str"),
  row("read-only", "bool"),
  row("auto-read-only", "bool"),
  row("force-share", "bool"),
  row("discard", ["ignore", "unmap"]),
  row("detect-zeroes", ["off", "on", "unmap"]),
];
const FILE: readonly PropertyRow[] = [
  row("filename", "str"),
  row("aio", ["threads", "native", "io_uring"]),
  row("aio-max-batch", "int64"),
  row("locking", "on-off-auto"),
  row("x-check-cache-dropped", "bool"),
];
const CACHE: readonly PropertyRow[] = [row("direct", "bool"), row("no-flush", "bool")];

function row(name: string, type: PropertyType): PropertyRow {
  return { name, type, help: "" };
}

/** Reads one `-blockdev` after `earlier` ones. Throws `OptionError`. */
export function readBlockdev(text: string, use: OptionUse, earlier: readonly BlockNode[]): BlockNode[] {
  const { map, isJson } = parseStructured(text, "driver");
  const reader = new NodeReader(use, earlier, isJson);
  reader.read(map, "", true);
  return reader.named;
}

class NodeReader {
  readonly named: BlockNode[] = [];
  readonly #use: OptionUse;
  readonly #earlier: readonly BlockNode[];
  readonly #isJson: boolean;

  constructor(use: OptionUse, earlier: readonly BlockNode[], isJson: boolean) {
    this.#use = use;
    this.#earlier = earlier;
    this.#isJson = isJson;
  }

  /** `path` is "" or "file." and so on, for messages. */
  read(map: ValueMap, path: string, isRoot: boolean): Layer {
    const driver = map.get("driver");
    if (driver === undefined) throw missing(`${path}driver`);
    const own = requireDriver(driver);
    const name = map.get("node-name");
    const layer = own === "file" ? this.#readFile(map, path) : this.#readRaw(map, path);
    if (isRoot && name === undefined) {
      throw new OptionError("missing-parameter", "'node-name' must be specified for the root node");
    }
    if (typeof name === "string") this.#register(name, layer, !isRoot);
    return layer;
  }

  #readFile(map: ValueMap, path: string): Layer {
    const options = this.#options(map, path, [...COMMON, ...FILE], ["driver", "cache"]);
    const file = options.get("filename");
    if (typeof file !== "string") throw missing(`${path}filename`);
    return {
      file,
      readOnly: options.get("read-only") === true,
      discard: options.get("discard") === "unmap",
      noFlush: this.#noFlush(map, path),
      isFileAlone: true,
      fileNode: asName(map.get("node-name")),
    };
  }

  #readRaw(map: ValueMap, path: string): Layer {
    for (const key of ["offset", "size"]) {
      if (map.has(key))
        throw new OptionError("not-available", `Parameter '${path}${key}' is not available in this version`);
    }
    const options = this.#options(map, path, COMMON, ["driver", "cache", "file"]);
    const file = map.get("file");
    if (file === undefined) throw missing(`${path}file`);
    const below = this.#child(file, path);
    return {
      file: below.file,
      readOnly: options.get("read-only") === true || below.readOnly,
      discard: options.get("discard") === "unmap" && below.discard,
      noFlush: this.#noFlush(map, path) || below.noFlush,
      isFileAlone: false,
      fileNode: below.fileNode,
    };
  }

  #child(file: Value, path: string): Layer {
    if (file instanceof Map) return this.read(file as ValueMap, `${path}file.`, false);
    if (typeof file !== "string") {
      throw new OptionError("bad-value", `Invalid parameter type for '${path}file', expected: string or object`);
    }
    const node = [...this.#earlier, ...this.named].find((candidate) => candidate.name === file);
    if (!node) throw new OptionError("unknown-reference", `Cannot find device='${file}' nor node-name='${file}'`);
    node.hasParent = true;
    return node;
  }

  #noFlush(map: ValueMap, path: string): boolean {
    const cache = map.get("cache");
    if (cache === undefined) return false;
    if (!(cache instanceof Map)) {
      throw new OptionError("bad-value", `Invalid parameter type for '${path}cache', expected: object`);
    }
    return this.#options(cache as ValueMap, `${path}cache.`, CACHE, []).get("no-flush") === true;
  }

  #options(map: ValueMap, path: string, rows: readonly PropertyRow[], structural: readonly string[]) {
    const options = new Map<string, unknown>();
    for (const [key, value] of map) {
      if (structural.includes(key)) continue;
      const property = rows.find((candidate) => candidate.name === key);
      if (!property) throw new OptionError("unknown-name", `Parameter '${path}${key}' is unexpected`);
      options.set(key, checkProperty({ ...property, name: `${path}${key}` }, value, this.#isJson));
    }
    return options;
  }

  #register(name: string, layer: Layer, hasParent: boolean): void {
    if (!isIdentifier(name)) throw new OptionError("bad-value", `Invalid node-name: '${name}'`);
    if ([...this.#earlier, ...this.named].some((node) => node.name === name)) {
      throw new OptionError("duplicate", `Duplicate nodes with node-name='${name}'`);
    }
    this.named.push({ use: this.#use, name, ...layer, hasParent });
  }
}

/** "file" or "raw". Throws `OptionError` for anything else. */
export function requireDriver(driver: Value): "file" | "raw" {
  if (driver === "file" || driver === "raw") return driver;
  if (typeof driver === "string" && ABSENT_DRIVERS.includes(driver)) {
    throw new OptionError("not-available", `driver '${driver}' is not available in this version; use file or raw`);
  }
  throw new OptionError("unknown-name", `Parameter 'driver' does not accept value '${showValue(driver)}'`);
}

/** The nodes that a device or flash can have, as drives. */
export function nodeDrives(nodes: readonly BlockNode[]): DriveConfig[] {
  return nodes
    .filter((node) => !node.hasParent)
    .map(({ name, file, readOnly, discard, noFlush, isFileAlone, fileNode }) => ({
      id: name,
      isNode: true,
      interface: "none",
      file,
      format: "raw",
      readOnly,
      discard,
      noFlush,
      ...(isFileAlone && { isFileAlone }),
      ...(!isFileAlone && fileNode !== undefined && { fileNode }),
    }));
}

const asName = (value: Value | undefined): string | undefined => (typeof value === "string" ? value : undefined);

function missing(name: string): OptionError {
  return new OptionError("missing-parameter", `Parameter '${name}' is missing`);
}
