/**
 * A relay between source and destination that breaks all its connections at a byte of its choice.
 *
 *   source -> proxy -> destination: bytes of the first connection are `down`, of a second one `urgent`; back: `up`
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

export type Way = "down" | "up" | "urgent";
export type Where = { readonly path: string } | { readonly host: string; readonly port: number };

export class Proxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #to: Where;
  #connections = 0;
  #cut: { way: Way; bytesLeft: number; done: () => void } | undefined;
  /** What it has passed on. */
  readonly passedBytes: Record<Way, number> = { down: 0, up: 0, urgent: 0 };

  private constructor(to: Where) {
    this.#to = to;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#join(socket));
  }

  /** At a unix socket `path`, or at a port of this host without one. */
  static async listen(to: Where, path?: string): Promise<Proxy> {
    const proxy = new Proxy(to);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen(path === undefined ? { host: "127.0.0.1", port: 0 } : { path }, resolve);
    });
    return proxy;
  }

  /** For `migrate`. */
  get uri(): string {
    const address = this.#server.address() as AddressInfo | string;
    return typeof address === "string" ? `unix:${address}` : `tcp:127.0.0.1:${address.port}`;
  }

  /** Breaks everything when so many more bytes have gone that way; resolves then. */
  cutAfter(way: Way, bytes: number): Promise<void> {
    return new Promise((done) => {
      this.#cut = { way, bytesLeft: bytes, done };
    });
  }

  close(): void {
    this.#server.close();
    this.#breakAll();
  }

  #join(source: Socket): void {
    const down: Way = this.#connections++ === 0 ? "down" : "urgent";
    const destination = connect({ ...this.#to, allowHalfOpen: true });
    this.#relay(source, destination, down);
    this.#relay(destination, source, "up");
  }

  #relay(from: Socket, to: Socket, way: Way): void {
    this.#sockets.add(from);
    from.on("error", () => {});
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on("end", () => to.end());
    from.on("data", (bytes) => {
      const cut = this.#cut;
      const isLast = cut?.way === way && cut.bytesLeft <= bytes.length;
      const part = isLast ? bytes.subarray(0, cut.bytesLeft) : bytes;
      this.passedBytes[way] += part.length;
      if (cut?.way === way) cut.bytesLeft -= part.length;
      const hasRoom = to.write(part, isLast ? () => this.#breakAll() : undefined);
      if (isLast) {
        this.#cut = undefined;
        from.pause();
        cut.done();
      } else if (!hasRoom) {
        from.pause();
        to.once("drain", () => from.resume());
      }
    });
  }

  #breakAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
