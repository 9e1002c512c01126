/**
 * What a socket of Node has below it. It is no part of the documented interface: whoever uses a member asks first whether
 * it is there, and does without where it is not.
 */
import type { Socket } from "node:net";

/** The members that are used, by {@link socketHandle}'s callers. */
export type SocketHandle = {
  readonly fd: number;
  reading: boolean;
  onread: () => void;
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): unknown;
  readStop(): unknown;
  close(done?: () => void): unknown;
  reset?(done?: () => void): unknown;
};

/** The handle, with those members; undefined where one is missing, or there is no descriptor. */
export function socketHandle(
  socket: Socket,
  ...needed: readonly Exclude<keyof SocketHandle, "fd" | "reading">[]
): SocketHandle | undefined {
  const handle = Reflect.get(socket, "_handle") as Partial<SocketHandle> | null | undefined;
  if (typeof handle?.fd !== "number" || handle.fd < 0 || typeof handle.reading !== "boolean") return undefined;
  return needed.every((name) => typeof handle[name] === "function") ? (handle as SocketHandle) : undefined;
}
