/**
 * Several frontends (serial ports, a monitor) on one character device, with an escape key.
 *
 * terminal -> mux -> the port that has the focus; every port -> terminal.
 * After the escape key (Ctrl-A) the next key is a command; Ctrl-A h lists them. A port that does not take its input
 * has some of it held for it, so that the commands work while the guest hangs.
 * Thread: machine.
 */
import type { ByteSink, CharBackend, CharFrontend, Clock } from "#core/host.ts";
import { InputPump } from "#io/char/input-pump.ts";

const ESCAPE = 0x01; // Ctrl-A
const HELD_BYTES_LIMIT = 4096;
const LINE_FEED = 0x0a;

export type MuxHooks = {
  /** Ctrl-A x. */
  exit(): void;
  /** Ctrl-A s: write what is cached back to the disks. */
  sync?(): void;
  /** The port that now has the focus, for example for a monitor to show its prompt. */
  focused?(portIndex: number): void;
};

type Port = { readonly name: string; readonly pump: InputPump };

export class CharMux {
  readonly #backend: CharBackend;
  readonly #hooks: MuxHooks;
  readonly #clock: Clock;
  readonly #ports: Port[] = [];
  #focus = 0;
  #isHeld = false;
  #open = false;
  #escaped = false;
  #timestampsFromNs: number | undefined;
  #atLineStart = true;

  /** Attaches itself to `backend`; make the ports before any input can come. */
  constructor(backend: CharBackend, clock: Clock, hooks: MuxHooks) {
    this.#backend = backend;
    this.#clock = clock;
    this.#hooks = hooks;
    backend.attach({
      canReceive: () => this.#room(),
      receive: (bytes) => this.#receive(bytes),
      event: (event) => {
        if (event !== "break") this.#open = event === "opened";
        for (const port of this.#ports) port.pump.frontend?.event(event);
      },
    });
  }

  get focus(): number {
    return this.#focus;
  }

  /** Takes no input until {@link release}: who has not attached yet must not miss any. */
  hold(): void {
    this.#isHeld = true;
  }
  release(): void {
    this.#isHeld = false;
    this.#backend.poke();
  }

  /** Adds a port: a character device of its own for one frontend. The first one has the focus. */
  port(name: string): CharBackend {
    const pump = new InputPump(() => this.#backend.poke());
    this.#ports.push({ name, pump });
    return {
      name,
      attach: (frontend: CharFrontend) => {
        frontend.focus?.(this.#ports[this.#focus]?.pump === pump);
        pump.attach(frontend);
        if (this.#open) frontend.event("opened");
      },
      poke: () => {
        pump.flush();
        this.#backend.poke();
      },
      write: (bytes) => this.#write(bytes),
      close: () => pump.clear(),
    };
  }

  /** The mux as one character device: each frontend that attaches has a port of its own. */
  shared(name: string): CharBackend {
    const ports: CharBackend[] = [];
    return {
      name,
      filename: "mux",
      attach: (frontend) => {
        const port = this.port(`${name}.${ports.length}`);
        ports.push(port);
        port.attach(frontend);
        this.#backend.poke();
      },
      poke: () => {
        for (const port of ports) port.poke();
      },
      write: (bytes) => this.#write(bytes),
      close: () => {
        for (const port of ports) port.close();
      },
    };
  }

  /** Gives the focus to a port. */
  switchTo(portIndex: number): void {
    if (portIndex >= this.#ports.length) return;
    this.#ports[this.#focus]?.pump.frontend?.focus?.(false);
    this.#focus = portIndex;
    this.#ports[portIndex]?.pump.frontend?.focus?.(true);
    this.#hooks.focused?.(portIndex);
    this.#backend.poke();
  }

  #room(): number {
    if (this.#isHeld) return 0;
    const port = this.#ports[this.#focus];
    return port ? Math.max(HELD_BYTES_LIMIT - port.pump.heldBytes, 0) : 0;
  }

  #receive(bytes: Uint8Array): void {
    let start = 0; // of the run of plain bytes that is not yet passed on
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      if (this.#escaped) {
        this.#escaped = false;
        // A second Ctrl-A stands for itself, so it begins the next run.
        start = byte === ESCAPE ? i : i + 1;
        if (byte !== ESCAPE) this.#command(byte);
      } else if (byte === ESCAPE) {
        this.#pass(bytes.subarray(start, i));
        this.#escaped = true;
        start = i + 1;
      }
    }
    this.#pass(bytes.subarray(start));
  }

  #pass(bytes: Uint8Array): void {
    this.#ports[this.#focus]?.pump.push(bytes);
  }

  #command(byte: number): void {
    switch (String.fromCharCode(byte).toLowerCase()) {
      case "h":
      case "?":
        return this.#backend.write(ascii(HELP));
      case "x":
        this.#backend.write(ascii("\r\nTinamou: terminated\r\n"));
        return this.#hooks.exit();
      case "s":
        return this.#hooks.sync?.();
      case "b":
        return this.#ports[this.#focus]?.pump.frontend?.event("break");
      case "c":
        return this.switchTo((this.#focus + 1) % this.#ports.length);
      case "t":
        this.#timestampsFromNs = this.#timestampsFromNs === undefined ? this.#clock.nowNs() : undefined;
        return;
      default: // anything else is swallowed with its Ctrl-A
    }
  }

  #write(bytes: Uint8Array): void {
    const fromNs = this.#timestampsFromNs;
    if (fromNs === undefined) {
      this.#backend.write(bytes);
    } else {
      const stamp = ascii(elapsed(this.#clock.nowNs() - fromNs));
      writeStamped(this.#backend, bytes, stamp, this.#atLineStart);
    }
    if (bytes.length > 0) this.#atLineStart = bytes.at(-1) === LINE_FEED;
  }
}

/** Writes `bytes` with `stamp` before every line. */
function writeStamped(out: ByteSink, bytes: Uint8Array, stamp: Uint8Array, atLineStart: boolean): void {
  let fresh = atLineStart;
  let start = 0;
  while (start < bytes.length) {
    if (fresh) out.write(stamp);
    const end = bytes.indexOf(LINE_FEED, start) + 1 || bytes.length;
    out.write(bytes.subarray(start, end));
    fresh = true;
    start = end;
  }
}

function elapsed(durationNs: number): string {
  const ms = Math.floor(durationNs / 1e6);
  const two = (n: number): string => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, Math.floor(ms / 1000) % 60];
  return `[${two(h)}:${two(m)}:${two(s)}.${String(ms % 1000).padStart(3, "0")}] `;
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

const HELP = [
  "",
  "Ctrl-A h       shows this list",
  "Ctrl-A x       ends the emulator",
  "Ctrl-A s       writes cached disk data to the files",
  "Ctrl-A t       puts the elapsed time before each line, or stops that",
  "Ctrl-A b       sends a break to the guest (magic SysRq)",
  "Ctrl-A c       goes to the next of the consoles and the monitor",
  "Ctrl-A Ctrl-A  sends one Ctrl-A",
  "",
].join("\r\n");
