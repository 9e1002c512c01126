/** Boots Debian's kernel from the built command, to the shell of our `init`, and asks that shell. */
import { join } from "node:path";
import { fetchGuest } from "../tools/guest/fetch-guest.mjs";
import { ROOT } from "../tools/setup.mjs";
import { Terminal } from "./terminal.ts";

export const COMMAND = join(ROOT, "dist", "tinamou-system-riscv64.js");
const BOOT_LIMIT_MS = 120_000;
const ANSWER_LIMIT_MS = 60_000;

export type GuestOptions = Parameters<typeof fetchGuest>[0] & {
  readonly smp?: number;
  /** As `-m`. */
  readonly memory?: string;
  /** Told of the guest before it is ready: it may never be. */
  readonly started?: (guest: Guest) => void;
};

/** Resolves when the shell waits for input. `args` go behind ours. */
export async function bootGuest(args: readonly string[], options: GuestOptions = {}): Promise<Guest> {
  const { smp = 1, memory = "256", started, ...fetching } = options;
  const { firmware, kernel, initrd } = await fetchGuest(fetching);
  const machine = ["-M", "virt", "-smp", String(smp), "-m", memory, "-nographic"];
  const files = ["-bios", firmware, "-kernel", kernel, "-initrd", initrd];
  // Wide, so that the shell does not break the lines that are typed.
  const append = ["-append", "console=ttyS0 quiet COLUMNS=1000"];
  const guest = new Guest(process.execPath, [COMMAND, ...machine, ...files, ...append, ...args]);
  started?.(guest);
  try {
    await guest.untilReady();
  } catch (error) {
    guest.kill();
    throw error;
  }
  return guest;
}

export class Guest extends Terminal {
  async untilReady(): Promise<void> {
    await this.waitFor(/Tinamou guest ready[^]*# /, BOOT_LIMIT_MS);
  }

  /** What a command prints on the console, both streams, and its exit status. */
  async ask(command: string, limitMs = ANSWER_LIMIT_MS): Promise<{ readonly text: string; readonly status: number }> {
    // The quotes keep the echo of what is typed from being taken for the answer.
    this.type(`echo B''EGIN; ${command}; echo E''ND $?\n`);
    const seen = await this.waitFor(/BEGIN\r?\n[^]*END \d+\r?\n/, limitMs);
    const [, text = "", status] = /BEGIN\r?\n([^]*)END (\d+)\r?\n$/.exec(seen) ?? [];
    return { text: text.replaceAll("\r\n", "\n"), status: Number(status) };
  }

  /** The exit code after `poweroff -f`. */
  powerOff(): Promise<number | null> {
    this.type("poweroff -f\n");
    return this.exit(ANSWER_LIMIT_MS);
  }
}
