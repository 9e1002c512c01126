/** Two connected sockets within the process. socketpair(2) comes by koffi, a package that need not be there. */
import { Socket } from "node:net";

const [AF_UNIX, SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC] = [1, 1, 0o4000, 0o2000000];

/** Undefined where it cannot be done. */
export async function socketPair(): Promise<readonly [Socket, Socket] | undefined> {
  if (process.platform !== "linux") return undefined;
  const ends = new Int32Array(2);
  try {
    const { default: koffi } = await import("koffi");
    const socketpair = koffi.load(null).func("int socketpair(int, int, int, void *)");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) !== 0) return undefined;
  } catch {
    return undefined;
  }
  const [one, other] = ends as unknown as [number, number];
  const open = (fd: number): Socket => new Socket({ fd, readable: true, writable: true });
  return [open(one), open(other)];
}
