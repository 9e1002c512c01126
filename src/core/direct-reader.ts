/** Reads a connection past what its host makes of it: takes what is there, and waits only when that is nothing. */
import type { ByteChannel, DirectChannel } from "#core/host.ts";

const PIECE_BYTES = 65_536;
/** What is read before the thread's other work has its turn. */
const TURN_BYTES = 1 << 17;

export type DirectReaderHost = {
  /** As of `ByteChannel`. */
  readable(): Promise<void>;
  /** As of `Channels`. */
  turn(): Promise<void>;
  /** To wait costs less than a read that finds nothing. */
  readonly waitsCheaply?: boolean;
};

export function directReader(
  direct: DirectChannel,
  host: DirectReaderHost,
): Required<Pick<ByteChannel, "read" | "readInto">> {
  let turnBytes = 0;
  // The last read found less than it had room for, so that the next one may find nothing.
  let isEmpty = false;
  const readInto = async (into: Uint8Array): Promise<number> => {
    for (;;) {
      const lengthBytes = isEmpty ? undefined : direct.read(into);
      if (lengthBytes === undefined) {
        await host.readable();
        isEmpty = false;
        turnBytes = 0;
        continue;
      }
      isEmpty = host.waitsCheaply === true && lengthBytes > 0 && lengthBytes < into.length;
      turnBytes += lengthBytes;
      if (turnBytes >= TURN_BYTES) {
        await host.turn();
        turnBytes = 0;
      }
      return lengthBytes;
    }
  };
  return {
    readInto,
    async read() {
      const bytes = new Uint8Array(PIECE_BYTES);
      const lengthBytes = await readInto(bytes);
      return lengthBytes > 0 ? bytes.subarray(0, lengthBytes) : undefined;
    },
  };
}
