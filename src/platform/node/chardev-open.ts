/** Opens the character device that a `-chardev` option describes. */
import type { CharBackend } from "#core/host.ts";
import type { SocketTarget } from "#platform/node/chardev-socket.ts";
import { openSocketChardev } from "#platform/node/chardev-socket.ts";
import { openFileChardev } from "#platform/node/chardev-file.ts";
import { openNull } from "#platform/node/chardev-null.ts";
import { openPty } from "#platform/node/chardev-pty.ts";
import { openStdio } from "#platform/node/chardev-stdio.ts";

/** The shape of the machine configuration's `ChardevConfig`, which this layer does not know. */
export type ChardevRequest = { readonly id: string } & (
  | { readonly kind: "stdio"; readonly signal: boolean }
  | { readonly kind: "null" }
  | { readonly kind: "pty" }
  | { readonly kind: "file"; readonly path: string; readonly append: boolean; readonly input?: string }
  | ({ readonly kind: "unix"; readonly path: string } & SocketRequest)
  | ({ readonly kind: "tcp"; readonly host: string; readonly port: number } & SocketRequest)
  | ({ readonly kind: "fd"; readonly fd: number } & SocketRequest)
);
type SocketRequest = { readonly server: boolean; readonly wait: boolean; readonly reconnectSeconds: number };

export type ChardevNotices = {
  /** A line for the user: what a server with `wait=on` waits for. */
  say?(line: string): void;
  /** Where a pty is, in QEMU's words, which programs read. */
  redirected?(line: string): void;
};

/** With `wait` it resolves when the first peer is there. Rejects with `ChardevError`. The mux is the caller's. */
export async function openChardev(request: ChardevRequest, notices: ChardevNotices = {}): Promise<CharBackend> {
  switch (request.kind) {
    case "stdio":
      return openStdio(request);
    case "null":
      return openNull(request.id);
    case "file":
      return openFileChardev(request);
    case "pty": {
      const pty = openPty(request.id);
      notices.redirected?.(`char device redirected to ${pty.path} (label ${request.id})`);
      return pty;
    }
    case "unix":
      return openSocket(request, { path: request.path }, notices);
    case "fd":
      return openSocket(request, { fd: request.fd }, notices);
    default:
      return openSocket(request, { host: request.host, port: request.port }, notices);
  }
}

async function openSocket(
  request: { readonly id: string } & SocketRequest,
  target: SocketTarget,
  notices: ChardevNotices,
): Promise<CharBackend> {
  const chardev = await openSocketChardev({ ...request, target });
  if (request.server && request.wait) {
    notices.say?.(`waiting for a connection on ${chardev.address}`);
    await chardev.connected;
  }
  return chardev;
}
