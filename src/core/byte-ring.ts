/**
 * A ring of bytes in shared memory: one producer thread at a time, one consumer thread.
 * Layout: i32 head (next write, owner: producer), i32 tail (next read, owner: consumer), then the data.
 * Order: data before head (producer), data before tail (consumer); both counters only grow, modulo 2^32.
 */
export class ByteRing {
  static readonly HEADER_BYTES = 8;
  readonly #words: Int32Array;
  readonly #data: Uint8Array;
  readonly #mask: number;

  /** `capacityBytes` is a power of two; the ring takes `HEADER_BYTES + capacityBytes` at `offset` (a multiple of 4). */
  constructor(memory: ArrayBufferLike, offset: number, capacityBytes: number) {
    this.#words = new Int32Array(memory, offset, 2);
    this.#data = new Uint8Array(memory, offset + ByteRing.HEADER_BYTES, capacityBytes);
    this.#mask = capacityBytes - 1;
  }

  get used(): number {
    return (Atomics.load(this.#words, 0) - Atomics.load(this.#words, 1)) | 0;
  }
  get free(): number {
    return this.#data.length - this.used;
  }

  /** Appends one byte; false when the ring is full. Thread: producer. */
  push(byte: number): boolean {
    const head = Atomics.load(this.#words, 0);
    if (((head - Atomics.load(this.#words, 1)) | 0) >= this.#data.length) return false;
    this.#data[head & this.#mask] = byte;
    Atomics.store(this.#words, 0, (head + 1) | 0);
    return true;
  }

  /** Removes and returns everything that is there. Thread: consumer. */
  drain(): Uint8Array {
    const tail = Atomics.load(this.#words, 1);
    const length = this.used;
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.#data[(tail + i) & this.#mask] as number;
    Atomics.store(this.#words, 1, (tail + length) | 0);
    Atomics.notify(this.#words, 1);
    return bytes;
  }

  /** Waits until the consumer has made room. Thread: producer. */
  waitForRoom(timeoutMs: number): void {
    const tail = Atomics.load(this.#words, 1);
    if (this.free === 0) Atomics.wait(this.#words, 1, tail, timeoutMs);
  }
}
