/**
 * Calls between two threads: each end has functions that the other may call, and hears of their results by promise.
 *
 *   call(name, args) -> message -> function of the other end -> message -> promise
 *
 * Arguments and results are copied (structured clone); of an error its message and `code` come over.
 */

/** One end of a way between two threads. */
export type ThreadPort = {
  post(message: unknown): void;
  /** Called once; messages that came before are not lost. */
  listen(receive: (message: unknown) => void): void;
};

export type Functions = Readonly<Record<string, (...args: never[]) => unknown>>;
type Message =
  | { readonly call: number; readonly name: string; readonly args: readonly unknown[] }
  | { readonly reply: number; readonly value: unknown }
  | { readonly reply: number; readonly error: string; readonly code: string | undefined };
type Waiting = { readonly resolve: (value: never) => void; readonly reject: (error: Error) => void };

/** An error of the other thread, or the end of it. */
export class CallError extends Error {
  /** That of the error there. */
  readonly code: string | undefined;
  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }
}

export class ThreadCalls<Other extends Functions> {
  readonly #port: ThreadPort;
  readonly #own: Functions;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #ended: CallError | undefined;

  /** `own` is what the other end may call. */
  constructor(port: ThreadPort, own: Functions) {
    this.#port = port;
    this.#own = own;
    port.listen((message) => void this.#receive(message as Message));
  }

  /** Rejects with `CallError`. */
  call<Name extends keyof Other & string>(
    name: Name,
    ...args: Parameters<Other[Name]>
  ): Promise<Awaited<ReturnType<Other[Name]>>> {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      const id = this.#calls++;
      this.#waiting.set(id, { resolve, reject });
      this.#port.post({ call: id, name, args } satisfies Message);
    });
  }

  /** As `call`, for who does not want to hear of it. */
  tell<Name extends keyof Other & string>(name: Name, ...args: Parameters<Other[Name]>): void {
    this.call(name, ...args).catch(() => {});
  }

  /** The other thread is gone: whatever waits for it is rejected, and so is every later call. */
  end(why: string): void {
    this.#ended ??= new CallError(why);
    for (const waiting of this.#waiting.values()) waiting.reject(this.#ended);
    this.#waiting.clear();
  }

  async #receive(message: Message): Promise<void> {
    if ("call" in message) return this.#answer(message.call, message.name, message.args);
    const waiting = this.#waiting.get(message.reply);
    this.#waiting.delete(message.reply);
    if ("error" in message) waiting?.reject(new CallError(message.error, message.code));
    else waiting?.resolve(message.value as never);
  }

  async #answer(id: number, name: string, args: readonly unknown[]): Promise<void> {
    try {
      const value = await this.#own[name]?.(...(args as never[]));
      this.#port.post({ reply: id, value } satisfies Message);
    } catch (error) {
      const { message, code } = error as Error & { code?: string };
      this.#port.post({ reply: id, error: message, code } satisfies Message);
    }
  }
}
