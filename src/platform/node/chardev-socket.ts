/**
 * The `socket` character device: a TCP or unix socket, as a server or a client.
 *
 * One peer at a time. A server goes on listening when its peer leaves, and keeps later peers waiting until then; a
 * client with `reconnectSeconds` tries again. Output without a peer is dropped. A frontend that takes descriptors gets
 * them from the peers of a unix socket, where `descriptor-receiver.ts` can.
 * Thread: machine.
 */
import { connect, createServer, Socket } from "node:net";
import type { ListenOptions, Server } from "node:net";
import type { CharBackend } from "#core/host.ts";
import { InputPump } from "#io/char/input-pump.ts";
import { ChardevError, chardevErrorCode } from "#platform/node/chardev-error.ts";
import { descriptorReceiver } from "#platform/node/descriptor-receiver.ts";
import { DescriptorSocket, pollableHandle } from "#platform/node/descriptor-socket.ts";
import { removeStaleSocket } from "#platform/node/stale-socket.ts";

/** Output that a slow peer may leave in our hands; beyond it output is dropped. */
const MAX_UNSENT_BYTES = 4 << 20;
/** Peers that wait for the present one to leave. */
const MAX_WAITING = 8;

export type SocketTarget =
  | { readonly path: string }
  | { readonly host: string; readonly port: number }
  /** A descriptor that this process was started with: a socket that listens (server) or is connected. */
  | { readonly fd: number };

export type SocketChardevOptions = {
  readonly id: string;
  readonly target: SocketTarget;
  readonly server: boolean;
  /** Seconds until a client tries again; 0: it does not. */
  readonly reconnectSeconds: number;
};

export type SocketChardev = CharBackend & {
  /** Resolves when there is the first peer: what `wait=on` waits for. */
  readonly connected: Promise<void>;
  /** As QEMU writes it: "unix:/path", "tcp:127.0.0.1:4000"; with the port that the host chose for port 0. */
  readonly address: string;
};

/** Resolves when it listens, or is connected, or (with `reconnectSeconds`) has tried. Rejects with {@link ChardevError}. */
export async function openSocketChardev(options: SocketChardevOptions): Promise<SocketChardev> {
  const chardev = new SocketBackend(options);
  await chardev.open();
  return chardev;
}

class SocketBackend implements SocketChardev {
  readonly name: string;
  readonly connected: Promise<void>;
  address: string;
  readonly #options: SocketChardevOptions;
  readonly #pump: InputPump;
  readonly #waiting: Socket[] = [];
  #server: Server | undefined;
  #peer: Socket | undefined;
  /** The peer that is being read: from when there is a frontend on. */
  #beingRead: Socket | undefined;
  /** Reads it in Node's place. */
  #reader: DescriptorSocket | undefined;
  whyNoDescriptors: string | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  #announceConnected: () => void = () => {};

  constructor(options: SocketChardevOptions) {
    this.#options = options;
    this.name = options.id;
    this.address = describe(options.target);
    this.#pump = new InputPump(() => {
      if (this.#reader) this.#reader.poke();
      else this.#peer?.resume();
    });
    this.connected = new Promise((resolve) => {
      this.#announceConnected = resolve;
    });
  }

  async open(): Promise<void> {
    if (this.#options.server) await this.#listen();
    else await this.#connect();
  }

  get filename(): string {
    const peer = this.#peer;
    const address = `${this.address}${this.#options.server ? ",server=on" : ""}`;
    if (!peer) return `disconnected:${address}`;
    const isInternet = peer.remotePort !== undefined;
    return isInternet ? `${address} <-> ${peer.remoteAddress}:${peer.remotePort}` : address;
  }
  get unsentBytes(): number {
    return this.#peer?.writableLength ?? 0;
  }
  hangUp(): void {
    this.#peer?.destroy();
  }

  attach(frontend: Parameters<CharBackend["attach"]>[0]): void {
    this.#pump.attach(frontend);
    if (!this.#peer) return;
    frontend.event("opened");
    void this.#startReading(this.#peer);
  }
  poke(): void {
    this.#pump.flush();
    this.#reader?.poke();
  }
  write(bytes: Uint8Array): void {
    const peer = this.#peer;
    if (bytes.length > 0 && peer?.writable && peer.writableLength < MAX_UNSENT_BYTES) peer.write(bytes.slice());
  }
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    for (const socket of this.#waiting.splice(0)) socket.destroy();
    this.#peer?.destroySoon(); // what the guest said last goes out
    this.#server?.close();
  }

  #listen(): Promise<void> {
    const { target } = this.#options;
    if ("path" in target) removeStaleSocket(target.path);
    const server = createServer({ pauseOnConnect: true }, (socket) => this.#arrived(socket));
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once("error", (cause) => reject(this.#openError("cannot listen on", cause)));
      server.listen(listenOptions(target), () => {
        const bound = server.address();
        if ("host" in target && bound && typeof bound === "object") {
          this.address = describe({ host: target.host, port: bound.port });
        }
        resolve();
      });
    });
  }

  #arrived(socket: Socket): void {
    if (!this.#peer) return this.#adopt(socket);
    socket.on("error", () => {});
    if (this.#waiting.length === MAX_WAITING) return void socket.destroy();
    this.#waiting.push(socket);
  }

  async #connect(): Promise<void> {
    const { target, reconnectSeconds } = this.#options;
    if ("fd" in target) return this.#adopt(this.#inherited(target.fd));
    const socket = connect(
      "path" in target ? { path: target.path } : { host: target.host || "localhost", port: target.port },
    );
    await new Promise<void>((resolve, reject) => {
      const failed = (cause: Error): void => {
        if (reconnectSeconds === 0) return reject(this.#openError("cannot connect to", cause));
        this.#retryLater();
        resolve();
      };
      socket.once("error", failed);
      socket.once("connect", () => {
        socket.off("error", failed);
        if (this.#closed) socket.destroy();
        else this.#adopt(socket);
        resolve();
      });
    });
  }

  #inherited(fd: number): Socket {
    try {
      return new Socket({ fd, readable: true, writable: true });
    } catch (cause) {
      throw this.#openError("cannot use", cause as NodeJS.ErrnoException);
    }
  }

  #retryLater(): void {
    if (this.#closed) return;
    this.#retry = setTimeout(() => void this.#connect(), this.#options.reconnectSeconds * 1000);
  }

  #adopt(socket: Socket): void {
    this.#peer = socket;
    // What the last peer sent and nobody took is gone with it.
    this.#pump.clear();
    socket.setNoDelay(true);
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => this.#left());
    this.#pump.frontend?.event("opened");
    if (this.#pump.frontend) void this.#startReading(socket);
    this.#announceConnected();
  }

  async #startReading(socket: Socket): Promise<void> {
    if (this.#beingRead === socket) return;
    this.#beingRead = socket;
    if (await this.#readDescriptors(socket)) return;
    socket.on("data", (chunk) => {
      this.#pump.push(chunk);
      if (this.#pump.heldBytes > 0) socket.pause();
    });
    socket.resume();
  }

  /** False when Node is to read. */
  async #readDescriptors(socket: Socket): Promise<boolean> {
    const frontend = this.#pump.frontend;
    const isInternet = "host" in this.#options.target || socket.remoteAddress !== undefined;
    const handle = pollableHandle(socket);
    if (isInternet || !frontend?.passed || !handle) return false;
    // Node may have begun.
    handle.readStop();
    handle.reading = false;
    try {
      const receiver = await descriptorReceiver();
      if (socket.destroyed) return true;
      this.#reader = new DescriptorSocket(socket, handle, receiver, {
        canReceive: () => (this.#pump.heldBytes > 0 ? 0 : frontend.canReceive()),
        receive: (bytes, descriptors) => {
          if (descriptors.length > 0) frontend.passed?.(descriptors);
          this.#pump.push(bytes);
        },
      });
      return true;
    } catch (error) {
      this.whyNoDescriptors = (error as Error).message;
      return false;
    }
  }

  #left(): void {
    this.#peer = undefined;
    this.#beingRead = undefined;
    this.#reader = undefined;
    this.#pump.end();
    if (this.#closed) return;
    if (!this.#options.server) {
      if (this.#options.reconnectSeconds > 0) this.#retryLater();
      return;
    }
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      if (!next.destroyed) return this.#adopt(next);
    }
  }

  #openError(what: string, cause: NodeJS.ErrnoException): ChardevError {
    const code = chardevErrorCode(cause);
    return new ChardevError(code, `chardev ${this.name} ${what} ${this.address}: ${cause.message}`, { cause });
  }
}

function describe(target: SocketTarget): string {
  if ("path" in target) return `unix:${target.path}`;
  if ("fd" in target) return `fd:${target.fd}`;
  return `tcp:${target.host.includes(":") ? `[${target.host}]` : target.host}:${target.port}`;
}

function listenOptions(target: SocketTarget): ListenOptions {
  if ("path" in target) return { path: target.path };
  if ("fd" in target) return { fd: target.fd } as ListenOptions;
  return target.host === "" ? { port: target.port } : { host: target.host, port: target.port };
}
