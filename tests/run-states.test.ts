/** What a machine is doing, as managers ask it: behind a poweroff that does not end the process, and where it comes from elsewhere. */
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { qemu11 } from "../tools/peers/qemu.ts";
import type { Emulator } from "../tools/peers/vm.ts";
import { COMMAND, LIMIT_MS, testFolder, writeFirmware } from "./firmware.ts";
import { QmpClient } from "./qmp-client.ts";
import { Terminal } from "./terminal.ts";

const folder = testFolder();
const FIRMWARE = writeFirmware(folder);
const MACHINE = ["-M", "virt", "-m", "16M", "-display", "none", "-monitor", "none", "-nic", "none", "-serial", "stdio"];
const here: Emulator = { name: "here", program: process.execPath, args: [COMMAND] };
const PEERS = { here, "QEMU 11.1": qemu11() };
const NEEDS_RESET = { error: { class: "GenericError", desc: "Resetting the Virtual Machine is required" } };

type Side = { readonly terminal: Terminal; readonly client: QmpClient };
const open: Side[] = [];
let files = 0;
afterEach(() => {
  for (const { terminal, client } of open.splice(0)) {
    client.close();
    terminal.kill();
  }
});

async function start({ program, args }: Emulator, ...more: string[]): Promise<Side> {
  const path = join(folder, `qmp-${files++}`);
  const qmp = ["-qmp", `unix:${path},server=on,wait=off`];
  const terminal = new Terminal(program, [...args, ...MACHINE, "-bios", FIRMWARE, ...qmp, ...more]);
  const client = await QmpClient.connect(path);
  const side = { terminal, client };
  open.push(side);
  await client.result("qmp_capabilities");
  return side;
}

const status = async ({ client }: Side): Promise<string> =>
  ((await client.result("query-status")) as { readonly status: string }).status;

/** Resolves with how it ends. */
async function migrate({ client }: Side, uri: string): Promise<unknown> {
  await client.result("migrate", { uri });
  for (;;) {
    const { status } = (await client.result("query-migrate")) as { readonly status?: string };
    if (status === "completed" || status === "failed") return status;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function arrived(to: Emulator, stream: string): Promise<Side> {
  const side = await start(to, "-incoming", `exec:cat ${stream}`);
  while ((await status(side)) === "inmigrate") await new Promise((resolve) => setTimeout(resolve, 20));
  return side;
}

/** It does not run on before it is reset. */
async function runsAgain(side: Side): Promise<void> {
  expect(await side.client.execute("cont")).toEqual(NEEDS_RESET);
  await side.client.result("system_reset");
  await side.client.event("RESET");
  expect(await status(side)).toBe("prelaunch");
  await side.client.result("cont");
  await side.client.event("RESUME");
  await side.terminal.waitFor(/ready/, LIMIT_MS);
}

async function poweredOff(emulator: Emulator, key = "q", reason = "guest-shutdown"): Promise<Side> {
  const side = await start(emulator, "-no-shutdown");
  await side.terminal.waitFor(/ready/, LIMIT_MS);
  side.terminal.type(key);
  expect(await side.client.event("SHUTDOWN")).toEqual({ guest: true, reason });
  await side.client.event("STOP");
  expect(await status(side)).toBe("shutdown");
  return side;
}

test("a guest that powers off with -no-shutdown is shut down until it is reset", async () => {
  const side = await poweredOff(here);
  await side.client.result("stop");
  expect(await status(side)).toBe("shutdown");
  await runsAgain(side);
});

test("so is one that ends with a failure", async () => {
  const side = await poweredOff(here, "f", "guest-panic");
  expect(await status(side)).toBe("shutdown");
  await runsAgain(side);
});

test("a migration that fails leaves the machine what it was", async () => {
  const side = await poweredOff(here);
  // The stop comes before the stream breaks.
  expect(await migrate(side, "exec:head -c 1000 >/dev/null")).toBe("failed");
  expect(await status(side)).toBe("shutdown");
  await runsAgain(side);
});

test("a machine that has gone is not sent again before it has run here", async () => {
  const side = await start(here);
  await side.terminal.waitFor(/ready/, LIMIT_MS);
  const uri = `exec:cat >${join(folder, `stream-${files++}`)}`;
  expect(await migrate(side, uri)).toBe("completed");
  expect(await status(side)).toBe("postmigrate");
  expect(await side.client.execute("migrate", { uri })).toEqual({
    error: { class: "GenericError", desc: "Can't migrate the vm that was paused due to previous migration" },
  });
  await side.client.result("cont");
  expect(await migrate(side, uri)).toBe("completed");
});

for (const [from, to] of [
  ["here", "here"],
  ["here", "QEMU 11.1"],
  ["QEMU 11.1", "here"],
] as const) {
  const [source, destination] = [PEERS[from], PEERS[to]];
  const missing = [source, destination].flatMap((one) => ("missing" in one ? [one.missing] : []));
  test.skipIf(missing.length > 0)(`a machine arrives as what it was: ${from} -> ${to}`, async () => {
    if ("missing" in source || "missing" in destination) throw new Error(missing.join());
    const stream = join(folder, `stream-${files++}`);
    expect(await migrate(await start(source, "-S"), `exec:cat >${stream}`)).toBe("completed");
    expect(await status(await arrived(destination, stream))).toBe("prelaunch");

    const off = await poweredOff(source);
    expect(await migrate(off, `exec:cat >${stream}`)).toBe("completed");
    expect(await status(off)).toBe("postmigrate");
    const side = await arrived(destination, stream);
    expect(await status(side)).toBe("shutdown");
    await runsAgain(side);
  });
}
