/** A program under test: types into it, waits for what it prints, waits for its end. */
import { type ChildProcess, spawn } from "node:child_process";

const END_CHARACTERS = 2000;

export class Terminal {
  /** What it said on standard error. */
  errors = "";
  /** All that it printed. */
  transcript = "";
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  /** Where in the transcript the next look begins. */
  #at = 0;
  #look = (): void => {};
  #over = false;

  constructor(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
    this.#child.stdout?.on("data", (bytes: Buffer) => {
      this.transcript += bytes.toString("latin1");
      this.#look();
    });
    this.#child.stderr?.on("data", (bytes: Buffer) => {
      this.errors += bytes.toString("utf8");
    });
    // Typing into a program that has ended is no error of ours: who waits for it is told.
    this.#child.stdin?.on("error", () => {});
    this.#ended = new Promise((resolve) => {
      this.#child.on("close", (code) => {
        this.#over = true;
        this.#look();
        resolve(code);
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }
  /** What it printed and nobody waited for. */
  get output(): string {
    return this.transcript.slice(this.#at);
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Nothing more will be typed. */
  endInput(): void {
    this.#child.stdin?.end();
  }

  /** Everything up to the end of the first match; later calls look behind it. Rejects when the program ends first. */
  waitFor(pattern: RegExp, timeoutMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        this.#look = (): void => {};
      };
      const fail = (why: string): void => {
        stop();
        const end = this.transcript.slice(this.#at).slice(-END_CHARACTERS);
        reject(new Error(`no ${String(pattern)} ${why}; the end was: ${end}${this.errors}`));
      };
      const timer = setTimeout(() => fail(`in ${timeoutMs} ms`), timeoutMs);
      this.#look = (): void => {
        const text = this.transcript.slice(this.#at);
        const match = pattern.exec(text);
        if (!match) {
          if (this.#over) fail("before the program ended");
          return;
        }
        const length = match.index + match[0].length;
        this.#at += length;
        stop();
        resolve(text.slice(0, length));
      };
      this.#look();
    });
  }

  /** The exit code. */
  async exit(timeoutMs: number): Promise<number | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new Error(`still running after ${timeoutMs} ms: ${this.transcript.slice(-END_CHARACTERS)}`)),
        timeoutMs,
      );
    });
    try {
      return await Promise.race([this.#ended, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
