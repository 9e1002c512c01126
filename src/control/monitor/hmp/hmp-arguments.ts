/**
 * The arguments of HMP commands: what a command takes is a list of parameters, from which come the reading of a line
 * and the help text.
 */
import { readExpression, type RegisterLookup } from "#control/monitor/hmp/expression.ts";
import { HmpSyntaxError } from "#control/monitor/hmp/hmp-error.ts";

export type HmpParameter = {
  readonly name: string;
  /**
   * `integer` is an expression; `word` stands between blanks or in quotes; `rest` is the rest of the line;
   * `switch` is `-letter`; `format` is `/fmt` as `x` takes it.
   */
  readonly kind: "integer" | "word" | "rest" | "on-off" | "switch" | "format";
  readonly letter?: string;
  readonly isOptional?: boolean;
};

/** The arguments by name; absent ones are undefined, a switch is true when it is there. */
export type HmpArguments = {
  readonly text: (name: string) => string | undefined;
  readonly integer: (name: string) => bigint | undefined;
  readonly isOn: (name: string) => boolean;
};

/** How the help shows the parameters. */
export function describeParameters(parameters: readonly HmpParameter[]): string {
  return parameters
    .map(({ name, kind, letter, isOptional }) => {
      if (kind === "switch") return `[-${letter}]`;
      if (kind === "format") return "/fmt";
      const shown = kind === "on-off" ? "on|off" : name;
      return isOptional ? `[${shown}]` : shown;
    })
    .join(" ");
}

/** Reads `line` from `start` on. Throws {@link HmpSyntaxError}; `command` is the name for its sentences. */
export function readHmpArguments(
  command: string,
  parameters: readonly HmpParameter[],
  line: string,
  start: number,
  register: RegisterLookup,
): HmpArguments {
  const values = new Map<string, string | bigint | boolean>();
  let at = start;
  const skip = (): void => {
    while (/\s/.test(line[at] ?? "")) at++;
  };
  for (const parameter of parameters) {
    skip();
    const { name, kind, letter, isOptional } = parameter;
    if (kind === "switch") {
      const found = new RegExp(`^-${letter}(?=\\s|$)`).test(line.slice(at));
      if (found) {
        values.set(name, true);
        at += 2;
      }
      continue;
    }
    if (kind === "format") {
      const format = /^\/\S*/.exec(line.slice(at))?.[0];
      if (format !== undefined) {
        values.set(name, format.slice(1));
        at += format.length;
      }
      continue;
    }
    if (at >= line.length && isOptional) continue;
    if (kind === "integer") {
      const { value, end } = readExpression(line, at, register);
      values.set(name, value);
      at = end;
    } else if (kind === "rest") {
      values.set(name, line.slice(at));
      at = line.length;
    } else {
      const word = readWord(command, line, at);
      at = word.end;
      values.set(name, kind === "on-off" ? readOnOff(word.text) : word.text);
    }
  }
  skip();
  if (at < line.length) throw new HmpSyntaxError(`${command}: extraneous characters at the end of line`);
  return {
    text: (name) => values.get(name) as string | undefined,
    integer: (name) => values.get(name) as bigint | undefined,
    isOn: (name) => values.get(name) === true,
  };
}

function readOnOff(word: string): boolean {
  if (word === "on") return true;
  if (word === "off") return false;
  throw new HmpSyntaxError("Expected 'on' or 'off'");
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", "\\": "\\", "'": "'", '"': '"' };

function readWord(command: string, line: string, start: number): { readonly text: string; readonly end: number } {
  if (line[start] !== '"') {
    const text = /^\S*/.exec(line.slice(start))?.[0] ?? "";
    if (text === "") throw new HmpSyntaxError(`${command}: string expected`);
    return { text, end: start + text.length };
  }
  let text = "";
  for (let at = start + 1; at < line.length; at++) {
    const character = line[at] as string;
    if (character === '"') return { text, end: at + 1 };
    if (character !== "\\") text += character;
    else {
      const meant = ESCAPES[line[++at] ?? ""];
      if (meant === undefined) throw new HmpSyntaxError(`unsupported escape code: '\\${line[at] ?? ""}'`);
      text += meant;
    }
  }
  throw new HmpSyntaxError(`${command}: unterminated string`);
}
