/** The return path of a migration: what the destination tells the source. be16 type, be16 length, body. */
import type { ByteChannel } from "#core/host.ts";
import { ByteWriter } from "#core/bytes.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import type { StreamReader } from "#control/migration/stream-reader.ts";
import { ReturnMessage } from "#control/migration/wire.ts";

/** Bytes of the messages whose length is fixed. */
const LENGTHS: ReadonlyMap<number, number> = new Map([
  [ReturnMessage.Shut, 4],
  [ReturnMessage.Pong, 4],
]);

/** Resolves when the destination says that all is well; rejects when it says otherwise, or nothing. */
export async function readReturnPath(reader: StreamReader): Promise<void> {
  for (;;) {
    await reader.need(4);
    const [type, lengthBytes] = [reader.u16(), reader.u16()];
    if (LENGTHS.get(type) !== lengthBytes) {
      throw new MigrationError(`the destination sent message ${type} with ${lengthBytes} bytes, which is none`);
    }
    await reader.need(lengthBytes);
    const value = reader.u32();
    if (type !== ReturnMessage.Shut) continue;
    if (value !== 0) throw new MigrationError("the destination could not load the machine");
    return;
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
