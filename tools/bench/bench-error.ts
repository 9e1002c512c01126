/** What goes wrong in a benchmark: missing tools, an emulator that dies or hangs, a wrong option. */

export type BenchErrorCode = "usage" | "missing-tool" | "compile" | "emulator" | "timeout";

/** `message` is a sentence for the user that says what to do or what happened last. */
export class BenchError extends Error {
  readonly code: BenchErrorCode;

  constructor(code: BenchErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
