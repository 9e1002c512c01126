/** The words of `query-status`, from a machine's events. */
import { expect, test } from "vitest";
import { RunState } from "#control/run-state.ts";
import type { Machine, MachineEvent } from "#machine/machine.ts";

function withMachine(sourceState = "running") {
  let tell: (event: MachineEvent) => void = () => {};
  const machine = { on: (listener: typeof tell) => (tell = listener), migration: { runState: sourceState } };
  const run = new RunState(machine as unknown as Machine);
  return {
    run,
    tell: (kind: "stop" | "resume" | "loaded" | "reset", why: { ioError?: true } = {}) =>
      tell(kind === "reset" ? { kind, byGuest: false } : { kind, ...why }),
  };
}

test.each([
  ["running", "paused"],
  ["paused", "paused"],
  ["shutdown", "shutdown"],
  ["prelaunch", "prelaunch"],
  ["internal-error", "internal-error"],
  ["io-error", "io-error"],
  ["postmigrate", "postmigrate"],
  // Of the source's own migration or snapshot.
  ["finish-migrate", "paused"],
  ["save-vm", "paused"],
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

test("a machine stands for its migration, and is then elsewhere, or what it was", () => {
  const { run, tell } = withMachine();
  tell("resume");
  run.hold();
  expect(run.name).toBe("running");
  tell("stop");
  tell("reset");
  expect(run.name).toBe("finish-migrate");
  run.release(true);
  expect(run.name).toBe("postmigrate");
  for (const name of ["shutdown", "io-error", "prelaunch"] as const) {
    run.set(name);
    run.hold();
    run.hold();
    expect(run.name).toBe("finish-migrate");
    run.release(false);
    expect(run.name).toBe(name);
  }
  // It runs on here.
  tell("resume");
  run.hold();
  tell("stop");
  tell("resume");
  run.release(false);
  expect(run.name).toBe("running");
  tell("stop");
  expect(run.name).toBe("paused");
});

test("what is saved of a machine that stops for a moment is that it runs", async () => {
  const { run, tell } = withMachine();
  expect(run.saved).toBe("prelaunch");
  tell("resume");
  await run.during("save-vm", async () => {
    tell("stop");
    expect(run.saved).toBe("running");
  });
  expect(run.saved).toBe("paused");
});

test("a machine that stops because its disk has failed says so", () => {
  const { run, tell } = withMachine();
  tell("resume");
  tell("stop", { ioError: true });
  expect([run.name, run.needsReset]).toEqual(["io-error", false]);
  tell("resume");
  expect(run.name).toBe("running");
});
