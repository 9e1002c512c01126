/**
 * Sizes as QEMU writes them: a number, a decimal fraction if a suffix follows, and one of B K M G T P E.
 *
 * Spec: observed behaviour of QEMU 7.2 (`-m 1.5G`, `size=256M`). `-m 512` counts MiB, sizes of properties count bytes.
 */

const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

const SUFFIXES = "BKMGTPE";
const DECIMAL = /^([0-9]+)(\.[0-9]+)?([BKMGTPE]?)$/i;
const HEXADECIMAL = /^0x([0-9a-f]{1,32})$/i;

export type SizeSuffix = "B" | "K" | "M" | "G" | "T" | "P" | "E";

/**
 * The size in bytes, or why there is none: "syntax", or "range" when it does not fit 64 bits.
 * `defaultSuffix` applies when the text has none. Above 2^53 the result is rounded.
 */
export function parseSize(text: string, defaultSuffix: SizeSuffix = "B"): number | "syntax" | "range" {
  const hexadecimal = HEXADECIMAL.exec(text);
  if (hexadecimal) return inRange(Number(text) * unitBytes(defaultSuffix));
  const decimal = DECIMAL.exec(text);
  if (!decimal) return "syntax";
  const [, whole = "", fraction = "", suffix = ""] = decimal;
  const unit = unitBytes(suffix === "" ? defaultSuffix : suffix.toUpperCase());
  // Half a byte has no meaning, and QEMU refuses a fraction without a suffix even where MiB is implied.
  if (fraction !== "" && (suffix === "" || unit === 1)) return "syntax";
  return inRange(Number(whole) * unit + Math.floor(Number(`0${fraction}`) * unit));
}

/** The sentence for a size that `parseSize` refused. */
export function sizeError(name: string, text: string, why: "syntax" | "range"): string {
  if (why === "range") return `Value '${text}' is out of range for parameter '${name}'`;
  return `Parameter '${name}' expects a non-negative number below 2^64 with an optional suffix k, M, G, T, P or E`;
}

/** A size in the largest unit that divides it, for messages: "128 MiB", "1536 MiB", "1000 bytes". */
export function describeSize(bytes: number): string {
  if (bytes > 0 && bytes % GIB === 0) return `${bytes / GIB} GiB`;
  if (bytes > 0 && bytes % MIB === 0) return `${bytes / MIB} MiB`;
  if (bytes > 0 && bytes % KIB === 0) return `${bytes / KIB} KiB`;
  return `${bytes} bytes`;
}

function inRange(bytes: number): number | "range" {
  return bytes < 2 ** 64 ? bytes : "range";
}

function unitBytes(suffix: string): number {
  return 1024 ** SUFFIXES.indexOf(suffix);
}
