/**
 * How `x`, `xp` and `print` show numbers: `/count format size`, as in gdb.
 * Formats: x hexadecimal, d signed, u unsigned, o octal, c character, i instruction. Sizes: b, h, w, g.
 */
import { HmpSyntaxError } from "#control/monitor/hmp/hmp-error.ts";

export type NumberFormat = "x" | "d" | "u" | "o" | "c" | "i";
export type ItemFormat = { readonly count: number; readonly format: NumberFormat; readonly sizeBytes: 1 | 2 | 4 | 8 };
/** What was used last; a format that says nothing means the same again. */
export type LastFormat = { format: NumberFormat; sizeBytes: ItemFormat["sizeBytes"] };

const MAX_COUNT = 65_536;
const SIZES: Readonly<Record<string, ItemFormat["sizeBytes"]>> = { b: 1, h: 2, w: 4, g: 8 };

/** Reads what stands behind the slash and remembers it in `last`. Throws {@link HmpSyntaxError}. */
export function readFormat(text: string | undefined, last: LastFormat): ItemFormat {
  const [, digits = "", letters = ""] = /^([0-9]*)(.*)$/s.exec(text ?? "") ?? [];
  const count = digits === "" ? 1 : Number(digits);
  if (count > MAX_COUNT) throw new HmpSyntaxError(`at most ${MAX_COUNT} items at once`);
  let { format, sizeBytes } = last;
  for (const letter of letters) {
    const size = SIZES[letter];
    if (size !== undefined) sizeBytes = size;
    else if ("xduoci".includes(letter)) format = letter as NumberFormat;
    else throw new HmpSyntaxError(`invalid char in format: '${letter}'`);
  }
  if (format !== "i") {
    last.format = format;
    last.sizeBytes = sizeBytes;
  }
  return { count, format, sizeBytes };
}

/** A number for `print`. */
export function showNumber(value: bigint, format: NumberFormat): string {
  const unsigned = BigInt.asUintN(64, value);
  switch (format) {
    case "d":
      return String(BigInt.asIntN(64, value));
    case "u":
      return String(unsigned);
    case "o":
      return `0${unsigned === 0n ? "" : unsigned.toString(8)}`;
    case "c":
      return showCharacter(Number(unsigned & 0xffn));
    default:
      return `0x${unsigned.toString(16)}`;
  }
}

/** Lines of items; `bytes` is whole items. */
export function showItems(address: bigint, bytes: Uint8Array, { format, sizeBytes }: ItemFormat): string {
  const itemBytes = format === "c" ? 1 : sizeBytes;
  const lineBytes = sizeBytes === 1 ? 8 : 16;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let lines = "";
  for (let line = 0; line < bytes.length; line += lineBytes) {
    const at = BigInt.asUintN(64, address + BigInt(line));
    let items = "";
    for (let item = line; item < Math.min(line + lineBytes, bytes.length); item += itemBytes) {
      items += ` ${showItem(view, item, itemBytes, format)}`;
    }
    lines += `${hex16(at)}:${items}\n`;
  }
  return lines;
}

function showItem(view: DataView, at: number, itemBytes: number, format: NumberFormat): string {
  const bits = 8 * itemBytes;
  const value = readItem(view, at, itemBytes);
  switch (format) {
    case "d":
      return String(BigInt.asIntN(bits, value)).padStart(Math.ceil((bits * 10) / 33));
    case "u":
      return String(value).padStart(Math.ceil((bits * 10) / 33));
    case "o":
      return `${value === 0n ? "" : "0"}${value.toString(8)}`.padStart(Math.ceil(bits / 3));
    case "c":
      return showCharacter(Number(value));
    default:
      return `0x${value.toString(16).padStart(bits / 4, "0")}`;
  }
}

function readItem(view: DataView, at: number, itemBytes: number): bigint {
  if (itemBytes === 8) return view.getBigUint64(at, true);
  if (itemBytes === 4) return BigInt(view.getUint32(at, true));
  return BigInt(itemBytes === 2 ? view.getUint16(at, true) : view.getUint8(at));
}

const NAMED: Readonly<Record<string, string>> = { "'": "\\'", "\\": "\\\\", "\n": "\\n", "\r": "\\r" };

function showCharacter(code: number): string {
  const character = String.fromCharCode(code);
  const isPlain = code >= 0x20 && code < 0x7f;
  return `'${NAMED[character] ?? (isPlain ? character : `\\x${code.toString(16).padStart(2, "0")}`)}'`;
}

export const hex16 = (value: bigint): string => BigInt.asUintN(64, value).toString(16).padStart(16, "0");
