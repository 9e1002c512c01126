/** An emulator under test as managers of machines have it: a terminal, and a client of its QMP monitor. It ends with the test. */
import { cpSync } from "node:fs";
import { basename, join } from "node:path";
import { afterEach } from "vitest";
import type { Emulator } from "../tools/peers/vm.ts";
import { COMMAND } from "./firmware.ts";
import { QmpClient } from "./qmp-client.ts";
import { Terminal } from "./terminal.ts";

export type Side = { readonly terminal: Terminal; readonly client: QmpClient; readonly path: string };

export const here: Emulator = { name: "here", program: process.execPath, args: [COMMAND] };

/** The same where the package koffi cannot be found. */
export function withoutKoffi(folder: string): Emulator {
  const alone = join(folder, "alone");
  cpSync(join(COMMAND, ".."), alone, { recursive: true });
  return { name: "without koffi", program: process.execPath, args: [join(alone, basename(COMMAND))] };
}

const open: Side[] = [];
let sockets = 0;
afterEach(() => {
  for (const { terminal, client } of open.splice(0)) {
    client.close();
    terminal.kill();
  }
});

/** Starts an emulator with those arguments and a monitor in `folder`. */
export async function startSide({ program, args }: Emulator, folder: string, more: readonly string[]): Promise<Side> {
  const path = join(folder, `qmp-${sockets++}`);
  return control(new Terminal(program, [...args, ...more, "-qmp", `unix:${path},server=on,wait=off`]), path);
}

/** Of one that runs, or is about to: the monitor is at `path`. */
export async function control(terminal: Terminal, path: string): Promise<Side> {
  const client = await QmpClient.connect(path);
  const side = { terminal, client, path };
  open.push(side);
  await client.result("qmp_capabilities");
  return side;
}

export async function runState({ client }: Side): Promise<string> {
  return ((await client.result("query-status")) as { readonly status: string }).status;
}

/** Resolves with how it ends. */
export async function migrate({ client }: Side, uri: string): Promise<"completed" | "failed"> {
  await client.result("migrate", { uri });
  for (;;) {
    const { status } = (await client.result("query-migrate")) as { readonly status?: string };
    if (status === "completed" || status === "failed") return status;
    await soon();
  }
}

/** The machine has come. */
export async function arrived(side: Side): Promise<Side> {
  while ((await runState(side)) === "inmigrate") await soon();
  return side;
}

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
