/**
 * The protocol layer of block backends: bytes at offsets of something on the host, without any format.
 * A format (raw) makes a `Disk` of it.
 */

/** Thread: machine. Operations may overlap; they reject with the host's error. */
export type BlockFile = {
  /** For messages: the path. */
  readonly name: string;
  /** The size when it was opened. */
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** What it takes of the host's storage now; undefined where that is not known. */
  allocatedBytes?(): number | undefined;
  /** Fills `into`; beyond the end of the file there are zeros. */
  read(offset: number, into: Uint8Array): Promise<void>;
  /** Writes all of `from`; the file grows when that goes beyond its end. */
  write(offset: number, from: Uint8Array): Promise<void>;
  /** Resolves when what was written before is on stable storage. */
  flush(): Promise<void>;
  close(): Promise<void>;
};

export type ImageErrorCode =
  | "missing"
  | "directory"
  | "not-a-file"
  | "permission"
  | "empty"
  | "bad-range"
  | "read-only"
  | "io";

/** A disk image that cannot be used; the message says what to do. */
export class ImageError extends Error {
  readonly code: ImageErrorCode;
  constructor(code: ImageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
