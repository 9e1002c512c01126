/** A connection whose other end is a test: what was written, and a way to answer. */
import { ByteWriter } from "#core/bytes.ts";
import type { ByteChannel } from "#core/host.ts";

export class ScriptedChannel {
  readonly #chunks: Uint8Array[] = [];
  readonly #answers: Uint8Array[] = [];
  #readers: (() => void)[] = [];
  isGone = false;

  readonly channel: ByteChannel = {
    isDuplex: true,
    read: async () => {
      while (this.#answers.length === 0 && !this.isGone) await this.#more();
      return this.#answers.shift();
    },
    write: async (bytes) => {
      if (this.isGone) throw new Error("gone");
      this.#chunks.push(bytes.slice());
    },
    close: async () => this.leave(),
    abort: () => this.leave(),
  };
  #more(): Promise<void> {
    return new Promise((resolve) => void this.#readers.push(resolve));
  }
  #wake(): void {
    for (const resolve of this.#readers.splice(0)) resolve();
  }
  /** All that was written. */
  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#chunks));
  }
  /** What was said and not read yet. */
  get unread(): readonly Uint8Array[] {
    return this.#answers;
  }
  /** Breaks the connection; what was said before can be read. */
  leave(): void {
    this.isGone = true;
    this.#wake();
  }
  send(bytes: Uint8Array): void {
    this.#answers.push(bytes);
    this.#wake();
  }
  /** A message of the return path. */
  answer(type: number, body: (to: ByteWriter) => void, behind: (to: ByteWriter) => void = () => {}): void {
    const [message, content] = [new ByteWriter(), new ByteWriter()];
    body(content);
    message.u16(type);
    message.u16(content.length);
    message.bytes(content.finish());
    behind(message);
    this.send(message.finish());
  }
  pong(value: number): void {
    this.answer(2, (to) => to.u32(value));
  }
  request(block: string, start: number, lengthBytes: number): void {
    this.answer(3, (to) => {
      to.u64(BigInt(start));
      to.u32(lengthBytes);
      to.shortString(block);
    });
  }
  /** Ends the migration: 0 is well. */
  shut(value: number): void {
    this.answer(1, (to) => to.u32(value));
  }
  bitmap(block: string, bits: Uint8Array): void {
    this.answer(
      5,
      (to) => to.shortString(block),
      (to) => {
        to.u64(BigInt(bits.length));
        to.bytes(bits);
        to.u64(0x0123_4567_89ab_cdefn);
      },
    );
  }
}

/** Looks until `condition` holds. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}
