/**
 * A file given for `-kernel` or `-bios` that cannot be used: `code` for programs, a sentence with what to do for people.
 */
export class ImageError extends Error {
  readonly code: ImageErrorCode;
  constructor(code: ImageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ImageError";
    this.code = code;
  }
}

export type ImageErrorCode =
  /** None of the formats that are known. */
  | "unknown-format"
  /** For another processor, or of another byte order. */
  | "wrong-machine"
  /** Ends before its headers say that it does. */
  | "truncated"
  /** The headers contradict each other, or the compressed data is damaged. */
  | "invalid"
  /** Compressed in a way that is not unpacked here. */
  | "unsupported-compression"
  /** Larger than the limit once it is unpacked. */
  | "too-large";
