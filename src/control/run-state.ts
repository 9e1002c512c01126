/**
 * What the machine is doing, in the words of `query-status`, and the steps between them.
 *
 *   prelaunch -> running <-> paused;  running -> shutdown -> (reset) -> prelaunch
 *
 * Migration sets its own states by {@link RunState.set}. Thread: machine.
 */
import type { Machine, MachineEvent } from "#machine/machine.ts";

export const RUN_STATES = [
  "debug",
  "inmigrate",
  "internal-error",
  "io-error",
  "paused",
  "postmigrate",
  "prelaunch",
  "finish-migrate",
  "restore-vm",
  "running",
  "save-vm",
  "shutdown",
  "suspended",
  "watchdog",
  "guest-panicked",
  "colo",
] as const;
export type RunStateName = (typeof RUN_STATES)[number];

/** Where `cont` is refused until the machine is reset. */
const NEEDS_RESET: readonly RunStateName[] = ["internal-error", "shutdown"];

export class RunState {
  #name: RunStateName = "prelaunch";

  /** Follows the machine; without one (`-machine none`) only {@link set} changes it. */
  constructor(machine: Machine | undefined) {
    machine?.on((event) => this.#follow(event));
  }

  get name(): RunStateName {
    return this.#name;
  }
  get isRunning(): boolean {
    return this.#name === "running";
  }
  get needsReset(): boolean {
    return NEEDS_RESET.includes(this.#name);
  }
  set(name: RunStateName): void {
    this.#name = name;
  }

  #follow(event: MachineEvent): void {
    if (event.kind === "resume") this.#name = "running";
    else if (event.kind === "stop" && this.#name === "running") this.#name = "paused";
    else if (event.kind === "shutdown") this.#name = "shutdown";
    else if (event.kind === "reset" && !this.isRunning && this.#name !== "inmigrate") this.#name = "prelaunch";
  }
}
