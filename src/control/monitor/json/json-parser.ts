/**
 * Tokens of one JSON value into the value, without recursion: the nesting is the client's to choose.
 */
import type { Token } from "#control/monitor/json/json-lexer.ts";
import type { JsonValue } from "#control/monitor/json/json-value.ts";

export type Parsed = { readonly value: JsonValue } | { readonly error: string };

type Container =
  | { readonly kind: "array"; readonly items: JsonValue[] }
  | { readonly kind: "object"; readonly members: Record<string, JsonValue>; key: string | undefined };

class SyntaxProblem extends Error {}

/** The value, or what is wrong in QEMU's words. */
export function parseTokens(tokens: readonly Token[]): Parsed {
  try {
    return { value: parse(tokens) };
  } catch (error) {
    if (error instanceof SyntaxProblem) return { error: error.message };
    throw error;
  }
}

function parse(tokens: readonly Token[]): JsonValue {
  const open: Container[] = [];
  let at = 0;
  let finished: JsonValue | undefined;
  /** Whether a closing bracket may stand here, because the container is empty. */
  let isFresh = false;
  while (finished === undefined) {
    const container = open.at(-1);
    if (container?.kind === "object" && !(isFresh && isPunctuation(tokens[at], "}"))) {
      at = takeKey(tokens, at, container);
      isFresh = false;
    }
    const token = tokens[at++];
    if (!token) throw new SyntaxProblem("premature EOI");
    let value: JsonValue;
    if (isPunctuation(token, "{") || isPunctuation(token, "[")) {
      open.push(
        token.text === "{"
          ? { kind: "object", members: Object.create(null) as Record<string, JsonValue>, key: undefined }
          : { kind: "array", items: [] },
      );
      isFresh = true;
      continue;
    }
    if (isFresh && container && isPunctuation(token, closing(container))) {
      open.pop();
      value = content(container);
    } else value = scalar(token);
    isFresh = false;
    // The value is complete, and perhaps with it the containers around it.
    for (;;) {
      const around = open.at(-1);
      if (!around) {
        finished = value;
        break;
      }
      put(around, value);
      const next = tokens[at++];
      if (isPunctuation(next, ",")) break;
      if (!isPunctuation(next, closing(around))) {
        throw new SyntaxProblem(around.kind === "array" ? "expected separator in list" : "expected separator in dict");
      }
      open.pop();
      value = content(around);
    }
  }
  return finished;
}

function takeKey(tokens: readonly Token[], at: number, container: Container & { kind: "object" }): number {
  const token = tokens[at];
  if (!token) throw new SyntaxProblem("premature EOI");
  const key = token.kind === "punctuation" ? undefined : scalar(token);
  if (token.kind === "punctuation" && token.text !== "{" && token.text !== "[") {
    throw new SyntaxProblem("expecting value");
  }
  if (typeof key !== "string") throw new SyntaxProblem("key is not a string in object");
  if (!isPunctuation(tokens[at + 1], ":")) throw new SyntaxProblem("missing : in object pair");
  if (key in container.members) throw new SyntaxProblem("duplicate key");
  container.key = key;
  return at + 2;
}

function put(container: Container, value: JsonValue): void {
  if (container.kind === "array") container.items.push(value);
  else container.members[container.key as string] = value;
}

const closing = (container: Container): string => (container.kind === "array" ? "]" : "}");
const content = (container: Container): JsonValue => (container.kind === "array" ? container.items : container.members);
const isPunctuation = (token: Token | undefined, text: string): boolean =>
  token?.kind === "punctuation" && token.text === text;

function scalar(token: Token): JsonValue {
  switch (token.kind) {
    case "string":
      return stringValue(token.text);
    case "number":
      return numberValue(token.text);
    case "keyword":
      if (token.text === "true") return true;
      if (token.text === "false") return false;
      if (token.text === "null") return null;
      throw new SyntaxProblem(`invalid keyword '${token.text}'`);
    default:
      throw new SyntaxProblem("expecting value");
  }
}

const LOWEST = -(1n << 63n);
const HIGHEST = (1n << 64n) - 1n;
const MAX_INTEGER_DIGITS = 21;

function numberValue(text: string): JsonValue {
  if (/^-?[0-9]+$/.test(text) && text.length <= MAX_INTEGER_DIGITS) {
    const integer = BigInt(text);
    if (integer >= LOWEST && integer <= HIGHEST) return integer;
  }
  return Number(text);
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function stringValue(text: string): string {
  const plain = decodeUtf8(text.slice(1, -1));
  if (!plain.includes("\\")) return plain;
  const unescaped = plain.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gsu, (_all, digits?: string, character?: string) => {
    if (digits !== undefined) return String.fromCharCode(Number.parseInt(digits, 16));
    const meant = ESCAPES[character ?? ""];
    if (meant === undefined) throw new SyntaxProblem("invalid escape sequence in string");
    return meant;
  });
  const lone = /[\ud800-\udfff]/u.exec(unescaped)?.[0];
  if (lone !== undefined) {
    throw new SyntaxProblem(`\\u${lone.charCodeAt(0).toString(16)} is not a valid Unicode character`);
  }
  return unescaped;
}

function decodeUtf8(bytes: string): string {
  if (!/[\x80-\xff]/.test(bytes)) return bytes;
  try {
    return UTF8.decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0)));
  } catch {
    throw new SyntaxProblem("invalid UTF-8 sequence in string");
  }
}
