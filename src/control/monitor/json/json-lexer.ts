/**
 * Bytes of a QMP client into tokens, as they come in.
 *
 *   bytes -> characters (one a byte) -> tokens -> onToken;  what is no token -> onError, then on from the next separator
 *
 * Strings may stand in single quotes, as in QEMU. What is kept is bounded whatever comes in.
 */

export type Token = {
  readonly kind: "punctuation" | "string" | "number" | "keyword";
  /** One character a byte; strings with their quotes. */
  readonly text: string;
};

export type LexerEvents = {
  token(token: Token): void;
  /** `what` is the reason as a sentence without a full stop. */
  error(what: string): void;
};

const MAX_TOKEN_BYTES = 1 << 20;

const SPACE = /[ \t\r\n]/;
const PUNCTUATION = /[{}[\],:]/;
const NUMBER_START = /[-0-9]/;
const NUMBER_PART = /[-+.0-9eE]/;
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$/;
const WORD_PART = /[a-z]/;

type State = "between" | "string" | "escape" | "number" | "word" | "recovery";

export class JsonLexer {
  readonly #events: LexerEvents;
  #state: State = "between";
  #token = "";
  /** What ends the string. Not read from the token: that would copy it for every character. */
  #quote = "";

  constructor(events: LexerEvents) {
    this.#events = events;
  }

  feed(bytes: Uint8Array): void {
    for (const byte of bytes) this.#take(String.fromCharCode(byte));
  }

  /** Forgets the token that has begun. */
  reset(): void {
    this.#state = "between";
    this.#token = "";
  }

  #take(character: string): void {
    switch (this.#state) {
      case "string":
        return this.#inString(character);
      case "escape":
        this.#state = "string";
        this.#append(character);
        return;
      case "number":
        if (NUMBER_PART.test(character)) return this.#append(character);
        this.#endNumber();
        return this.#between(character);
      case "word":
        if (WORD_PART.test(character)) return this.#append(character);
        this.#end("keyword");
        return this.#between(character);
      case "recovery":
        if (!SPACE.test(character) && !PUNCTUATION.test(character)) return;
        this.reset();
        return this.#between(character);
      default:
        this.#between(character);
    }
  }

  #between(character: string): void {
    if (SPACE.test(character)) return;
    this.#token = character;
    if (PUNCTUATION.test(character)) this.#end("punctuation");
    else if (character === '"' || character === "'") {
      this.#state = "string";
      this.#quote = character;
    } else if (NUMBER_START.test(character)) this.#state = "number";
    else if (WORD_PART.test(character)) this.#state = "word";
    else this.#fail(`JSON parse error, stray '${printable(character)}'`);
  }

  #inString(character: string): void {
    if (character < " ") return this.#fail(`JSON parse error, stray '${printable(this.#token)}'`);
    if (character === "\\") this.#state = "escape";
    this.#append(character);
    if (character === this.#quote && this.#state === "string") this.#end("string");
  }

  #append(character: string): void {
    this.#token += character;
    if (this.#token.length > MAX_TOKEN_BYTES) this.#fail("JSON token size limit exceeded");
  }

  #endNumber(): void {
    if (NUMBER.test(this.#token)) this.#end("number");
    else {
      this.#fail(`JSON parse error, stray '${printable(this.#token)}'`);
      this.reset();
    }
  }

  #end(kind: Token["kind"]): void {
    const text = this.#token;
    this.reset();
    this.#events.token({ kind, text });
  }

  #fail(what: string): void {
    this.#token = "";
    this.#state = "recovery";
    this.#events.error(what);
  }
}

const SHOWN_CHARACTERS = 40;
function printable(text: string): string {
  return text
    .slice(0, SHOWN_CHARACTERS)
    .replace(/[^\x20-\x7e]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
