import { oneLine } from "#core/one-line.ts";

/** A migration that failed, or cannot be done; the message is one line, whatever the other side sent. */
export class MigrationError extends Error {
  readonly code = "migration";
  constructor(message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
  }
}
