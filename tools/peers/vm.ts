/** A machine in an emulator of any kind, driven by QMP: what the migration of one to another needs. */
import { join } from "node:path";
import { Guest } from "../../tests/guest.ts";
import { checkLines, memoryCheckGuest, memoryCheckLine, type CheckLine } from "../guest/memory-check.ts";
import { Qmp } from "./qmp.ts";

/** A program, and what stands in front of the machine's options. */
export type Emulator = { readonly name: string; readonly program: string; readonly args: readonly string[] };
/** `devices` are options; a guest that boots with some has their drivers. */
export type Board = { readonly smp: number; readonly memory: string; readonly devices?: readonly string[] };
export type MigrateInfo = {
  readonly status?: string;
  readonly "error-desc"?: string;
  readonly "total-time"?: number;
  readonly downtime?: number;
  readonly ram?: { readonly [name: string]: number };
  readonly [name: string]: unknown;
};

const LIMIT_MS = 30_000;
const OVER = ["completed", "failed", "cancelled", "postcopy-paused"];

let count = 0;

export class Vm {
  readonly name: string;
  readonly guest: Guest;
  readonly qmp: Qmp;

  private constructor(name: string, guest: Guest, qmp: Qmp) {
    this.name = name;
    this.guest = guest;
    this.qmp = qmp;
  }

  /** Starts a process with its socket in `folder`; it is killed when nobody answers there. */
  static async #start(emulator: Emulator, board: Board, folder: string, args: readonly string[]): Promise<Vm> {
    const socket = join(folder, `qmp-${(count += 1)}`);
    const machine = ["-M", "virt", "-smp", String(board.smp), "-m", board.memory];
    const consoles = ["-display", "none", "-serial", "stdio", "-monitor", "none", "-nic", "none"];
    const monitor = ["-qmp", `unix:${socket},server=on,wait=off`];
    const devices = board.devices ?? [];
    const all = [...emulator.args, ...machine, ...devices, ...consoles, ...monitor, ...args];
    const guest = new Guest(emulator.program, all);
    try {
      return new Vm(emulator.name, guest, await Qmp.connect(socket, LIMIT_MS));
    } catch (error) {
      guest.kill();
      throw new Error(`${emulator.name} does not start: ${guest.errors}`, { cause: error });
    }
  }

  /** A guest that has booted, and compares `mib` MiB of its memory on every vCPU. */
  static async boot(emulator: Emulator, board: Board, folder: string, mib: number): Promise<Vm> {
    const { firmware, kernel, initrd } = await memoryCheckGuest(board.devices !== undefined);
    const append = ["-append", "console=ttyS0 quiet COLUMNS=1000"];
    const files = ["-bios", firmware, "-kernel", kernel, "-initrd", initrd];
    const vm = await Vm.#start(emulator, board, folder, [...files, ...append]);
    try {
      await vm.guest.untilReady();
      vm.guest.type(memoryCheckLine(mib, board.smp));
      await vm.guest.waitFor(/check \d+: [^\n]*\n/, LIMIT_MS);
      return vm;
    } catch (error) {
      vm.kill();
      throw error;
    }
  }

  /** A machine that waits for another to come in. */
  static async waiting(emulator: Emulator, board: Board, folder: string): Promise<Vm> {
    const { firmware } = await memoryCheckGuest();
    return Vm.#start(emulator, board, folder, ["-bios", firmware, "-incoming", "defer"]);
  }

  async switchOn(capabilities: readonly string[]): Promise<void> {
    await this.qmp.execute("migrate-set-capabilities", {
      capabilities: capabilities.map((capability) => ({ capability, state: true })),
    });
  }

  info(): Promise<MigrateInfo> {
    return this.qmp.execute("query-migrate");
  }

  /** Looks every `everyMs` until the migration is over, one way or another. */
  async untilOver(everyMs = 50): Promise<MigrateInfo> {
    const end = Date.now() + LIMIT_MS;
    for (;;) {
      const info = await this.info();
      if (OVER.includes(info.status ?? "")) return info;
      if (Date.now() > end) throw new Error(`${this.name}: still ${JSON.stringify(info)} after ${LIMIT_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }

  /** The lines of the memory check from now on, once there are `number`. */
  async nextChecks(number: number): Promise<CheckLine[]> {
    const text = await this.guest.waitFor(new RegExp(`(?:check \\d+: [^\\n]*\\n[^]*?){${number}}`), LIMIT_MS);
    return checkLines(text);
  }

  kill(): void {
    this.qmp.close();
    this.guest.kill();
  }
}

/** How a machine goes. Speeds in bytes a second; 0 is any. */
export type Move = {
  readonly maxBandwidth: number;
  readonly downtimeLimitMs?: number;
  /** For both sides. */
  readonly capabilities?: readonly string[];
  readonly destinationCapabilities?: readonly string[];
  readonly postcopy?: { readonly afterMs: number; readonly maxBandwidth: number };
};
export type Moved = { readonly source: MigrateInfo; readonly destination: MigrateInfo };

/** Moves `source` to `destination` by a unix socket in `folder`; resolves when both say that it is over. */
export async function move(source: Vm, destination: Vm, folder: string, how: Move): Promise<Moved> {
  const uri = `unix:${join(folder, `stream-${(count += 1)}`)}`;
  const postcopy = how.postcopy ? ["postcopy-ram"] : [];
  const both = ["events", "return-path", ...postcopy, ...(how.capabilities ?? [])];
  await destination.switchOn([...both, ...(how.destinationCapabilities ?? [])]);
  await source.switchOn(both);
  await source.qmp.execute("migrate-set-parameters", {
    "max-bandwidth": how.maxBandwidth,
    "downtime-limit": how.downtimeLimitMs ?? 300,
    "max-postcopy-bandwidth": how.postcopy?.maxBandwidth ?? 0,
  });
  await destination.qmp.execute("migrate-incoming", { uri });
  await source.qmp.execute("migrate", { uri });
  if (how.postcopy) {
    await new Promise((resolve) => setTimeout(resolve, how.postcopy?.afterMs));
    await source.qmp.execute("migrate-start-postcopy");
  }
  return { source: await source.untilOver(), destination: await destination.untilOver() };
}
