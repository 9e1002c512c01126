/**
 * The `stdio` character device: this process's standard input and output.
 *
 * A terminal is put into raw mode and restored when the process exits or is suspended. Input that the guest does not
 * take stays in the pipe or terminal. The end of the input says "closed" and nothing else: the machine goes on.
 * Thread: main.
 */
import type { CharBackend } from "#core/host.ts";
import { InputPump } from "#io/char/input-pump.ts";

export type StdioOptions = {
  readonly id: string;
  /** Ctrl-C, Ctrl-\ and Ctrl-Z at a terminal signal this process; otherwise the guest gets them. */
  readonly signal: boolean;
};

/** The keys that a terminal in its normal mode turns into signals. */
const SIGNAL_KEYS: ReadonlyMap<number, NodeJS.Signals> = new Map([
  [0x03, "SIGINT"],
  [0x1c, "SIGQUIT"],
  [0x1a, "SIGTSTP"],
]);

/** Opens it. Only one may be open in a process; the caller sees to that. */
export function openStdio(options: StdioOptions): CharBackend {
  const { stdin, stdout } = process;
  const terminal = stdin.isTTY ? stdin : undefined;
  const pump = new InputPump(() => !ended && stdin.resume());
  let ended = false;

  const setRaw = (raw: boolean): void => void terminal?.setRawMode(raw);
  const restore = (): void => setRaw(false);
  const rawAgain = (): void => setRaw(true);

  const onData = (chunk: Buffer): void => {
    pump.push(options.signal && terminal ? withoutSignalKeys(chunk, restore) : chunk);
    if (pump.heldBytes > 0) stdin.pause();
  };
  const onEnd = (): void => {
    ended = true;
    pump.end();
  };
  const ignore = (): void => {}; // a reader that went away (EPIPE) loses the output, as with any program

  process.on("exit", restore);
  process.on("SIGCONT", rawAgain);
  stdout.on("error", ignore);
  stdin.on("error", onEnd);
  return {
    name: options.id,
    filename: "stdio",
    attach(frontend) {
      setRaw(true);
      pump.attach(frontend);
      frontend.event("opened");
      stdin.on("data", onData);
      stdin.on("end", onEnd);
    },
    poke: () => pump.flush(),
    // A copy: Node may keep the bytes until the other side reads.
    write: (bytes) => void (bytes.length > 0 && stdout.write(bytes.slice())),
    close() {
      restore();
      stdin.off("data", onData).off("end", onEnd).off("error", onEnd);
      stdin.pause();
      process.off("exit", restore).off("SIGCONT", rawAgain);
    },
  };
}

/** Sends the signals of the keys in `chunk`; returns the other bytes. */
function withoutSignalKeys(chunk: Uint8Array, beforeStop: () => void): Uint8Array {
  for (const byte of chunk) {
    const signal = SIGNAL_KEYS.get(byte);
    if (!signal) continue;
    // SIGINT is this process's to handle; the others end or stop it where it stands.
    if (signal !== "SIGINT") beforeStop();
    process.kill(process.pid, signal);
  }
  return chunk.filter((byte) => !SIGNAL_KEYS.has(byte));
}
