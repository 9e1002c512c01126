/**
 * Runs what a command line asks for. What a machine consists of is loaded while its threads start.
 */
import type { CommandLine } from "#app/cli/command-line.ts";
import { say, setMessagePrefix } from "#app/messages.ts";
import { prepareMachine } from "#app/prepared-machine.ts";
import { StartError } from "#app/start-error.ts";
import { markStep } from "#app/startup-steps.ts";
import type { MachineConfig } from "#machine/config.ts";

export type Run = Extract<CommandLine, { kind: "run" }>;

/** Resolves when the machine is up. Rejects with errors that have a `code` and a sentence. */
export async function runCommand(run: Run): Promise<void> {
  const { machine, host: options } = run;
  setMessagePrefix({
    timestamps: options.messageTimestamps,
    guestName: options.messageGuestName ? machine.name : undefined,
  });
  if (options.processName !== undefined) process.title = options.processName;
  for (const warning of options.warnings) say(warning);
  checkAvailable(machine);
  markStep("arguments");
  const runs = machine.machine !== "none" && machine.boot.dumpdtb === undefined;
  const prepared = runs ? prepareMachine(machine) : undefined;
  const { runMachine } = await import("#app/run-machine.ts");
  markStep("loaded");
  await runMachine(run, prepared);
}

/** Throws before anything was started. */
function checkAvailable(machine: MachineConfig): void {
  const { accel, smp } = machine;
  if (accel.kind === "lockstep" && smp.cpus > 1)
    throw new StartError("-accel lockstep compares one vCPU, since others change the memory meanwhile; use -smp 1");
}
