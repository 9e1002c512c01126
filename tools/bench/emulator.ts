/** An emulator as a child process on pipes: types to its console, waits for what it prints, ends it by its own handle. */
import { type ChildProcess, spawn } from "node:child_process";
import { BenchError } from "./bench-error.ts";

export type Command = { readonly program: string; readonly args: readonly string[] };

const REMEMBERED_CHARS = 1000;

const running = new Set<Emulator>();

/** Ends every emulator that is still there. */
export function killEmulators(): void {
  for (const emulator of running) emulator.kill();
}

export class Emulator {
  readonly name: string;
  /** By `performance.now()`. */
  readonly startedAtMs: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  /** Why it is gone; undefined while it runs. */
  #end: string | undefined;
  #text = "";
  #errors = "";
  #look = (): void => {};

  constructor(name: string, command: Command) {
    this.name = name;
    this.startedAtMs = performance.now();
    this.#child = spawn(command.program, command.args, { stdio: ["pipe", "pipe", "pipe"] });
    running.add(this);
    this.#child.stdout?.on("data", (bytes: Buffer) => {
      this.#text += bytes.toString("latin1").replaceAll("\r", "");
      this.#look();
    });
    this.#child.stderr?.on("data", (bytes: Buffer) => {
      this.#errors = (this.#errors + bytes.toString("utf8")).slice(-REMEMBERED_CHARS);
    });
    // It may be gone before it has read everything; that it ended is what counts.
    this.#child.stdin?.on("error", () => {});
    this.#ended = new Promise((resolve) => {
      const finish = (end: string): void => {
        this.#end ??= end;
        running.delete(this);
        this.#look();
        resolve();
      };
      this.#child.on("error", (error) => finish(`could not be started (${error.message})`));
      this.#child.on("close", (code, signal) => finish(signal ? `was ended by ${signal}` : `ended with code ${code}`));
    });
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /**
   * The first match and the time (`performance.now()`) at which it was there; later calls look behind it.
   * Rejects with a {@link BenchError} when the emulator ends before or `timeoutMs` pass;
   * its message calls the pattern `what`.
   */
  waitFor(
    pattern: RegExp,
    timeoutMs: number,
    what = String(pattern),
  ): Promise<{ readonly text: string; readonly atMs: number }> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.#look = (): void => {};
        act();
      };
      const fail = (code: "emulator" | "timeout", what: string): void =>
        settle(() => reject(new BenchError(code, `${this.name} ${what}${this.#lastWords()}`)));
      const timer = setTimeout(() => fail("timeout", `printed no ${what} in ${timeoutMs / 1000} s`), timeoutMs);
      this.#look = (): void => {
        const match = pattern.exec(this.#text);
        if (match) {
          this.#text = this.#text.slice(match.index + match[0].length);
          settle(() => resolve({ text: match[0], atMs: performance.now() }));
        } else if (this.#end !== undefined) {
          fail("emulator", this.#end);
        }
      };
      this.#look();
    });
  }

  /** Whether it ended by itself within `timeoutMs`; it is ended if not. */
  async endsWithin(timeoutMs: number): Promise<boolean> {
    const timer = setTimeout(() => this.kill(), timeoutMs);
    await this.#ended;
    clearTimeout(timer);
    return this.#end === "ended with code 0";
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #lastWords(): string {
    const console = this.#text.slice(-REMEMBERED_CHARS).trim();
    const parts = [
      ...(this.#errors.trim() === "" ? [] : [`its errors:\n${this.#errors.trim()}`]),
      ...(console === "" ? [] : [`the end of its console:\n${console}`]),
    ];
    return parts.length > 0 ? `; ${parts.join("\n")}` : "; it printed nothing more";
  }
}
