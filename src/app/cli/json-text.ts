/**
 * JSON as an option's argument: an object, strict, with duplicate keys refused and the depth bounded.
 *
 * Spec: RFC 8259. `JSON.parse` is not used for the structure because it keeps the last of two equal keys silently.
 */

import type { Value, ValueMap } from "./key-values.ts";
import { OptionError } from "./option-error.ts";

/** Deeper nesting is refused, so that no walk over a parsed value can overflow the stack. */
export const MAX_DEPTH = 64;

const SPACE = /[ \t\r\n]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/suy;
const WORD = /true|false|null/y;

/** Throws `OptionError` "syntax" for anything but one JSON object. */
export function parseJsonObject(text: string): ValueMap {
  const reader = new JsonReader(text);
  const value = reader.value(0);
  reader.end();
  if (!(value instanceof Map)) throw new OptionError("syntax", "Expecting a JSON object");
  return value;
}

class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): Value {
    if (depth > MAX_DEPTH) this.#fail("nesting too deep");
    this.#take(SPACE);
    const first = this.#text[this.#at];
    if (first === undefined) return this.#fail("premature end");
    if (first === "{") return this.#object(depth);
    if (first === "[") return this.#array(depth);
    if (first === '"') return this.#string();
    const word = this.#take(WORD);
    if (word !== undefined) return word === "null" ? null : word === "true";
    const number = this.#take(NUMBER);
    if (number !== undefined) return Number(number);
    return this.#fail(`unexpected '${first}'`);
  }

  end(): void {
    this.#take(SPACE);
    if (this.#at < this.#text.length) throw new OptionError("syntax", "Expecting at most one JSON value");
  }

  #object(depth: number): ValueMap {
    const map = new Map<string, Value>();
    this.#at++;
    if (this.#accept("}")) return map;
    do {
      this.#take(SPACE);
      if (this.#text[this.#at] !== '"')
        this.#fail(this.#at < this.#text.length ? "key is not a string" : "premature end");
      const key = this.#string();
      if (!this.#accept(":")) this.#fail("missing ':' after a key");
      if (map.has(key)) this.#fail(`duplicate key '${key}'`);
      map.set(key, this.value(depth + 1));
    } while (this.#accept(","));
    if (!this.#accept("}")) this.#fail("missing '}'");
    return map;
  }

  #array(depth: number): readonly Value[] {
    const list: Value[] = [];
    this.#at++;
    if (this.#accept("]")) return list;
    do list.push(this.value(depth + 1));
    while (this.#accept(","));
    if (!this.#accept("]")) this.#fail("missing ']'");
    return list;
  }

  #string(): string {
    const token = this.#take(STRING);
    if (token === undefined) return this.#fail("unterminated string");
    try {
      return JSON.parse(token) as string;
    } catch {
      return this.#fail("bad escape or control character in a string");
    }
  }

  #accept(character: string): boolean {
    this.#take(SPACE);
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #fail(why: string): never {
    throw new OptionError("syntax", `JSON parse error, ${why}`);
  }
}
