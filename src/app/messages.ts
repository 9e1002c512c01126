/**
 * Lines for the user on standard error, in QEMU's form: [time] [guest] program: line.
 */
import { PROGRAM_NAME } from "#app/cli/version.ts";

let prefix = (): string => "";

/** How later lines begin (`-msg timestamp=on,guest-name=on`). */
export function setMessagePrefix(options: {
  readonly timestamps: boolean;
  readonly guestName?: string | undefined;
}): void {
  const name = options.guestName === undefined ? "" : `${options.guestName} `;
  prefix = () => `${options.timestamps ? `${new Date().toISOString()} ` : ""}${name}`;
}

let isGuarded = false;

/** Writes a line for the user, if anybody still reads it. */
export function say(line: string): void {
  if (!isGuarded) process.stderr.on("error", () => {});
  isGuarded = true;
  process.stderr.write(`${prefix()}${PROGRAM_NAME}: ${line}\n`);
}
