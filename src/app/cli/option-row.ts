/**
 * A row of the option table. The parser, the help text and the tests read the same rows.
 */

import type { Draft } from "./draft.ts";
import type { OptionUse } from "./option-error.ts";

export type OptionRow = {
  /** Names without dashes; all of them take one dash or two. */
  readonly names: readonly string[];
  /** How the help text shows the argument; absent for an option that takes none. */
  readonly argument?: string;
  /** Lines of the help text. */
  readonly help: readonly string[];
  /** Takes the option into the draft; `text` is "" when the option takes no argument. Throws `OptionError`. */
  readonly apply: (draft: Draft, text: string, use: OptionUse) => void;
};

/** Options that the help text shows together. */
export type OptionSection = { readonly title: string; readonly rows: readonly OptionRow[] };
