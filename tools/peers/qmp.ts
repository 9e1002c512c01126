/** A QMP client: commands one after the other, events kept. */
import { connect, type Socket } from "node:net";

type Json = { readonly [key: string]: unknown };
/** `atMs` is the time that the emulator gives it, with the microseconds behind the point. */
export type QmpEvent = { readonly event: string; readonly data: Json; readonly atMs: number };

const RETRY_MS = 20;
/** A monitor answers within this, or never. */
const ANSWER_MS = 60_000;

export class Qmp {
  readonly events: QmpEvent[] = [];
  readonly #socket: Socket;
  readonly #waiting: ((message: Json) => void)[] = [];
  #unread = "";
  #over: (error: Error) => void = () => {};
  readonly #closed = new Promise<never>((_resolve, reject) => (this.#over = reject));

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#closed.catch(() => {});
    socket.on("data", (bytes) => this.#take(String(bytes)));
    socket.on("error", () => {});
    socket.on("close", () => this.#over(new Error("the monitor has closed the connection")));
  }

  /** Connects as soon as somebody listens at the unix socket `file`; rejects after `limitMs`. */
  static async connect(file: string, limitMs: number): Promise<Qmp> {
    const end = Date.now() + limitMs;
    for (;;) {
      const socket = connect(file);
      const isUp = await new Promise<boolean>((resolve) => {
        socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      });
      if (isUp) {
        const client = new Qmp(socket);
        await client.#reply();
        await client.execute("qmp_capabilities");
        return client;
      }
      if (Date.now() > end) throw new Error(`nobody listens at ${file}`);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  /** What the command returns; rejects with the monitor's error. */
  async execute(name: string, args?: Json): Promise<Json> {
    const reply = this.#reply();
    this.#socket.write(`${JSON.stringify({ execute: name, ...(args && { arguments: args }) })}\n`);
    const { return: result, error } = await reply;
    if (error !== undefined) throw new Error(`${name}: ${(error as { readonly desc: string }).desc}`);
    return result as Json;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #reply(): Promise<Json> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`the monitor does not answer in ${ANSWER_MS} ms`)), ANSWER_MS);
    });
    try {
      const answer = new Promise<Json>((resolve) => this.#waiting.push(resolve));
      return await Promise.race([answer, this.#closed, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #take(text: string): void {
    this.#unread += text;
    for (let end = this.#unread.indexOf("\n"); end >= 0; end = this.#unread.indexOf("\n")) {
      const message = JSON.parse(this.#unread.slice(0, end)) as Json;
      this.#unread = this.#unread.slice(end + 1);
      if (typeof message["event"] === "string") {
        const { seconds, microseconds } = message["timestamp"] as { seconds: number; microseconds: number };
        const atMs = seconds * 1000 + microseconds / 1000;
        this.events.push({ event: message["event"], data: (message["data"] ?? {}) as Json, atMs });
      } else this.#waiting.shift()?.(message);
    }
  }
}
