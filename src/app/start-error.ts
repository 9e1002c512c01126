/** A machine that cannot be started: a sentence for the user. */
export class StartError extends Error {
  readonly code = "cannot-start";
}
