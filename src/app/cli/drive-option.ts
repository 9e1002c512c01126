/**
 * `-drive` and its short forms (`-hda`, `-pflash`, a bare file name): a disk, and where it is plugged in.
 */

import { ERROR_POLICIES, type ErrorPolicy } from "#io/block/block-failure.ts";
import type { DriveConfig } from "#machine/config.ts";
import { requireDriver } from "./blockdev-option.ts";
import type { Draft } from "./draft.ts";
import type { Pair } from "./key-values.ts";
import { OptionError, within } from "./option-error.ts";
import {
  checkProperty,
  describeProperties,
  parseInteger,
  type PropertyRow,
  type PropertyType,
  requireBool,
  requireIdentifier,
} from "./properties.ts";

const INTERFACES = ["none", "virtio", "pflash"] as const;
type Interface = (typeof INTERFACES)[number];

/** Interfaces of QEMU that this board has no place for. */
const OTHER_INTERFACES = ["ide", "scsi", "floppy", "mtd", "sd", "xen"];

/** What QEMU's `cache=` words mean; only "unsafe" changes what happens here: flushes do nothing. */
const CACHE_MODES = ["none", "off", "directsync", "writeback", "unsafe", "writethrough"];

/** Checked and without effect. */
const ACCEPTED: ReadonlyMap<string, PropertyType> = new Map<string, PropertyType>([
  ["aio", ["threads", "native", "io_uring"]],
  ["auto-read-only", "bool"],
  ["cache.direct", "bool"],
  ["cache.writeback", "bool"],
  ["detect-zeroes", ["off", "on", "unmap"]],
  ["file.aio", ["threads", "native", "io_uring"]],
  ["file.locking", "on-off-auto"],
  ["force-share", "bool"],
]);

const READ_ERRORS = ERROR_POLICIES.filter((policy) => policy !== "enospc");

/** What `-drive help` lists before {@link ACCEPTED}. */
const DESCRIBED: readonly PropertyRow[] = [
  { name: "file", type: "str", help: "the file behind it" },
  { name: "if", type: INTERFACES, help: "virtio (default): with its device; none: for -device; pflash: the board's" },
  { name: "id", type: "str", help: "name that -device drive= refers to" },
  { name: "format", type: ["raw"], help: "of the file; only raw" },
  { name: "index", type: "uint16", help: "number among those of its interface; unit is the same" },
  { name: "media", type: ["disk", "cdrom"], help: "cdrom is read-only" },
  { name: "read-only", type: "bool", help: "never write to the file; readonly is the same" },
  { name: "cache", type: CACHE_MODES, help: "unsafe: flushes do nothing; the others are alike" },
  { name: "cache.no-flush", type: "bool", help: "flushes do nothing" },
  { name: "discard", type: ["ignore", "off", "unmap", "on"], help: "give discarded blocks back to the host" },
  { name: "rerror", type: READ_ERRORS, help: "what a failed read does; report by default" },
  { name: "snapshot", type: "bool", help: "only off" },
  { name: "werror", type: ERROR_POLICIES, help: "what a failed write does; enospc by default" },
];

/** Text of `-drive help`. */
export function driveHelp(): string {
  const accepted = [...ACCEPTED].map(([name, type]) => ({ name, type, help: "accepted; has no effect here" }));
  return `drive options:\n${describeProperties([...DESCRIBED, ...accepted])}`;
}

/** True for `-drive format=help`. */
export function wantsFormats(pairs: readonly Pair[]): boolean {
  return pairs.some(({ key, value }) => key === "format" && (value === "help" || value === "?"));
}

/** QEMU has them; here they would be silently wrong. */
const ABSENT = /^(?:copy-on-read|throttling\..*|bps.*|iops.*|stats-.*|encrypt.*|backing.*|offset|size|node-name)$/;

/** All `-drive`s with ids and places. Throws `OptionError`. */
export function resolveDrives(draft: Draft): DriveConfig[] {
  const drives: DriveConfig[] = [];
  const taken = new Set<string>();
  for (const { use, value } of draft.drives) {
    drives.push(within(use, () => readDrive(value, taken, drives)));
  }
  return drives;
}

function readDrive(pairs: readonly Pair[], taken: Set<string>, earlier: readonly DriveConfig[]): DriveConfig {
  const options = new DriveOptions(pairs);
  const kind = options.interface();
  const index = takeIndex(kind, options, taken);
  const id = options.id ?? `${kind}${index}`;
  if (earlier.some((drive) => drive.id === id)) throw new OptionError("duplicate", `Duplicate ID '${id}' for drive`);
  const drive: DriveConfig = {
    id,
    interface: kind,
    file: options.requireFile(),
    format: "raw",
    readOnly: options.readOnly,
    discard: options.discard,
    noFlush: options.noFlush,
    ...options.errors(kind),
  };
  return kind === "none" ? drive : { ...drive, index };
}

/** The unit of the drive: the given one, or the first free one of its interface. */
function takeIndex(kind: Interface, options: DriveOptions, taken: Set<string>): number {
  let index = options.index;
  if (index !== undefined && taken.has(`${kind}${index}`)) {
    throw new OptionError("duplicate", `drive with bus=0, unit=${index} (index=${index}) exists`);
  }
  if (index === undefined) for (index = 0; taken.has(`${kind}${index}`); ) index++;
  if (kind === "pflash" && index > 1) {
    throw new OptionError("bad-value", `machine type does not support if=pflash,bus=0,unit=${index}`);
  }
  taken.add(`${kind}${index}`);
  return index;
}

class DriveOptions {
  id: string | undefined;
  index: number | undefined;
  readOnly = false;
  discard = false;
  noFlush = false;
  readonly #errors: { readErrors?: ErrorPolicy; writeErrors?: ErrorPolicy } = {};
  #file: string | undefined;
  #interface = "virtio";
  #isCdrom = false;
  #hasIndex = false;
  #hasUnit = false;

  constructor(pairs: readonly Pair[]) {
    for (const { key, value } of pairs) this.#take(key, value);
    if (this.#hasIndex && this.#hasUnit) throw new OptionError("conflict", "index cannot be used with bus and unit");
    if (this.#isCdrom) this.readOnly = true;
  }

  interface(): Interface {
    const kind = INTERFACES.find((name) => name === this.#interface);
    if (kind) return kind;
    if (OTHER_INTERFACES.includes(this.#interface)) {
      throw new OptionError(
        "bad-value",
        `machine type does not support if=${this.#interface},bus=0,unit=${this.index ?? 0}; use if=virtio or if=none`,
      );
    }
    throw new OptionError("unknown-name", `unsupported bus type '${this.#interface}'`);
  }

  /** Only a disk that a device can have reports errors. */
  errors(kind: Interface): Pick<DriveConfig, "readErrors" | "writeErrors"> {
    for (const [option, policy] of [
      ["werror", this.#errors.writeErrors],
      ["rerror", this.#errors.readErrors],
    ] as const) {
      if (kind === "pflash" && policy !== undefined) {
        throw new OptionError("conflict", `${option} is not supported by this bus type`);
      }
    }
    return this.#errors;
  }

  requireFile(): string {
    if (this.#file === undefined || this.#file === "") {
      throw new OptionError("missing-parameter", "Must specify a file: file=FILE");
    }
    return localFile(this.#file);
  }

  #take(key: string, value: string): void {
    switch (key) {
      case "file":
      case "file.filename":
        this.#file = value;
        return;
      case "if":
        this.#interface = value;
        return;
      case "id":
        this.id = requireIdentifier(value);
        return;
      case "format":
      case "driver":
        requireFormat(value);
        return;
      case "file.driver":
        if (requireDriver(value) === "file") return;
        throw new OptionError("not-available", `Parameter 'file.driver' does not accept '${value}' here`);
      case "readonly":
      case "read-only":
        this.readOnly = requireBool("read-only", value);
        return;
      case "index":
        this.#hasIndex = true;
        this.index = requireNumber(key, value);
        return;
      case "unit":
        this.#hasUnit = true;
        this.index = requireNumber(key, value);
        return;
      case "bus":
        this.#hasUnit = true;
        if (requireNumber(key, value) !== 0) throw new OptionError("bad-value", "Parameter 'bus' expects 0");
        return;
      case "cache":
        if (!CACHE_MODES.includes(value)) throw new OptionError("bad-value", "invalid cache option");
        this.noFlush = value === "unsafe";
        return;
      case "cache.no-flush":
        this.noFlush = requireBool(key, value);
        return;
      case "discard":
        this.discard = requireDiscard(value);
        return;
      case "media":
        if (value !== "disk" && value !== "cdrom") throw new OptionError("bad-value", `'${value}' invalid media`);
        this.#isCdrom = value === "cdrom";
        return;
      case "rerror":
        this.#errors.readErrors = requirePolicy("read", READ_ERRORS, value);
        return;
      case "werror":
        this.#errors.writeErrors = requirePolicy("write", ERROR_POLICIES, value);
        return;
      case "snapshot":
        if (requireBool(key, value)) notAvailable("snapshot=on");
        return;
      default:
        this.#takeOther(key, value);
    }
  }

  #takeOther(key: string, value: string): void {
    const type = ACCEPTED.get(key);
    if (type !== undefined) checkProperty({ name: key, type, help: "" }, value, false);
    else if (ABSENT.test(key)) notAvailable(key);
    else throw new OptionError("unknown-name", `Block format 'raw' does not support the option '${key}'`);
  }
}

function requirePolicy(operation: "read" | "write", allowed: readonly ErrorPolicy[], value: string): ErrorPolicy {
  const policy = allowed.find((name) => name === value);
  if (policy) return policy;
  throw new OptionError("bad-value", `'${value}' invalid ${operation} error action`);
}

function requireFormat(format: string): void {
  if (format === "raw" || format === "file") return;
  try {
    requireDriver(format);
  } catch (error) {
    if (error instanceof OptionError && error.code === "not-available") {
      throw new OptionError("not-available", `format '${format}' is not available in this version; only raw is`);
    }
    throw new OptionError("unknown-name", `Unknown driver '${format}'`);
  }
}

function requireDiscard(value: string): boolean {
  if (value === "unmap" || value === "on") return true;
  if (value === "ignore" || value === "off") return false;
  throw new OptionError("bad-value", "Invalid discard option");
}

function requireNumber(key: string, text: string): number {
  const number = parseInteger(text);
  if (number === undefined || number < 0n || number > 65535n) {
    throw new OptionError("bad-value", `Parameter '${key}' expects a number`);
  }
  return Number(number);
}

/** A file name without the `file:` that QEMU allows; names of other protocols are refused. */
function localFile(name: string): string {
  // A name has a protocol when a colon comes before the first slash.
  const protocol = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(name)?.[1];
  if (protocol === undefined) return name;
  if (protocol === "file") return name.slice("file:".length);
  throw new OptionError(
    "unknown-name",
    `Unknown protocol '${protocol}'; a file name with a colon is written ./${name}`,
  );
}

function notAvailable(what: string): never {
  throw new OptionError("not-available", `'${what}' is not available in this version`);
}
