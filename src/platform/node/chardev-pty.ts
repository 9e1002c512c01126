/**
 * The `pty` character device: a pseudo terminal that another program opens, for example `screen /dev/pts/3`.
 *
 * Node has no call for it, but can open /dev/ptmx and learn the terminal's number from /proc. Unlocking takes one
 * ioctl, which `perl` or `python3` does on the inherited descriptor, and `stty` makes the terminal raw.
 * Linux only. The other end is held open here, so that a program may come and go: "closed" is never reported.
 * Thread: machine.
 */
import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { ReadStream } from "node:tty";
import type { CharBackend } from "#core/host.ts";
import { InputPump } from "#io/char/input-pump.ts";
import { ChardevError, chardevErrorCode } from "#platform/node/chardev-error.ts";

/** `ioctl(3, TIOCSPTLCK, &zero)` in the languages that a host may have. */
const UNLOCKERS: readonly (readonly [program: string, script: string])[] = [
  ["perl", 'open(my $m, "+<&=", 3) or exit 2; my $z = pack("i", 0); ioctl($m, 0x40045431, $z) or exit 3;'],
  ["python3", "import fcntl; fcntl.ioctl(3, 0x40045431, bytes(4))"],
];
const SCRIPT_OPTION: Readonly<Record<string, string>> = { perl: "-e", python3: "-c" };

const RETRY_MS = 20;
/** Output kept for a program that reads slowly, or is not there; the oldest is dropped beyond it. */
const MAX_UNSENT_BYTES = 64 << 10;

export type PtyChardev = CharBackend & {
  /** What the other program opens: "/dev/pts/3". */
  readonly path: string;
};

/** Throws {@link ChardevError}. */
export function openPty(id: string): PtyChardev {
  if (process.platform !== "linux") {
    throw new ChardevError("unsupported", `chardev ${id}: pty needs Linux here; use a unix socket instead`);
  }
  const flags = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;
  const master = open(id, "/dev/ptmx", flags);
  unlock(id, master);
  const number = /tty-index:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${master}`, "latin1"))?.[1];
  const path = `/dev/pts/${number}`;
  const other = open(id, path, flags);
  spawnSync("stty", ["-F", path, "raw", "-echo"]);
  return ptyBackend(id, path, master, other);
}

function ptyBackend(id: string, path: string, master: number, other: number): PtyChardev {
  const stream = new ReadStream(master);
  const pump = new InputPump(() => stream.resume());
  let unsent: Uint8Array = new Uint8Array(0);
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  const send = (): void => {
    retry = undefined;
    try {
      while (!closed && unsent.length > 0) unsent = unsent.subarray(writeSync(master, unsent));
    } catch {
      // EAGAIN: the terminal is full until somebody reads it.
      retry = setTimeout(send, RETRY_MS);
      retry.unref();
    }
  };
  stream.on("error", () => {});
  return {
    name: id,
    filename: `pty:${path}`,
    path,
    attach(frontend) {
      pump.attach(frontend);
      frontend.event("opened");
      stream.on("data", (chunk) => {
        pump.push(chunk);
        if (pump.heldBytes > 0) stream.pause();
      });
    },
    poke: () => pump.flush(),
    write(bytes) {
      const both = new Uint8Array(unsent.length + bytes.length);
      both.set(unsent);
      both.set(bytes, unsent.length);
      unsent = both.subarray(Math.max(both.length - MAX_UNSENT_BYTES, 0));
      if (!retry) send();
    },
    close() {
      if (closed) return;
      closed = true;
      clearTimeout(retry);
      stream.destroy(); // and with it the master
      closeSync(other);
    },
  };
}

function open(id: string, path: string, flags: number): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    const cause = error as NodeJS.ErrnoException;
    throw new ChardevError(chardevErrorCode(cause), `chardev ${id}: ${path} cannot be opened: ${cause.message}`, {
      cause,
    });
  }
}

function unlock(id: string, master: number): void {
  for (const [program, script] of UNLOCKERS) {
    const run = spawnSync(program, [SCRIPT_OPTION[program] ?? "-c", script], {
      stdio: ["ignore", "ignore", "ignore", master],
    });
    if (run.status === 0) return;
  }
  closeSync(master);
  throw new ChardevError(
    "unsupported",
    `chardev ${id}: a pty needs perl or python3 on this host; install one, or use a unix socket instead`,
  );
}
