/** The return path of a migration: what the destination tells the source. be16 type, be16 length, body. */
import type { ByteChannel } from "#core/host.ts";
import { ByteWriter } from "#core/bytes.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import type { StreamReader } from "#control/migration/stream-reader.ts";
import { ReturnMessage } from "#control/migration/wire.ts";

/** Pages that the destination wants first; `name` is that of a RAM block. */
export type WantedPages = { readonly name: string; readonly start: number; readonly lengthBytes: number };

/** Shortest and longest body of each message. */
const LENGTHS: ReadonlyMap<number, readonly [number, number]> = new Map([
  [ReturnMessage.Shut, [4, 4]],
  [ReturnMessage.Pong, [4, 4]],
  [ReturnMessage.ReqPagesId, [13, 13 + 255]],
  [ReturnMessage.ReqPages, [12, 12]],
]);

/** Resolves when the destination says that all is well; rejects when it says otherwise, or nothing. */
export async function readReturnPath(reader: StreamReader, wanted: (pages: WantedPages) => void): Promise<void> {
  let name: string | undefined;
  for (;;) {
    await reader.need(4);
    const [type, lengthBytes] = [reader.u16(), reader.u16()];
    const [least, most] = LENGTHS.get(type) ?? [1, 0];
    if (lengthBytes < least || lengthBytes > most) {
      throw new MigrationError(`the destination sent message ${type} with ${lengthBytes} bytes, which is none`);
    }
    await reader.need(lengthBytes);
    if (type === ReturnMessage.Pong) reader.u32();
    else if (type === ReturnMessage.Shut) {
      if (reader.u32() !== 0) throw new MigrationError("the destination could not load the machine");
      return;
    } else {
      const [start, length] = [reader.u64(), reader.u32()];
      if (type === ReturnMessage.ReqPagesId) {
        const nameBytes = reader.u8();
        if (nameBytes !== lengthBytes - 13)
          throw new MigrationError("the destination wants pages of a block without a name");
        name = reader.text(nameBytes);
      }
      if (name === undefined) throw new MigrationError("the destination wants pages of no block");
      wanted({ name, start, lengthBytes: length });
    }
  }
}

/** The destination's end. */
export class ReturnPathWriter {
  readonly #channel: ByteChannel;
  constructor(channel: ByteChannel) {
    this.#channel = channel;
  }
  pong(value: number): Promise<void> {
    return this.#send(ReturnMessage.Pong, value);
  }
  /** The last message: 0 when all is well. */
  shut(value: number): Promise<void> {
    return this.#send(ReturnMessage.Shut, value);
  }
  #send(type: number, value: number): Promise<void> {
    const message = new ByteWriter();
    message.u16(type);
    message.u16(4);
    message.u32(value);
    return this.#channel.write(message.finish());
  }
}
