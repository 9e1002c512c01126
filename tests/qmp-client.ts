/** A QMP client for tests: sends, and takes replies and events apart. */
import { connect, type Socket } from "node:net";
import type { DescriptorSender } from "#platform/node/testing/descriptor-sender.ts";
import { LIMIT_MS, until } from "./firmware.ts";

export type Message = { readonly [key: string]: unknown };

export class QmpClient {
  readonly events: Message[] = [];
  readonly replies: Message[] = [];
  /** All that came, as it came. */
  text = "";
  isClosed = false;
  readonly #socket: Socket;
  #unread = "";

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => this.#take(String(chunk)));
    socket.on("error", () => {});
    socket.on("close", () => (this.isClosed = true));
  }

  /** Connects to a unix socket (or a port of this host) as soon as somebody listens; resolves after the greeting. */
  static async connect(where: string | number): Promise<QmpClient> {
    const end = Date.now() + LIMIT_MS;
    for (;;) {
      const socket = typeof where === "string" ? connect(where) : connect(where, "127.0.0.1");
      const isUp = await new Promise<boolean>((resolve) => {
        socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      });
      if (isUp) {
        const client = new QmpClient(socket);
        await client.next();
        return client;
      }
      if (Date.now() > end) throw new Error(`nobody listens on ${where}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  write(text: string): void {
    this.#socket.write(text);
  }
  /** The reply to a command with which descriptors come; they stay the caller's, too. */
  pass(sender: DescriptorSender, descriptors: readonly number[], name: string, args?: Message): Promise<Message> {
    sender.send(this.#socket, JSON.stringify({ execute: name, ...(args && { arguments: args }) }), descriptors);
    return this.next();
  }
  /** The next message that is no event. */
  async next(): Promise<Message> {
    await until(() => this.replies.length > 0 || this.isClosed);
    const reply = this.replies.shift();
    if (!reply) throw new Error(`the monitor closed the connection after ${this.text.slice(-500)}`);
    return reply;
  }
  ask(request: string): Promise<Message> {
    this.write(request);
    return this.next();
  }
  execute(name: string, args?: Message): Promise<Message> {
    return this.ask(JSON.stringify({ execute: name, ...(args && { arguments: args }) }));
  }
  /** The result of a command; throws the monitor's error. */
  async result(name: string, args?: Message): Promise<unknown> {
    const reply = await this.execute(name, args);
    if (!("return" in reply)) throw new Error(JSON.stringify(reply));
    return reply["return"];
  }
  /** Resolves with the data of the next event `name` that nobody has taken. */
  async event(name: string): Promise<unknown> {
    await until(() => this.events.some(({ event }) => event === name));
    const [found] = this.events.splice(
      this.events.findIndex(({ event }) => event === name),
      1,
    );
    return found?.["data"];
  }
  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: string): void {
    this.text += chunk;
    this.#unread += chunk;
    for (let end = this.#unread.indexOf("\r\n"); end >= 0; end = this.#unread.indexOf("\r\n")) {
      const message = JSON.parse(this.#unread.slice(0, end)) as Message;
      this.#unread = this.#unread.slice(end + 2);
      (message["event"] === undefined ? this.replies : this.events).push(message);
    }
  }
}
