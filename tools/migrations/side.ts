/** A machine that is moved: one of the npm API in this process, or a process of its own; both by QMP's commands. */
import { MIGRATION_COMMANDS } from "#control/migration/commands.ts";
import type * as Api from "../../src/app/api/index.ts";
import { COMMAND } from "../../tests/guest.ts";
import { memoryCheckGuest, memoryCheckLine } from "../guest/memory-check.ts";
import { type Board, type Emulator, type MigrateInfo, Vm } from "../peers/vm.ts";

type Arguments = { readonly [name: string]: unknown };
export type Side = {
  readonly kind: SideKind;
  /** All that its console has shown. */
  readonly console: string;
  /** Rejects with the command's error. */
  execute(name: string, args?: Arguments): Promise<unknown>;
  info(): Promise<MigrateInfo>;
  /** At once: a process by SIGKILL. */
  end(): Promise<void>;
};
export type SideKind = "api" | "process";

const HERE: Emulator = { name: "here", program: process.execPath, args: [COMMAND] };
const BOOT_LIMIT_MS = 180_000;

/** A guest that compares `checkMib` MiB of its memory all the time. */
export async function bootSide(kind: SideKind, board: Board, folder: string, checkMib: number): Promise<Side> {
  if (kind === "process") return processSide(await Vm.boot(HERE, board, folder, checkMib));
  const { firmware, kernel, initrd } = await memoryCheckGuest();
  const append = "console=ttyS0 quiet COLUMNS=1000";
  const machine = await (await npmApi()).Machine.create({ ...board, firmware, kernel, initrd, append });
  const side = apiSide(machine);
  await machine.start();
  await machine.console.waitFor(/Tinamou guest ready[^]*# /, BOOT_LIMIT_MS);
  machine.console.type(memoryCheckLine(checkMib, board.smp));
  await machine.console.waitFor(/check \d+: [^\n]*\n/, BOOT_LIMIT_MS);
  return side;
}

/** A machine that waits for `migrate-incoming`. */
export async function waitingSide(kind: SideKind, board: Board, folder: string): Promise<Side> {
  if (kind === "process") return processSide(await Vm.waiting(HERE, board, folder));
  const { firmware } = await memoryCheckGuest();
  const args = ["-incoming", "defer"];
  return apiSide(await (await npmApi()).Machine.create({ ...board, firmware, args }));
}

function processSide(vm: Vm): Side {
  return {
    kind: "process",
    get console() {
      return vm.guest.transcript;
    },
    execute: (name, args) => vm.qmp.execute(name, args),
    info: () => vm.info(),
    async end() {
      vm.kill();
      await vm.guest.exit(10_000);
    },
  };
}

function apiSide(machine: Api.Machine): Side {
  let text = "";
  machine.console.onText((more) => (text += more));
  // It rejects for a machine that does not come.
  machine.arrived.catch(() => {});
  const execute = async (name: string, args: Arguments = {}): Promise<unknown> => {
    const command = MIGRATION_COMMANDS[name];
    if (!command) throw new Error(`a machine of the npm API has no command ${name}`);
    return command.run(machine.migration, args);
  };
  return {
    kind: "api",
    get console() {
      return text;
    },
    execute,
    info: async () => (await execute("query-migrate")) as MigrateInfo,
    end: () => machine.quit(),
  };
}

async function npmApi(): Promise<typeof Api> {
  const bundle = new URL("../../dist/index.js", import.meta.url).href;
  return (await import(bundle)) as typeof Api;
}
