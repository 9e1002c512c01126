/**
 * Streams of bytes in Node: sockets, pipes of a command, files, descriptors that were inherited.
 * Thread: any; a channel belongs to the thread that opened it.
 */
import { closeSync, fstatSync } from "node:fs";
import { connect, createServer, type ListenOptions, Socket } from "node:net";
import type { ByteChannel, ChannelAddress, ChannelListener, Channels } from "#core/host.ts";
import { oneLine } from "#core/one-line.ts";
import { commandChannel } from "#platform/node/channel-command.ts";
import { descriptorChannel, fileChannel } from "#platform/node/channel-file.ts";
import { socketChannel } from "#platform/node/channel-socket.ts";
import { socketPair } from "#platform/node/socket-pair.ts";
import { removeStaleSocket } from "#platform/node/stale-socket.ts";

/** A stream that cannot be opened; the message says what failed. */
export class ChannelError extends Error {
  readonly code = "channel";
}

type SocketAddress = Extract<ChannelAddress, { kind: "tcp" | "unix" }>;
type Direction = "read" | "write";

/** A connection that another thread has, too, by a descriptor of its own for it. */
export function sharedChannel(descriptor: number): ByteChannel {
  return socketChannel(new Socket({ fd: descriptor, readable: true, writable: true }));
}

export function nodeChannels(): Channels {
  return {
    connect: (address) => opening("cannot open", address, () => connectTo(address)),
    listen: (address, connections = 1) => opening("cannot listen on", address, () => listenOn(address, connections)),
    async pair() {
      const sockets = await socketPair();
      return sockets && [socketChannel(sockets[0]), socketChannel(sockets[1])];
    },
    turn: () => new Promise((resolve) => setImmediate(resolve)),
  };
}

async function opening<T>(what: string, address: ChannelAddress, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (cause) {
    throw new ChannelError(oneLine(`${what} ${describe(address)}: ${(cause as Error).message}`), { cause });
  }
}

function connectTo(address: ChannelAddress): Promise<ByteChannel> {
  if (address.kind !== "tcp" && address.kind !== "unix") return openOther(address, "write");
  const socket = connect(
    address.kind === "unix"
      ? { path: address.path }
      : { host: address.host || "localhost", port: address.port, noDelay: true },
  );
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socketChannel(socket));
    });
  });
}

async function listenOn(address: ChannelAddress, connections: number): Promise<ChannelListener> {
  if (address.kind === "tcp" || address.kind === "unix") return listenSocket(address, connections);
  const channel = await openOther(address, "read");
  let isAccepted = false;
  return {
    address,
    async accept() {
      isAccepted = true;
      return channel;
    },
    close() {
      if (!isAccepted) channel.abort();
    },
  };
}

async function openOther(address: Exclude<ChannelAddress, SocketAddress>, direction: Direction): Promise<ByteChannel> {
  if (address.kind === "exec") return commandChannel(address.command, direction);
  if (address.kind === "file") return fileChannel(address.path, address.offset, direction);
  const { fd } = address;
  const kind = fstatSync(fd);
  const isSocket = kind.isSocket();
  if (!isSocket && !kind.isFIFO()) return descriptorChannel(fd);
  try {
    const [readable, writable] = [isSocket || direction === "read", isSocket || direction === "write"];
    return socketChannel(new Socket({ fd, readable, writable }), isSocket);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

async function listenSocket(address: SocketAddress, connections: number): Promise<ChannelListener> {
  if (address.kind === "unix") removeStaleSocket(address.path);
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  const arrived: ByteChannel[] = [];
  let wanted: (() => void) | undefined;
  let left = connections;
  server.on("connection", (socket) => {
    // Whoever comes later is refused.
    if (--left === 0) server.close();
    // At once: Node reads a socket that nobody has taken.
    arrived.push(socketChannel(socket));
    wanted?.();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(listenOptions(address), resolve);
  });
  const bound = server.address();
  const port = bound && typeof bound === "object" ? bound.port : 0;
  return {
    address: address.kind === "tcp" ? { ...address, port } : address,
    async accept() {
      for (;;) {
        const channel = arrived.shift();
        if (channel) return channel;
        await new Promise<void>((resolve) => {
          wanted = resolve;
        });
      }
    },
    close() {
      server.close();
      for (const channel of arrived.splice(0)) channel.abort();
    },
  };
}

function listenOptions(address: SocketAddress): ListenOptions {
  if (address.kind === "unix") return { path: address.path };
  return { port: address.port, ...(address.host !== "" && { host: address.host }) };
}

function describe(address: ChannelAddress): string {
  if (address.kind === "tcp") return `tcp:${address.host}:${address.port}`;
  if (address.kind === "exec") return `exec:${address.command}`;
  if (address.kind === "fd") return `fd:${address.fd}`;
  return `${address.kind}:${address.path}`;
}
