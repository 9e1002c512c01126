/**
 * Writes a stream to a channel in large pieces: one is filled while the other goes out.
 */
import type { ByteChannel } from "#core/host.ts";

const PIECE_BYTES = 1 << 20;

/** Where pieces lie, and how bytes get there. */
export type StreamRoom = {
  /** Two pieces. */
  readonly streamRoom: Uint8Array;
  readonly copy: (to: Uint8Array, at: number, from: Uint8Array) => void;
};

export class StreamWriter {
  readonly #channel: Pick<ByteChannel, "write">;
  readonly #copy: StreamRoom["copy"];
  #piece: Uint8Array;
  #other: Uint8Array;
  #view: DataView;
  #length = 0;
  /** What is written at the moment, or failed; undefined when that has gone out. */
  #underWay: Promise<void> | undefined;
  /** Bytes written so far, those not yet gone out among them. */
  written = 0;

  /** `room`: that of the machine whose memory is written; nobody else has it. */
  constructor(channel: Pick<ByteChannel, "write">, room?: StreamRoom) {
    this.#channel = channel;
    this.#copy = room?.copy ?? ((to, at, from) => to.set(from, at));
    const bytes = room?.streamRoom ?? new Uint8Array(2 * PIECE_BYTES);
    this.#piece = bytes.subarray(0, PIECE_BYTES);
    this.#other = bytes.subarray(PIECE_BYTES, 2 * PIECE_BYTES);
    this.#view = viewOf(this.#piece);
  }

  /** Bytes that can be written without waiting. */
  get room(): number {
    return PIECE_BYTES - this.#length;
  }

  /** Hands over what is filled; resolves when there is room for a piece. */
  async flush(): Promise<void> {
    if (this.#underWay) await this.#underWay;
    if (this.#length === 0) return;
    const full = this.#piece.subarray(0, this.#length);
    [this.#piece, this.#other] = [this.#other, this.#piece];
    this.#view = viewOf(this.#piece);
    this.#length = 0;
    const own = this.#channel.write(full);
    this.#underWay = own;
    own.then(
      () => {
        if (this.#underWay === own) this.#underWay = undefined;
      },
      // Who flushes next hears of it.
      () => {},
    );
  }
  /** Resolves when everything has gone out. */
  async drain(): Promise<void> {
    await this.flush();
    await this.#underWay;
  }

  /** Waits for room for `lengthBytes`, a piece at most. */
  async need(lengthBytes: number): Promise<void> {
    if (this.room < lengthBytes) await this.flush();
  }

  u8(value: number): void {
    this.#view.setUint8(this.#take(1), value);
  }
  u16(value: number): void {
    this.#view.setUint16(this.#take(2), value);
  }
  u32(value: number): void {
    this.#view.setUint32(this.#take(4), value);
  }
  u64(value: number): void {
    const at = this.#take(8);
    this.#view.setUint32(at, Math.floor(value / 2 ** 32));
    this.#view.setUint32(at + 4, value % 2 ** 32);
  }
  bytes(source: Uint8Array): void {
    const at = this.#take(source.length);
    this.#copy(this.#piece, at, source);
  }
  shortString(text: string): void {
    this.u8(text.length);
    this.bytes(Uint8Array.from(text, (c) => c.charCodeAt(0)));
  }
  /** Any number of bytes. */
  async longBytes(source: Uint8Array): Promise<void> {
    for (let at = 0; at < source.length; at += PIECE_BYTES / 2) {
      const part = source.subarray(at, at + PIECE_BYTES / 2);
      await this.need(part.length);
      this.bytes(part);
    }
  }

  #take(lengthBytes: number): number {
    if (lengthBytes > this.room) throw new RangeError("nobody waited for room in the stream");
    const at = this.#length;
    this.#length += lengthBytes;
    this.written += lengthBytes;
    return at;
  }
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length);
}
