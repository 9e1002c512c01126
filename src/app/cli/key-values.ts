/**
 * QEMU's two `key=value,...` grammars and its JSON form.
 *
 * - `splitPairs`: the flat one (`-drive`, `-chardev`, `-device`, `-name`): `key` alone means `key=on`, `nokey` means
 *   `key=off`, and the last of equal keys wins.
 * - `parseNested`: the nested one (`-blockdev`, `-object`, `-machine`, `-smp`): every key has `=`, dots make objects
 *   (`file.driver=file`) and numbers arrays (`host-nodes.0=1`).
 * - In both the first key may be implied (`-device virtio-rng-device`), and `,,` in a value is one comma.
 *
 * Spec: observed behaviour of QEMU 7.2.
 */

import { MAX_DEPTH, parseJsonObject } from "./json-text.ts";
import { OptionError } from "./option-error.ts";

export type Value = string | number | boolean | null | ValueMap | readonly Value[];
export type ValueMap = ReadonlyMap<string, Value>;

/** `short` marks `key` or `nokey` written without a value. */
export type Pair = { readonly key: string; readonly value: string; readonly short: boolean };

/** A parsed argument; `isJson` says that values carry JSON's types, so that `"1"` is not a number. */
export type Structured = { readonly map: ValueMap; readonly isJson: boolean };

/** Reads the flat grammar. Never throws: what a key or value may be is the option's business. */
export function splitPairs(text: string, impliedKey?: string): Pair[] {
  const pairs: Pair[] = [];
  for (let at = 0; at < text.length; ) {
    const stop = nextOf(text, at, "=,");
    if (text[stop] === "=") {
      const value = takeValue(text, stop + 1);
      pairs.push({ key: text.slice(at, stop), value: value.text, short: false });
      at = value.next;
    } else if (at === 0 && impliedKey !== undefined) {
      const value = takeValue(text, 0);
      pairs.push({ key: impliedKey, value: value.text, short: false });
      at = value.next;
    } else {
      const word = text.slice(at, stop);
      const isOff = word.startsWith("no");
      pairs.push({ key: isOff ? word.slice(2) : word, value: isOff ? "off" : "on", short: true });
      at = stop + 1;
    }
  }
  return pairs;
}

/** True when one of the comma-separated parts is `help` or `?`. */
export function wantsHelp(text: string): boolean {
  return text.split(",").some((part) => part === "help" || part === "?");
}

/** Reads the nested grammar, or JSON when the text starts with `{`. Throws `OptionError` "syntax". */
export function parseStructured(text: string, impliedKey?: string): Structured {
  if (text.startsWith("{")) return { map: parseJsonObject(text), isJson: true };
  return { map: parseNested(text, impliedKey), isJson: false };
}

/** Reads the nested grammar; leaves are strings. Throws `OptionError` "syntax". */
export function parseNested(text: string, impliedKey?: string): ValueMap {
  const root: Tree = new Map();
  for (let at = 0; at < text.length; ) {
    const stop = nextOf(text, at, "=,");
    let key: string;
    let valueStart: number;
    if (text[stop] === "=") {
      key = text.slice(at, stop);
      valueStart = stop + 1;
    } else if (at === 0 && impliedKey !== undefined && stop > 0) {
      key = impliedKey;
      valueStart = 0;
    } else {
      const word = text.slice(at, stop);
      if (word === "") throw new OptionError("syntax", "Invalid parameter ''");
      throw new OptionError("syntax", `Expected '=' after parameter '${word}'`);
    }
    const value = takeValue(text, valueStart);
    insert(root, key, value.text);
    at = value.next;
  }
  return listified(root, "") as ValueMap;
}

type Tree = Map<string, string | Tree>;

// A key's part is a name (letter first) or an array index.
const KEY_PART = /^(?:[A-Za-z][A-Za-z0-9_-]*|0|[1-9][0-9]{0,8})$/;

function insert(root: Tree, key: string, value: string): void {
  const parts = key.split(".");
  const last = parts.pop() ?? "";
  if (parts.length >= MAX_DEPTH || ![...parts, last].every((part) => KEY_PART.test(part))) {
    throw new OptionError("syntax", `Invalid parameter '${key}'`);
  }
  let tree = root;
  let path = "";
  for (const part of parts) {
    path += `${part}.`;
    const next = tree.get(part);
    if (typeof next === "string") throw inconsistent(path);
    const child: Tree = next ?? new Map();
    tree.set(part, child);
    tree = child;
  }
  if (tree.get(last) instanceof Map) throw inconsistent(`${path}${last}.`);
  tree.set(last, value);
}

/** Turns objects whose keys are all numbers into arrays. */
function listified(tree: Tree, path: string): Value {
  const entries: [string, Value][] = [];
  for (const [key, child] of tree) {
    entries.push([key, typeof child === "string" ? child : listified(child, `${path}${key}.`)]);
  }
  const numbered = entries.filter(([key]) => /^[0-9]/.test(key)).length;
  if (path === "" || numbered === 0) return new Map(entries);
  if (numbered !== entries.length) throw inconsistent(path);
  const byKey = new Map(entries);
  return entries.map((_, index) => {
    const item = byKey.get(String(index));
    if (item === undefined) throw new OptionError("syntax", `Parameter '${path}${index}' missing`);
    return item;
  });
}

function inconsistent(path: string): OptionError {
  return new OptionError("syntax", `Parameters '${path}*' used inconsistently`);
}

/** The value from `start` to the next single comma, with `,,` undone. */
function takeValue(text: string, start: number): { text: string; next: number } {
  let value = "";
  let at = start;
  for (;;) {
    const comma = text.indexOf(",", at);
    if (comma < 0) return { text: value + text.slice(at), next: text.length };
    value += text.slice(at, comma);
    if (text[comma + 1] !== ",") return { text: value, next: comma + 1 };
    value += ",";
    at = comma + 2;
  }
}

function nextOf(text: string, start: number, stops: string): number {
  let at = start;
  while (at < text.length && !stops.includes(text[at] ?? "")) at++;
  return at;
}
