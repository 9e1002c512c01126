/**
 * A person at a monitor: lines in, text out.
 *
 *   bytes -> line editor -> line -> command -> text and the next prompt
 *
 * On a shared terminal it is quiet while another has the keyboard. Thread: machine.
 */
import type { CharBackend, LineEditor, LineEditors } from "#core/host.ts";
import type { Caller } from "#control/monitor/command.ts";
import { completeLine } from "#control/monitor/hmp/completion.ts";
import { runHmpLine, takesDescriptor } from "#control/monitor/hmp/hmp-dispatch.ts";
import { PassedDescriptors } from "#control/monitor/passed-descriptors.ts";
import type { Monitor } from "#control/monitor/monitor.ts";

/** Programs that drive a monitor wait for QEMU's prompt. */
const PROMPT = "(qemu) ";
const MAX_LINE_BYTES = 4096;
const MAX_QUEUED = 8;
const RECEIVE_BYTES = 512;
const [LINE_FEED, CARRIAGE_RETURN] = [0x0a, 0x0d];

export type HmpOptions = {
  readonly editors: LineEditors;
  /** Said to someone: a command failed in a way that is our fault. */
  bug(error: unknown): void;
};

type Queued = { readonly line: string; readonly bound: ReturnType<PassedDescriptors["bind"]> | undefined };

export class HmpSession {
  readonly #monitor: Monitor;
  readonly #backend: CharBackend;
  readonly #options: HmpOptions;
  readonly #queue: Queued[] = [];
  readonly #descriptors = new PassedDescriptors();
  #editor: LineEditor | undefined;
  /** The vCPU that `cpu` has chosen. */
  #cpuIndex = 0;
  #isOpen = false;
  #isOurs = true;
  #hasGreeted = false;
  #isBusy = false;
  /** Bytes of the line that is being typed. */
  #lineBytes = 0;
  /** Grows with each client. */
  #client = 0;

  constructor(monitor: Monitor, backend: CharBackend, options: HmpOptions) {
    this.#monitor = monitor;
    this.#backend = backend;
    this.#options = options;
  }

  /** Begins: the backend's clients come. */
  attach(): void {
    this.#backend.attach({
      canReceive: () => (this.#queue.length < MAX_QUEUED ? RECEIVE_BYTES : 0),
      receive: (bytes) => this.#receive(bytes),
      passed: (descriptors) => this.#descriptors.arrive(descriptors),
      event: (event) => {
        if (event === "opened") this.#opened();
        else if (event === "closed") this.#closed();
      },
      focus: (isOurs) => {
        this.#isOurs = isOurs;
        if (isOurs && this.#isOpen) this.#greet();
      },
    });
  }

  #opened(): void {
    if (this.#isOpen) this.#closed();
    this.#isOpen = true;
    this.#cpuIndex = 0;
    this.#editor = this.#options.editors({
      prompt: PROMPT,
      output: this.#backend,
      line: (text) => this.#enqueue(text),
      complete: (line) => completeLine(this.#monitor, line),
    });
    if (this.#isOurs) this.#greet();
  }

  #closed(): void {
    this.#client++;
    this.#isOpen = false;
    this.#hasGreeted = false;
    this.#queue.length = 0;
    this.#descriptors.leave();
    this.#lineBytes = 0;
    this.#editor?.close();
    this.#editor = undefined;
  }

  #greet(): void {
    if (!this.#hasGreeted) {
      this.#print(`${this.#monitor.host.greeting} - type 'help' for more information\n`);
      this.#hasGreeted = true;
    } else this.#print("\n");
    this.#editor?.prompt();
  }

  #receive(bytes: Uint8Array): void {
    const end = Math.max(bytes.lastIndexOf(LINE_FEED), bytes.lastIndexOf(CARRIAGE_RETURN));
    this.#lineBytes = end < 0 ? this.#lineBytes + bytes.length : bytes.length - end - 1;
    if (this.#lineBytes > MAX_LINE_BYTES) {
      this.#lineBytes = 0;
      this.#editor?.clear();
      this.#print("\nthe line is too long\n");
      this.#editor?.prompt();
      return;
    }
    this.#editor?.receive(bytes);
  }

  #enqueue(line: string): void {
    // Known when it comes: it may wait, and others with descriptors come behind it.
    const bound = takesDescriptor(this.#monitor, line) ? this.#descriptors.bind() : undefined;
    this.#queue.push({ line, bound });
    if (!this.#isBusy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      const { line, bound } = next;
      const client = this.#client;
      const caller: Caller = {
        cpuIndex: this.#cpuIndex,
        descriptors: this.#descriptors,
        ...(bound && { passed: bound }),
        whyNoDescriptors: this.#backend.whyNoDescriptors,
      };
      let text: string;
      try {
        text = await runHmpLine(this.#monitor, line, caller);
      } catch (error) {
        this.#options.bug(error);
        text = `Error: ${error instanceof Error ? error.message : String(error)}\n`;
      } finally {
        if (bound) this.#descriptors.release(bound);
      }
      if (client === this.#client) {
        this.#cpuIndex = caller.cpuIndex;
        this.#print(text);
        this.#editor?.prompt();
      }
      this.#backend.poke();
    }
    this.#isBusy = false;
  }

  #print(text: string): void {
    if (text !== "") this.#backend.write(ENCODER.encode(text.replaceAll("\n", "\r\n")));
  }
}

const ENCODER = new TextEncoder();
