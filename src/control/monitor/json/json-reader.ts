/**
 * A client's bytes into JSON values: a value ends where its brackets do, so line ends mean nothing.
 *
 *   bytes -> JsonLexer -> tokens of one value -> JsonValue or what is wrong with it
 *
 * What is kept of an unfinished value is bounded. Spec: RFC 8259; error sentences as QEMU's, which clients show.
 */
import { JsonLexer, type Token } from "#control/monitor/json/json-lexer.ts";
import { parseTokens } from "#control/monitor/json/json-parser.ts";
import type { JsonValue } from "#control/monitor/json/json-value.ts";

export type JsonReaderEvents = {
  value(value: JsonValue): void;
  error(what: string): void;
};

const MAX_DEPTH = 1024;
const MAX_TOKENS = 200_000;
const MAX_VALUE_BYTES = 4 << 20;

export class JsonReader {
  readonly #events: JsonReaderEvents;
  readonly #lexer: JsonLexer;
  #tokens: Token[] = [];
  #depth = 0;
  #lengthBytes = 0;

  constructor(events: JsonReaderEvents) {
    this.#events = events;
    this.#lexer = new JsonLexer({
      token: (token) => this.#take(token),
      error: (what) => this.#fail(what),
    });
  }

  feed(bytes: Uint8Array): void {
    this.#lexer.feed(bytes);
  }

  /** Forgets a value that has begun. */
  reset(): void {
    this.#lexer.reset();
    this.#forget();
  }

  #take(token: Token): void {
    this.#tokens.push(token);
    this.#lengthBytes += token.text.length;
    if (token.kind === "punctuation") {
      if (token.text === "{" || token.text === "[") this.#depth++;
      else if (token.text === "}" || token.text === "]") this.#depth--;
    }
    if (this.#depth > MAX_DEPTH) return this.#fail("JSON nesting depth limit exceeded");
    if (this.#tokens.length > MAX_TOKENS) return this.#fail("JSON token count limit exceeded");
    if (this.#lengthBytes > MAX_VALUE_BYTES) return this.#fail("JSON token size limit exceeded");
    if (this.#depth <= 0) this.#finish();
  }

  #finish(): void {
    const tokens = this.#tokens;
    this.#forget();
    const result = parseTokens(tokens);
    if ("error" in result) this.#events.error(`JSON parse error, ${result.error}`);
    else this.#events.value(result.value);
  }

  #fail(what: string): void {
    this.#forget();
    this.#events.error(what);
  }

  #forget(): void {
    this.#tokens = [];
    this.#depth = 0;
    this.#lengthBytes = 0;
  }
}
