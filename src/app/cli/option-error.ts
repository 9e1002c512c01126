/**
 * What is wrong with a command line, as one line for the user.
 */

import { oneLine } from "#core/one-line.ts";

export type OptionErrorCode =
  /** No option has this name. */
  | "invalid-option"
  /** The option stands last and its argument is missing. */
  | "missing-argument"
  /** The argument does not follow its grammar. */
  | "syntax"
  /** A machine, CPU, device, driver, property or parameter that does not exist. */
  | "unknown-name"
  /** The name is right and the value is not. */
  | "bad-value"
  /** A parameter that must be given is absent. */
  | "missing-parameter"
  /** An id or a slot is taken twice. */
  | "duplicate"
  /** Two options that cannot go together. */
  | "conflict"
  /** A drive, chardev, object or bus that is referred to and not defined. */
  | "unknown-reference"
  /** QEMU has it and this version has not. */
  | "not-available";

/** `message` is one line without the program's name: control characters of the user's text are escaped. */
export class OptionError extends Error {
  override readonly name = "OptionError";
  readonly code: OptionErrorCode;

  constructor(code: OptionErrorCode, message: string) {
    super(oneLine(message));
    this.code = code;
  }
}

/** An option as the user typed it (`option` with its dashes); `text` is absent when it takes no argument. */
export type OptionUse = { readonly option: string; readonly text?: string };

/** A value and the option it comes from, for errors found later. */
export type Located<T> = { readonly use: OptionUse; readonly value: T };

/** Runs `body` and puts the option in front of an error's sentence: `-device foo: ...`. */
export function within<T>(use: OptionUse, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof OptionError) throw new OptionError(error.code, `${describeUse(use)}: ${error.message}`);
    throw error;
  }
}

function describeUse(use: OptionUse): string {
  return use.text === undefined ? use.option : `${use.option} ${use.text}`;
}
