/** What a machine is doing, as managers ask it: behind a poweroff that does not end the process, and where it comes from elsewhere. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { qemu11 } from "../tools/peers/qemu.ts";
import type { Emulator } from "../tools/peers/vm.ts";
import { LIMIT_MS, testFolder, writeFirmware } from "./firmware.ts";
import { arrived, here, migrate, runState, type Side, startSide } from "./side.ts";

const folder = testFolder();
const FIRMWARE = writeFirmware(folder);
const MACHINE = ["-M", "virt", "-m", "16M", "-display", "none", "-monitor", "none", "-nic", "none", "-serial", "stdio"];
const PEERS = { here, "QEMU 11.1": qemu11() };
const NEEDS_RESET = { error: { class: "GenericError", desc: "Resetting the Virtual Machine is required" } };

let streams = 0;
const newStream = (): string => join(folder, `stream-${streams++}`);
const start = (emulator: Emulator, ...more: string[]): Promise<Side> =>
  startSide(emulator, folder, [...MACHINE, "-bios", FIRMWARE, ...more]);
const incoming = async (to: Emulator, stream: string): Promise<Side> =>
  arrived(await start(to, "-incoming", `exec:cat ${stream}`));

/** It does not run on before it is reset. */
async function runsAgain(side: Side): Promise<void> {
  expect(await side.client.execute("cont")).toEqual(NEEDS_RESET);
  await side.client.result("system_reset");
  await side.client.event("RESET");
  expect(await runState(side)).toBe("prelaunch");
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
  expect(await runState(side)).toBe("shutdown");
  return side;
}

test("a guest that powers off with -no-shutdown is shut down until it is reset", async () => {
  const side = await poweredOff(here);
  await side.client.result("stop");
  expect(await runState(side)).toBe("shutdown");
  await runsAgain(side);
});

test("so is one that ends with a failure", async () => {
  const side = await poweredOff(here, "f", "guest-panic");
  expect(await runState(side)).toBe("shutdown");
  await runsAgain(side);
});

test("a migration that fails leaves the machine what it was", async () => {
  const side = await poweredOff(here);
  // The stop comes before the stream breaks.
  expect(await migrate(side, "exec:head -c 1000 >/dev/null")).toBe("failed");
  expect(await runState(side)).toBe("shutdown");
  await runsAgain(side);
});

test("a machine that has gone is not sent again before it has run here", async () => {
  const side = await start(here);
  await side.terminal.waitFor(/ready/, LIMIT_MS);
  const uri = `exec:cat >${newStream()}`;
  expect(await migrate(side, uri)).toBe("completed");
  expect(await runState(side)).toBe("postmigrate");
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
    const stream = newStream();
    expect(await migrate(await start(source, "-S"), `exec:cat >${stream}`)).toBe("completed");
    expect(await runState(await incoming(destination, stream))).toBe("prelaunch");

    const off = await poweredOff(source);
    expect(await migrate(off, `exec:cat >${stream}`)).toBe("completed");
    expect(await runState(off)).toBe("postmigrate");
    const side = await incoming(destination, stream);
    expect(await runState(side)).toBe("shutdown");
    await runsAgain(side);
  });
}
