/**
 * Numbers as a person types them: `$pc + 8`, `0x1000 | 2`, `'a'`, `-(1+2)*3`, in 64 bits that wrap around.
 *
 *   sum: logic { +|- logic }   logic: product { &|'|'|^ product }   product: unary { *|/|% unary }
 *   unary: + - ~ unary | ( sum ) | 'c' | $register | number (0x, leading 0: octal)
 */
import { HmpSyntaxError } from "#control/monitor/hmp/hmp-error.ts";

/** The value of a register by its name without `$`; undefined when there is none of the name. */
export type RegisterLookup = (name: string) => bigint | undefined;

const MAX_DEPTH = 100;
const SPACE = /\s*/y;
const NAME = /[A-Za-z0-9_.]+/y;
const NUMBER = /0[xX][0-9a-fA-F]+|[0-9]+/y;

/** Reads an expression from `text` on; `end` is where it stops. Throws {@link HmpSyntaxError}. */
export function readExpression(
  text: string,
  start: number,
  register: RegisterLookup,
): { readonly value: bigint; readonly end: number } {
  const reader = new ExpressionReader(text, start, register);
  const value = reader.sum(0);
  return { value, end: reader.at };
}

type Operator = (a: bigint, b: bigint) => bigint;
const SUMS: Readonly<Record<string, Operator>> = { "+": (a, b) => a + b, "-": (a, b) => a - b };
const LOGIC: Readonly<Record<string, Operator>> = {
  "&": (a, b) => a & b,
  "|": (a, b) => a | b,
  "^": (a, b) => a ^ b,
};
const PRODUCTS: Readonly<Record<string, Operator>> = {
  "*": (a, b) => a * b,
  "/": (a, b) => a / nonZero(b),
  "%": (a, b) => a % nonZero(b),
};

function nonZero(value: bigint): bigint {
  if (value === 0n) throw new HmpSyntaxError("division by zero");
  return value;
}

class ExpressionReader {
  readonly #text: string;
  readonly #register: RegisterLookup;
  at: number;

  constructor(text: string, start: number, register: RegisterLookup) {
    this.#text = text;
    this.at = start;
    this.#register = register;
  }

  sum(depth: number): bigint {
    return this.#chain(SUMS, () => this.#chain(LOGIC, () => this.#chain(PRODUCTS, () => this.#unary(depth))));
  }

  #chain(operators: Readonly<Record<string, Operator>>, operand: () => bigint): bigint {
    let value = operand();
    for (;;) {
      const operator = operators[this.#peek() ?? ""];
      if (!operator) return value;
      this.at++;
      value = BigInt.asIntN(64, operator(value, operand()));
    }
  }

  #unary(depth: number): bigint {
    if (depth > MAX_DEPTH) throw new HmpSyntaxError("expression is too deep");
    const first = this.#peek();
    switch (first) {
      case undefined:
        throw new HmpSyntaxError("unexpected end of expression");
      case "+":
        this.at++;
        return this.#unary(depth + 1);
      case "-":
        this.at++;
        return BigInt.asIntN(64, -this.#unary(depth + 1));
      case "~":
        this.at++;
        return ~this.#unary(depth + 1);
      case "(": {
        this.at++;
        const value = this.sum(depth + 1);
        if (this.#peek() !== ")") throw new HmpSyntaxError("')' expected");
        this.at++;
        return value;
      }
      case "'":
        return this.#character();
      case "$": {
        this.at++;
        const value = this.#register(this.#take(NAME) ?? "");
        if (value === undefined) throw new HmpSyntaxError("unknown register");
        return value;
      }
      default:
        return this.#number(first);
    }
  }

  #character(): bigint {
    const code = this.#text.charCodeAt(this.at + 1);
    if (Number.isNaN(code)) throw new HmpSyntaxError("character constant expected");
    if (this.#text[this.at + 2] !== "'") throw new HmpSyntaxError("missing terminating ' character");
    this.at += 3;
    return BigInt(code);
  }

  #number(first: string): bigint {
    const digits = this.#take(NUMBER);
    if (digits === undefined) throw new HmpSyntaxError(`invalid char '${first}' in expression`);
    const isOctal = /^0[0-7]+$/.test(digits);
    const value = BigInt(isOctal ? `0o${digits.slice(1)}` : digits.replace(/^0+(?=[0-9])/, ""));
    if (value >= 1n << 64n) throw new HmpSyntaxError("number too large");
    return BigInt.asIntN(64, value);
  }

  #peek(): string | undefined {
    this.#take(SPACE);
    return this.#text[this.at];
  }

  #take(token: RegExp): string | undefined {
    token.lastIndex = this.at;
    const match = token.exec(this.#text)?.[0];
    this.at += match?.length ?? 0;
    return match;
  }
}
