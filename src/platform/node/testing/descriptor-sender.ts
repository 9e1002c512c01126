/** What a client does that passes descriptors over a unix socket, for tests. It needs koffi, on 64-bit Linux. */
import type { Socket } from "node:net";

const [AF_UNIX, SOCK_STREAM, SOCK_CLOEXEC] = [1, 1, 0x8_0000] as const;
const [IOVEC, CONTROL, DATA] = [64, 128, 2048] as const;

export type DescriptorSender = {
  /** Sends `text` with one sendmsg; the descriptors stay the caller's, too. Goes past what `socket.write` holds. */
  send(socket: Socket, text: string, descriptors: readonly number[]): void;
  /** Two ends of a connection. */
  socketPair(): [number, number];
  /** Where one reads, and where one writes. */
  pipe(): [number, number];
};

/** Undefined where koffi cannot be loaded: those tests are skipped. */
export async function descriptorSender(): Promise<DescriptorSender | undefined> {
  if (process.platform !== "linux") return undefined;
  const loaded = await import("koffi").catch(() => undefined);
  if (!loaded) return undefined;
  const { default: koffi } = loaded;
  const library = koffi.load(null);
  const sendmsg = library.func("long sendmsg(int, void *, int)");
  const socketpair = library.func("int socketpair(int, int, int, void *)");
  const pipe2 = library.func("int pipe2(void *, int)");
  const pair = (make: (into: Int32Array) => number): [number, number] => {
    const both = new Int32Array(new ArrayBuffer(8));
    if (make(both) !== 0) throw new Error(`errno ${koffi.errno()}`);
    return [both[0] as number, both[1] as number];
  };
  return {
    socketPair: () => pair((into) => socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, into) as number),
    pipe: () => pair((into) => pipe2(into, SOCK_CLOEXEC) as number),
    send(socket, text, descriptors) {
      const bytes = new TextEncoder().encode(text);
      const memory = new ArrayBuffer(DATA + bytes.length);
      const [view, all] = [new DataView(memory), new Uint8Array(memory)];
      const base = koffi.address(all);
      all.set(bytes, DATA);
      view.setBigUint64(16, base + BigInt(IOVEC), true);
      view.setBigUint64(24, 1n, true);
      view.setBigUint64(IOVEC, base + BigInt(DATA), true);
      view.setBigUint64(IOVEC + 8, BigInt(bytes.length), true);
      if (descriptors.length > 0) {
        const lengthBytes = 16 + 4 * descriptors.length;
        view.setBigUint64(32, base + BigInt(CONTROL), true);
        view.setBigUint64(40, BigInt((lengthBytes + 7) & ~7), true);
        view.setBigUint64(CONTROL, BigInt(lengthBytes), true);
        view.setInt32(CONTROL + 8, 1, true);
        view.setInt32(CONTROL + 12, 1, true);
        for (const [index, fd] of descriptors.entries()) view.setInt32(CONTROL + 16 + 4 * index, fd, true);
      }
      const { fd } = Reflect.get(socket, "_handle") as { readonly fd: number };
      if (Number(sendmsg(fd, all, 0)) !== bytes.length) throw new Error(`sendmsg: errno ${koffi.errno()}`);
    },
  };
}
