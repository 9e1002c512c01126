/** Reads a connection past what its host makes of it: takes what is there, and waits only when that is nothing. */
import type { ByteChannel, DirectChannel } from "#core/host.ts";

const PIECE_BYTES = 65_536;
/** What is read before the thread's other work has its turn. */
const TURN_BYTES = 1 << 17;

export type DirectReaderHost = {
  /** Calls once when a read will not wait, or with what `ByteChannel.readable` rejects with. */
  whenReadable(tell: (error?: unknown) => void): void;
  /** As of `Channels`. */
  turn(): Promise<void>;
  /** To wait costs less than a read that finds nothing. */
  readonly waitsCheaply?: boolean;
};

/** A read is one promise, however long it takes: what somebody waits for passes here. */
export function directReader(
  direct: DirectChannel,
  host: DirectReaderHost,
): Required<Pick<ByteChannel, "read" | "readInto">> {
  let turnBytes = 0;
  // The last read found less than it had room for, so that the next one may find nothing.
  let isEmpty = false;
  const readInto = (into: Uint8Array): Promise<number> =>
    new Promise((resolve, reject) => {
      const attempt = (): void => {
        const lengthBytes = direct.read(into);
        if (lengthBytes === undefined) return wait();
        isEmpty = host.waitsCheaply === true && lengthBytes > 0 && lengthBytes < into.length;
        turnBytes += lengthBytes;
        if (turnBytes < TURN_BYTES) return resolve(lengthBytes);
        turnBytes = 0;
        void host.turn().then(() => resolve(lengthBytes));
      };
      const wait = (): void => {
        host.whenReadable((error) => {
          if (error !== undefined) return reject(error);
          turnBytes = 0;
          try {
            attempt();
          } catch (cause) {
            reject(cause);
          }
        });
      };
      if (isEmpty) wait();
      else attempt();
    });
  return {
    readInto,
    async read() {
      const bytes = new Uint8Array(PIECE_BYTES);
      const lengthBytes = await readInto(bytes);
      return lengthBytes > 0 ? bytes.subarray(0, lengthBytes) : undefined;
    },
  };
}
