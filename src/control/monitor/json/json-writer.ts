/**
 * Values as JSON text in QEMU's layout, which some clients match as text: a blank behind colons and commas, or, when
 * pretty, four blanks a level; only ASCII.
 */

/** What can be written: members that are undefined are left out. Integers may be numbers or bigints. */
export type Writable =
  | null
  | boolean
  | bigint
  | number
  | string
  | readonly Writable[]
  | { readonly [key: string]: Writable | undefined };

const INDENT = "    ";

export function writeJson(value: Writable, pretty = false): string {
  return write(value, pretty ? "\n" : undefined);
}

/** `lineStart` is a line end and the indentation of the present level; absent when all goes on one line. */
function write(value: Writable, lineStart: string | undefined): string {
  if (typeof value === "string") return quote(value);
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "0";
  if (typeof value !== "object" || value === null) return String(value);
  const inner = lineStart === undefined ? undefined : lineStart + INDENT;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const items = Array.isArray(value)
    ? (value as readonly Writable[]).map((item) => write(item, inner))
    : Object.entries(value as Readonly<Record<string, Writable | undefined>>)
        .filter((member): member is [string, Writable] => member[1] !== undefined)
        .map(([key, item]) => `${quote(key)}: ${write(item, inner)}`);
  if (items.length === 0) return `${open}${close}`;
  if (inner === undefined) return `${open}${items.join(", ")}${close}`;
  return `${open}${inner}${items.join(`,${inner}`)}${lineStart}${close}`;
}

function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[\x7f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`,
  );
}
