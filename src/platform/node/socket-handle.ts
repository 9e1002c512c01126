/**
 * What a socket of Node has below it. It is no part of the documented interface: whoever uses a member asks first whether
 * it is there, and does without where it is not.
 */
import type { Socket } from "node:net";

/** The members that are used, by {@link socketHandle}'s callers. */
export type SocketHandle = {
  readonly fd: number;
  /** Not there before the first read of some. */
  reading: boolean | undefined;
  onread: () => void;
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): unknown;
  readStop(): unknown;
};

/** The handle, with those members; undefined where one is missing, or there is no descriptor. */
export function socketHandle(
  socket: Socket,
  ...needed: readonly Exclude<keyof SocketHandle, "fd" | "reading">[]
): SocketHandle | undefined {
  const handle = Reflect.get(socket, "_handle") as Partial<SocketHandle> | null | undefined;
  if (typeof handle?.fd !== "number" || handle.fd < 0) return undefined;
  return needed.every((name) => typeof handle[name] === "function") ? (handle as SocketHandle) : undefined;
}
