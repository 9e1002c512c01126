/** A program under test: types into it, waits for what it prints, waits for its end. */
import { type ChildProcess, spawn } from "node:child_process";

export class Terminal {
  errors = "";
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #text = "";
  #look = (): void => {};

  constructor(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
    this.#child.stdout?.on("data", (bytes: Buffer) => {
      this.#text += bytes.toString("latin1");
      this.#look();
    });
    this.#child.stderr?.on("data", (bytes: Buffer) => {
      this.errors += bytes.toString("utf8");
    });
    this.#ended = new Promise((resolve) => {
      this.#child.on("close", (code) => resolve(code));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }
  /** What it printed and nobody waited for. */
  get output(): string {
    return this.#text;
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Nothing more will be typed. */
  endInput(): void {
    this.#child.stdin?.end();
  }

  /** Everything up to the end of the first match; later calls look behind it. */
  waitFor(pattern: RegExp, timeoutMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no ${String(pattern)} in ${timeoutMs} ms; the end was: ${this.#text.slice(-2000)}`)),
        timeoutMs,
      );
      this.#look = (): void => {
        const match = pattern.exec(this.#text);
        if (!match) return;
        const end = match.index + match[0].length;
        const found = this.#text.slice(0, end);
        this.#text = this.#text.slice(end);
        this.#look = (): void => {};
        clearTimeout(timer);
        resolve(found);
      };
      this.#look();
    });
  }

  /** The exit code. */
  async exit(timeoutMs: number): Promise<number | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new Error(`still running after ${timeoutMs} ms: ${this.#text.slice(-2000)}`)),
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
