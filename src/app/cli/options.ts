/**
 * The option table: look-up by name, and the help text.
 */

import type { Draft } from "./draft.ts";
import type { OptionRow, OptionSection } from "./option-row.ts";
import { ABSENT_ROWS } from "./rows-absent.ts";
import { BLOCK_ROWS } from "./rows-block.ts";
import { CHAR_ROWS, DISPLAY_ROWS } from "./rows-char.ts";
import { BOOT_ROWS, MACHINE_ROWS } from "./rows-machine.ts";
import { DEBUG_ROWS, PROCESS_ROWS } from "./rows-process.ts";
import { PROGRAM_NAME } from "./version.ts";

const GENERAL_ROWS: readonly OptionRow[] = [
  {
    names: ["h", "help"],
    help: ["show this and exit"],
    apply: (draft) => {
      draft.print = { text: helpText(), exitCode: 0 };
    },
  },
  {
    names: ["version"],
    help: ["show the version and exit"],
    apply: (draft) => {
      draft.print = { text: versionText(draft), exitCode: 0 };
    },
  },
];

export const SECTIONS: readonly OptionSection[] = [
  { title: "General", rows: GENERAL_ROWS },
  { title: "Machine", rows: MACHINE_ROWS },
  { title: "Kernel and firmware", rows: BOOT_ROWS },
  { title: "Disks", rows: BLOCK_ROWS },
  { title: "Character devices", rows: CHAR_ROWS },
  { title: "Display", rows: DISPLAY_ROWS },
  { title: "Process", rows: PROCESS_ROWS },
  { title: "Logs and debugging", rows: DEBUG_ROWS },
];

const ROWS_BY_NAME: ReadonlyMap<string, OptionRow> = new Map(
  [...SECTIONS.flatMap((section) => section.rows), ...ABSENT_ROWS].flatMap((row) =>
    row.names.map((name) => [name, row]),
  ),
);

/** The row of an option's name without dashes. */
export function findOption(name: string): OptionRow | undefined {
  return ROWS_BY_NAME.get(name);
}

/** All names, without dashes. */
export function optionNames(): Iterable<string> {
  return ROWS_BY_NAME.keys();
}

const HELP_INDENT = " ".repeat(16);

/** All options by section. */
export function helpText(): string {
  const sections = SECTIONS.map(({ title, rows }) => `${title}:\n${rows.map(describeOption).join("")}`);
  return [
    `usage: ${PROGRAM_NAME} [options] [disk_image]\n\nEvery option takes one dash or two.\n`,
    ...sections,
    "Keys with -nographic and mon:stdio:\nCtrl-A H         list them\nCtrl-A X         exit\nCtrl-A Ctrl-A    send Ctrl-A\n",
  ].join("\n");
}

function describeOption(row: OptionRow): string {
  const names = row.names.map((name) => `-${name}`).join(", ");
  const head = row.argument === undefined ? names : `${names} ${row.argument}`;
  const [first = "", ...others] = row.help;
  const lines = others.map((line) => `${HELP_INDENT}${line}\n`).join("");
  if (head.length < HELP_INDENT.length) return `${head.padEnd(HELP_INDENT.length)}${first}\n${lines}`;
  return `${head}\n${HELP_INDENT}${first}\n${lines}`;
}

function versionText(draft: Draft): string {
  return `Tinamou emulator version ${draft.known.version}\n`;
}
