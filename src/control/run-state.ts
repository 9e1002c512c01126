/**
 * What the machine is doing, in the words of `query-status`, and the steps between them.
 *
 *   prelaunch -> running <-> paused, io-error;  running -> shutdown -> (reset) -> prelaunch
 *   inmigrate -> running, or what it was at the source;  running -> save-vm, restore-vm -> running
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

/** What a machine may be, and stay, behind its coming; anything else is `paused`. */
const COMES_AS: readonly string[] = [
  "prelaunch",
  "shutdown",
  "suspended",
  "watchdog",
  "guest-panicked",
  "internal-error",
  "io-error",
];
/** Where `cont` is refused until the machine is reset. */
const NEEDS_RESET: readonly RunStateName[] = ["internal-error", "shutdown"];

export class RunState {
  readonly #machine: Machine | undefined;
  #name: RunStateName = "prelaunch";
  /** What a machine is that stops. */
  #stoppedFor: RunStateName = "paused";

  /** Follows the machine; without one (`-machine none`) only {@link set} changes it. */
  constructor(machine: Machine | undefined) {
    this.#machine = machine;
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

  /** While `work` stops the machine, its state has that name. */
  async during<T>(name: "save-vm" | "restore-vm", work: () => Promise<T>): Promise<T> {
    this.#stoppedFor = name;
    try {
      return await work();
    } finally {
      this.#stoppedFor = "paused";
      if (this.#name === name) this.#name = "paused";
    }
  }

  #follow(event: MachineEvent): void {
    if (event.kind === "resume") this.#name = "running";
    else if (event.kind === "stop" && this.#name === "running")
      this.#name = event.ioError ? "io-error" : this.#stoppedFor;
    else if (event.kind === "loaded" && this.#name === "inmigrate") this.#name = this.#arrived();
    else if (event.kind === "shutdown") this.#name = "shutdown";
    else if (event.kind === "reset" && !this.isRunning && this.#name !== "inmigrate") this.#name = "prelaunch";
  }

  /** What the stream says that it was. */
  #arrived(): RunStateName {
    const was = this.#machine?.migration.runState ?? "";
    return COMES_AS.includes(was) ? (was as RunStateName) : "paused";
  }
}
