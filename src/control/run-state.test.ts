/** The words of `query-status`, from a machine's events. */
import { expect, test } from "vitest";
import { RunState } from "#control/run-state.ts";
import type { Machine, MachineEvent } from "#machine/machine.ts";

function withMachine(sourceState = "running") {
  let tell: (event: MachineEvent) => void = () => {};
  const machine = { on: (listener: typeof tell) => (tell = listener), migration: { runState: sourceState } };
  const run = new RunState(machine as unknown as Machine);
  return { run, tell: (kind: "stop" | "resume" | "loaded", why: { ioError?: true } = {}) => tell({ kind, ...why }) };
}

test.each([
  ["running", "paused"],
  ["paused", "paused"],
  ["shutdown", "shutdown"],
  ["prelaunch", "prelaunch"],
  ["internal-error", "internal-error"],
  // Of the source's own migration, or of no QEMU.
  ["finish-migrate", "paused"],
  ["nothing", "paused"],
])("a machine that comes from '%s' and is not started is '%s'", (source, here) => {
  const { run, tell } = withMachine(source);
  run.set("inmigrate");
  tell("loaded");
  expect(run.name).toBe(here);
  tell("resume");
  expect(run.name).toBe("running");
  // Another state in place of this one.
  tell("loaded");
  expect(run.name).toBe("running");
});

test("while it is stopped for a snapshot it says so; one that stood already does not", async () => {
  const { run, tell } = withMachine();
  tell("resume");
  await run.during("save-vm", async () => {
    tell("stop");
    expect(run.name).toBe("save-vm");
    tell("resume");
  });
  expect(run.name).toBe("running");
  const broken = run.during("restore-vm", async () => {
    tell("stop");
    expect(run.name).toBe("restore-vm");
    throw new Error("damaged");
  });
  await expect(broken).rejects.toThrow("damaged");
  expect(run.name).toBe("paused");
  run.set("prelaunch");
  await run.during("save-vm", async () => expect(run.name).toBe("prelaunch"));
  expect(run.name).toBe("prelaunch");
  tell("resume");
  tell("stop");
  expect(run.name).toBe("paused");
});

test("a machine that stops because its disk has failed says so", () => {
  const { run, tell } = withMachine();
  tell("resume");
  tell("stop", { ioError: true });
  expect([run.name, run.needsReset]).toEqual(["io-error", false]);
  tell("resume");
  expect(run.name).toBe("running");
});
