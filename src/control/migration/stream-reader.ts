/**
 * Reads a stream from a channel: whoever needs bytes waits for them once, then takes them without waiting.
 *
 *   channel -> buffer -> need(n) -> u8, u32, bytes ...
 */
import { TruncatedError } from "#core/bytes.ts";
import type { ByteChannel } from "#core/host.ts";
import { MigrationError } from "#control/migration/migration-error.ts";

const FIRST_BYTES = 1 << 18;

/** Where the buffer lies, while it is large enough. */
export type ReaderRoom = { readonly streamRoom: Uint8Array };
/** The least that is asked for at a time. */
const READ_BYTES = 1 << 16;
type Source = Pick<ByteChannel, "read" | "readInto">;

export class StreamReader {
  readonly #channel: Source;
  #bytes: Uint8Array;
  #view: DataView;
  #start = 0;
  #end = 0;
  #taken = 0;

  /** `room`: that of the machine whose memory is read; nobody else has it. */
  constructor(channel: Source, room?: ReaderRoom) {
    this.#channel = channel;
    this.#bytes = room?.streamRoom.subarray(0, FIRST_BYTES) ?? new Uint8Array(FIRST_BYTES);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, FIRST_BYTES);
  }

  /** Bytes that can be taken without waiting. */
  get available(): number {
    return this.#end - this.#start;
  }
  /** Bytes taken so far. */
  get position(): number {
    return this.#taken;
  }

  /** They can be taken: who is waited for spares itself {@link need}. */
  has(lengthBytes: number): boolean {
    return this.#end - this.#start >= lengthBytes;
  }

  /** Waits until `lengthBytes` are there, which the caller has bounded. Rejects when the stream ends before. */
  async need(lengthBytes: number): Promise<void> {
    while (this.available < lengthBytes) {
      // Not by `#fill`, which is one promise more: what somebody waits for passes here.
      const more = this.#readInto();
      if (!(more ? this.#took(await more) : await this.#fill())) {
        throw new MigrationError(
          `the stream ends early: at byte ${this.#taken + this.available}, where ${lengthBytes - this.available} more were expected`,
        );
      }
    }
  }

  /** False at the end of the stream. */
  async hasMore(): Promise<boolean> {
    return this.available > 0 || this.#fill();
  }

  /** False at the end. */
  async #fill(): Promise<boolean> {
    const into = this.#readInto();
    if (into) return this.#took(await into);
    const more = await this.#channel.read();
    if (!more) return false;
    this.#makeRoom(more.length);
    this.#bytes.set(more, this.#end);
    this.#end += more.length;
    return true;
  }

  /** How many bytes came, behind those that are there; undefined where the channel gives its own. */
  #readInto(): Promise<number> | undefined {
    if (!this.#channel.readInto) return undefined;
    this.#makeRoom(READ_BYTES);
    return this.#channel.readInto(this.#bytes.subarray(this.#end));
  }
  #took(lengthBytes: number): boolean {
    this.#end += lengthBytes;
    return lengthBytes > 0;
  }

  #makeRoom(lengthBytes: number): void {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#end + lengthBytes <= this.#bytes.length) return;
    const kept = this.#bytes.subarray(this.#start, this.#end);
    if (kept.length + lengthBytes > this.#bytes.length) {
      const larger = new Uint8Array(2 * (kept.length + lengthBytes));
      larger.set(kept);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    } else this.#bytes.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
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
  /** Exact below 2^53; a larger one is beyond every limit anyway. */
  u64(): number {
    const at = this.#take(8);
    return this.#view.getUint32(at) * 2 ** 32 + this.#view.getUint32(at + 4);
  }
  /** A view that is good until the next wait. */
  bytes(lengthBytes: number): Uint8Array {
    const at = this.#take(lengthBytes);
    return this.#bytes.subarray(at, at + lengthBytes);
  }
  text(lengthBytes: number): string {
    return String.fromCharCode(...this.bytes(lengthBytes));
  }
  /** A length byte and that many characters. */
  async shortString(): Promise<string> {
    await this.need(1);
    const lengthBytes = this.u8();
    await this.need(lengthBytes);
    return this.text(lengthBytes);
  }

  /** A copy of what is there, `mostBytes` at most, which is not taken. */
  peek(mostBytes: number): Uint8Array {
    return this.#bytes.slice(this.#start, Math.min(this.#end, this.#start + mostBytes));
  }

  /** Nothing may be taken that `need` has not waited for. */
  #take(lengthBytes: number): number {
    if (lengthBytes > this.available) throw new TruncatedError(lengthBytes, this.available);
    const at = this.#start;
    this.#start += lengthBytes;
    this.#taken += lengthBytes;
    return at;
  }
}
