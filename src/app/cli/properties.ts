/**
 * Typed properties of devices, objects, machines and block nodes: a table's row says the type, and a value from a
 * `key=value` text or from JSON is checked against it.
 */

import type { Value } from "./key-values.ts";
import { OptionError } from "./option-error.ts";
import { parseSize, sizeError } from "./sizes.ts";

/** A list is an enumeration of strings. */
export type PropertyType =
  | "bool"
  | "on-off-auto"
  | "str"
  | "size"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "int32"
  | "int64"
  | readonly string[];

export type PropertyRow = {
  readonly name: string;
  readonly type: PropertyType;
  readonly help: string;
  /** What the value names; checked by the option. */
  readonly link?: "drive" | "chardev" | "rng-backend" | "iothread";
  /** The one value that works here, of those that QEMU takes. */
  readonly only?: Scalar;
};

export type Scalar = string | number | boolean;

/** What on/off words mean, or undefined. */
function parseBool(text: string): boolean | undefined {
  if (text === "on" || text === "yes" || text === "true" || text === "y") return true;
  if (text === "off" || text === "no" || text === "false" || text === "n") return false;
  return undefined;
}

/** Throws `OptionError` "bad-value" unless `text` is an on/off word. */
export function requireBool(name: string, text: string): boolean {
  const value = parseBool(text);
  if (value === undefined) throw new OptionError("bad-value", `Parameter '${name}' expects 'on' or 'off'`);
  return value;
}

/** A decimal or `0x` number, or undefined; exact. */
export function parseInteger(text: string): bigint | undefined {
  if (!/^-?(?:[0-9]{1,40}|0x[0-9a-f]{1,32})$/i.test(text)) return undefined;
  return text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
}

/** QEMU's identifiers: letters, digits, '-', '.', '_', a letter first. */
export function isIdentifier(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9._-]*$/.test(text);
}

/** Throws `OptionError` unless `text` may be an id. */
export function requireIdentifier(text: string): string {
  if (isIdentifier(text)) return text;
  throw new OptionError(
    "bad-value",
    "Parameter 'id' expects an identifier: letters, digits, '-', '.', '_', starting with a letter",
  );
}

const INTEGER_RANGES: Readonly<Record<string, readonly [bigint, bigint]>> = {
  uint8: [0n, 0xffn],
  uint16: [0n, 0xffffn],
  uint32: [0n, 0xffff_ffffn],
  uint64: [0n, (1n << 64n) - 1n],
  int32: [-(1n << 31n), (1n << 31n) - 1n],
  int64: [-(1n << 63n), (1n << 63n) - 1n],
};

/** Checks `value` against the row. With `isJson` the JSON type must be right too. Throws `OptionError` "bad-value". */
export function checkProperty(row: PropertyRow, value: Value, isJson: boolean): Scalar {
  const checked = checkType(row.name, row.type, value, isJson);
  if (row.only !== undefined && checked !== row.only) {
    const shown = typeof checked === "boolean" ? (checked ? "on" : "off") : checked;
    throw new OptionError("not-available", `Parameter '${row.name}' does not accept '${shown}' in this version`);
  }
  return checked;
}

function checkType(name: string, type: PropertyType, value: Value, isJson: boolean): Scalar {
  if (typeof type !== "string") return checkEnumeration(name, type, requireString(name, value));
  switch (type) {
    case "str":
      return requireString(name, value);
    case "on-off-auto":
      return checkEnumeration(name, ["on", "off", "auto"], requireString(name, value));
    case "bool":
      if (isJson && typeof value === "boolean") return value;
      if (isJson || typeof value !== "string") throw wrongType(name, "boolean");
      return requireBool(name, value);
    case "size":
      return checkSize(name, value, isJson);
    default:
      return checkInteger(name, type, value, isJson);
  }
}

function checkSize(name: string, value: Value, isJson: boolean): number {
  if (isJson && typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 64) return value;
  if (isJson || typeof value !== "string") throw wrongType(name, "integer");
  const bytes = parseSize(value);
  if (typeof bytes === "string") throw new OptionError("bad-value", sizeError(name, value, bytes));
  return bytes;
}

function checkInteger(name: string, type: string, value: Value, isJson: boolean): number {
  const [lowest, highest] = INTEGER_RANGES[type] ?? [0n, 0n];
  let integer: bigint | undefined;
  if (isJson) {
    if (typeof value !== "number" || !Number.isInteger(value)) throw wrongType(name, "integer");
    integer = BigInt(value);
  } else if (typeof value === "string") {
    integer = parseInteger(value);
  }
  if (integer === undefined || integer < lowest || integer > highest) {
    throw new OptionError("bad-value", `Parameter '${name}' expects ${type}`);
  }
  return Number(integer);
}

function checkEnumeration(name: string, allowed: readonly string[], value: string): string {
  if (allowed.includes(value)) return value;
  throw new OptionError("bad-value", `Parameter '${name}' does not accept value '${value}'`);
}

function requireString(name: string, value: Value): string {
  if (typeof value === "string") return value;
  throw wrongType(name, "string");
}

function wrongType(name: string, expected: string): OptionError {
  return new OptionError("bad-value", `Invalid parameter type for '${name}', expected: ${expected}`);
}

/** A value as an error's sentence shows it. */
export function showValue(value: Value): string {
  return typeof value === "object" && value !== null ? "(structure)" : String(value);
}

/** `  name=<type>   - help`, a line a row. */
export function describeProperties(rows: readonly PropertyRow[]): string {
  return rows.map((row) => `${`  ${row.name}=<${typeName(row)}>`.padEnd(32)} - ${row.help}\n`).join("");
}

function typeName(row: PropertyRow): string {
  if (row.link !== undefined) return row.link;
  return typeof row.type === "string" ? row.type : row.type.join("|");
}
