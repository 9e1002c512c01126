/** The return path of a migration: what the destination tells the source. be16 type, be16 length, body. */
import type { ByteChannel } from "#core/host.ts";
import { ByteWriter } from "#core/bytes.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import type { StreamReader } from "#control/migration/stream-reader.ts";
import { BITMAP_END, RESUME_ACK, ReturnMessage } from "#control/migration/wire.ts";

/** Pages that the destination wants first; `name` is that of a RAM block. */
export type WantedPages = { readonly name: string; readonly start: number; readonly lengthBytes: number };

/** Pages of a block that have come, a bit each from bit 0 of byte 0 on. */
export type ReceivedPages = { readonly name: string; readonly bits: Uint8Array };
/** What is thrown in them ends the reading. */
export type ReturnPathHandlers = {
  readonly pong: (value: number) => void;
  readonly wanted: (pages: WantedPages) => void;
  readonly received: (pages: ReceivedPages) => Promise<void> | void;
  readonly resumed: () => void;
};
/** The destination's last word: all is well, or it cannot load the machine. */
export type LastWord = "done" | "refused";

/** Shortest and longest body of each message. */
const LENGTHS: ReadonlyMap<number, readonly [number, number]> = new Map([
  [ReturnMessage.Shut, [4, 4]],
  [ReturnMessage.Pong, [4, 4]],
  [ReturnMessage.ReqPagesId, [13, 13 + 255]],
  [ReturnMessage.ReqPages, [12, 12]],
  [ReturnMessage.RecvBitmap, [2, 1 + 255]],
  [ReturnMessage.ResumeAck, [4, 4]],
]);
const NONE = [1, 0] as const;
/** Of a block of 128 GiB. */
const BITMAP_LIMIT_BYTES = 4 << 20;

/** Resolves with the destination's last word; rejects with `MigrationError` or the channel's error when there is none. */
export async function readReturnPath(reader: StreamReader, handlers: ReturnPathHandlers): Promise<LastWord> {
  let name: string | undefined;
  for (;;) {
    if (!reader.has(4)) await reader.need(4);
    const type = reader.u16();
    const lengthBytes = reader.u16();
    const [least, most] = LENGTHS.get(type) ?? NONE;
    if (lengthBytes < least || lengthBytes > most) {
      throw new MigrationError(`the destination sent message ${type} with ${lengthBytes} bytes, which is none`);
    }
    if (!reader.has(lengthBytes)) await reader.need(lengthBytes);
    switch (type) {
      case ReturnMessage.Pong:
        handlers.pong(reader.u32());
        break;
      case ReturnMessage.Shut:
        return reader.u32() === 0 ? "done" : "refused";
      case ReturnMessage.RecvBitmap:
        await handlers.received(await readBitmap(reader, lengthBytes));
        break;
      case ReturnMessage.ResumeAck:
        if (reader.u32() !== RESUME_ACK) throw new MigrationError("the destination does not go on");
        handlers.resumed();
        break;
      default: {
        const start = reader.u64();
        const length = reader.u32();
        if (type === ReturnMessage.ReqPagesId) name = ownName(reader, lengthBytes - 12);
        if (name === undefined) throw new MigrationError("the destination wants pages of no block");
        handlers.wanted({ name, start, lengthBytes: length });
      }
    }
  }
}

/** A length byte and that many characters, which are the rest of a message of `lengthBytes`. */
function ownName(reader: StreamReader, lengthBytes: number): string {
  const nameBytes = reader.u8();
  if (nameBytes !== lengthBytes - 1 || nameBytes === 0) {
    throw new MigrationError("the destination names no RAM block");
  }
  return reader.text(nameBytes);
}

/** The bitmap follows the message: be64 length, bits, be64 end mark. */
async function readBitmap(reader: StreamReader, lengthBytes: number): Promise<ReceivedPages> {
  const name = ownName(reader, lengthBytes);
  await reader.need(8);
  const bitmapBytes = reader.u64();
  if (bitmapBytes > BITMAP_LIMIT_BYTES) throw new MigrationError(`the map of '${name}' is too long`);
  await reader.need(bitmapBytes + 8);
  const bits = reader.bytes(bitmapBytes).slice();
  const mark = (BigInt(reader.u32()) << 32n) | BigInt(reader.u32());
  if (mark !== BITMAP_END) throw new MigrationError(`the map of '${name}' does not end where it should`);
  return { name, bits };
}

/** What somebody waits for goes without the detours of `ByteWriter`. */
function requestOfSameBlock(start: number, lengthBytes: number): Uint8Array {
  const message = new DataView(new ArrayBuffer(16));
  message.setUint16(0, ReturnMessage.ReqPages);
  message.setUint16(2, 12);
  message.setUint32(4, Math.floor(start / 2 ** 32));
  message.setUint32(8, start % 2 ** 32);
  message.setUint32(12, lengthBytes);
  return new Uint8Array(message.buffer);
}

/** The destination's end. */
export class ReturnPathWriter {
  readonly #channel: Pick<ByteChannel, "write">;
  #name: string | undefined;

  constructor(channel: Pick<ByteChannel, "write">) {
    this.#channel = channel;
  }
  pong(value: number): Promise<void> {
    return this.#send(ReturnMessage.Pong, (body) => body.u32(value));
  }
  /** The last message: 0 when all is well. */
  shut(value: number): Promise<void> {
    return this.#send(ReturnMessage.Shut, (body) => body.u32(value));
  }
  resumeAck(): Promise<void> {
    return this.#send(ReturnMessage.ResumeAck, (body) => body.u32(RESUME_ACK));
  }
  request({ name, start, lengthBytes }: WantedPages): Promise<void> {
    if (name === this.#name) return this.#channel.write(requestOfSameBlock(start, lengthBytes));
    this.#name = name;
    return this.#send(ReturnMessage.ReqPagesId, (body) => {
      body.u64(BigInt(start));
      body.u32(lengthBytes);
      body.shortString(name);
    });
  }
  /** The bits are padded to a multiple of 8 bytes. */
  received({ name, bits }: ReceivedPages): Promise<void> {
    const padding = new Uint8Array(-bits.length & 7);
    return this.#send(
      ReturnMessage.RecvBitmap,
      (body) => body.shortString(name),
      (behind) => {
        behind.u64(BigInt(bits.length + padding.length));
        behind.bytes(bits);
        behind.bytes(padding);
        behind.u64(BITMAP_END);
      },
    );
  }
  #send(type: number, fill: (body: ByteWriter) => void, add: (behind: ByteWriter) => void = () => {}): Promise<void> {
    const [message, body] = [new ByteWriter(), new ByteWriter()];
    fill(body);
    const bytes = body.finish();
    message.u16(type);
    message.u16(bytes.length);
    message.bytes(bytes);
    add(message);
    return this.#channel.write(message.finish());
  }
}
