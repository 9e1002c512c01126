import { oneLine } from "#core/one-line.ts";

/** A snapshot that cannot be made, found or loaded; the message is one line, whatever a file or a name holds. */
export class SnapshotError extends Error {
  readonly code = "snapshot";
  constructor(message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
  }
}
