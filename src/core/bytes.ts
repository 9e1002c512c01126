/**
 * Big-endian byte writer and reader, as QEMU's migration stream uses them.
 * Spec: QEMU docs/devel/migration, "stream structure": every integer is big-endian.
 */

/** Appends integers to a growing buffer. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
  }
  u16(value: number): void {
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
  }
  u32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
  }
  u64(value: bigint): void {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, value);
  }
  bytes(source: Uint8Array): void {
    const at = this.#grow(source.length);
    this.#bytes.set(source, at);
  }
  /** A length byte, then that many characters (ASCII, at most 255). */
  shortString(text: string): void {
    this.u8(text.length);
    this.bytes(Uint8Array.from(text, (c) => c.charCodeAt(0)));
  }
  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #grow(lengthBytes: number): number {
    const at = this.#length;
    this.#length += lengthBytes;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

/** Thrown when a reader runs past its end: the input is truncated. */
export class TruncatedError extends Error {
  readonly code = "truncated";
  constructor(wantedBytes: number, leftBytes: number) {
    super(`the data is truncated: ${wantedBytes} more bytes are needed, ${leftBytes} are left`);
  }
}

/** Takes integers off a buffer; throws {@link TruncatedError} past its end. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get position(): number {
    return this.#at;
  }
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** The next byte, which stays. */
  peek(): number {
    const value = this.u8();
    this.#at -= 1;
    return value;
  }
  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }
  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }
  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }
  bytes(lengthBytes: number): Uint8Array {
    const at = this.#take(lengthBytes);
    return this.#bytes.subarray(at, at + lengthBytes);
  }
  shortString(): string {
    return String.fromCharCode(...this.bytes(this.u8()));
  }

  #take(lengthBytes: number): number {
    if (lengthBytes > this.left) throw new TruncatedError(lengthBytes, this.left);
    const at = this.#at;
    this.#at += lengthBytes;
    return at;
  }
}
