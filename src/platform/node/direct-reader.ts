/** Reads a connection past what Node makes of it: takes what is there, and waits only when that is nothing. */
import type { ByteChannel } from "#core/host.ts";

const PIECE_BYTES = 65_536;
/** What is read before the thread's other work has its turn. */
const TURN_BYTES = 1 << 17;

export type DirectSource = {
  /** How many bytes were read, without waiting; 0 at the end, undefined: none now, or it was closed. Throws the host's error. */
  read(into: Uint8Array): number | undefined;
  /** Calls once when a read will not wait, or with why the connection was closed. */
  whenReadable(tell: (error?: unknown) => void): void;
};

/** A read is one promise, however long it takes: what somebody waits for passes here. */
export function directReader(source: DirectSource): Required<Pick<ByteChannel, "read" | "readInto">> {
  let turnBytes = 0;
  // The last read found less than it had room for: the next one may find nothing, which costs more than to wait.
  let isEmpty = false;
  const readInto = (into: Uint8Array): Promise<number> =>
    new Promise((resolve, reject) => {
      const attempt = (): void => {
        const lengthBytes = source.read(into);
        if (lengthBytes === undefined) return wait();
        isEmpty = lengthBytes > 0 && lengthBytes < into.length;
        turnBytes += lengthBytes;
        if (turnBytes < TURN_BYTES) return resolve(lengthBytes);
        turnBytes = 0;
        setImmediate(() => resolve(lengthBytes));
      };
      const wait = (): void => {
        source.whenReadable((error) => {
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
