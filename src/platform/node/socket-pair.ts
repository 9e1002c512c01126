/** Two connected sockets within the process. */
import { Socket } from "node:net";
import { cFunction } from "#platform/node/c-library.ts";

const [AF_UNIX, SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC] = [1, 1, 0o4000, 0o2000000];

/** Undefined where it cannot be done. */
export async function socketPair(): Promise<readonly [Socket, Socket] | undefined> {
  const socketpair = await cFunction("int socketpair(int, int, int, void *)");
  const ends = new Int32Array(2);
  if (socketpair?.(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) !== 0) return undefined;
  const [one, other] = ends as unknown as [number, number];
  const open = (fd: number): Socket => new Socket({ fd, readable: true, writable: true });
  return [open(one), open(other)];
}
