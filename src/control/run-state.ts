/**
 * What the machine is doing, in the words of `query-status`, and the steps between them.
 *
 *   prelaunch -> running <-> paused, io-error;  running -> shutdown -> (reset) -> prelaunch
 *   inmigrate -> running, or what it was at the source;  running -> save-vm, restore-vm -> running
 *   any -> finish-migrate -> postmigrate, or what it was
 *
 * Thread: machine.
 */
import type { Machine, MachineEvent } from "#machine/machine.ts";
import type { RunStateName } from "#machine/run-states.ts";

/** What a machine may be, and stay, behind its coming; anything else is `paused`. */
const COMES_AS: readonly RunStateName[] = [
  "prelaunch",
  "postmigrate",
  "shutdown",
  "suspended",
  "watchdog",
  "guest-panicked",
  "internal-error",
  "io-error",
];
/** Where `cont` is refused until the machine is reset. */
const NEEDS_RESET: readonly RunStateName[] = ["internal-error", "shutdown"];

const STAYS_AT_RESET: readonly RunStateName[] = ["running", "inmigrate", "finish-migrate"];

export class RunState {
  readonly #machine: Machine | undefined;
  #name: RunStateName = "prelaunch";
  /** What a machine is that stops. */
  #stoppedFor: RunStateName = "paused";
  /** What it was when its migration stopped it. */
  #held: RunStateName | undefined;

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

  /** What a state of the machine that is saved now says that it is; a stop that passes does not count. */
  get saved(): RunStateName {
    return this.#name === "save-vm" || this.#name === "restore-vm" ? "running" : this.#name;
  }

  /** The machine stands for its migration, or will in a moment: it cannot be started until it is known where it runs. */
  hold(): void {
    if (this.#held !== undefined) return;
    this.#held = this.#name;
    this.#stoppedFor = "finish-migrate";
    if (!this.isRunning) this.#name = "finish-migrate";
  }
  /** The migration is over, and the machine is elsewhere (`hasGone`) or here as it was. */
  release(hasGone: boolean): void {
    const held = this.#held ?? "paused";
    this.#held = undefined;
    this.#stoppedFor = "paused";
    if (this.#name !== "finish-migrate") return;
    if (hasGone) this.#name = "postmigrate";
    else this.#name = held === "running" ? "paused" : held;
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
    else if (event.kind === "reset" && !STAYS_AT_RESET.includes(this.#name)) this.#name = "prelaunch";
  }

  /** What the stream says that it was. */
  #arrived(): RunStateName {
    const was = this.#machine?.migration.runState ?? "running";
    return COMES_AS.includes(was) ? was : "paused";
  }
}
