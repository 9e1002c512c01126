/** A guest that has booted and runs programs one after the other. */
import { Emulator } from "./emulator.ts";
import { type MachineOptions, type Peer, startCommand } from "./peers.ts";
import { DRIVER_READY, parseResult, QUIT, resultPattern, runCommand, START_DRIVER } from "./protocol.ts";
import type { RunResult } from "./protocol.ts";
import type { Program, Row } from "./suites.ts";

/** What `tools/guest/init` prints when it is done. */
export const GUEST_READY = /Tinamou guest ready: .*\n/;
const PROMPT = /(^|\n)[^\n]{0,10}# /;
const BOOT_TIMEOUT_MS = 180_000;
const SHELL_TIMEOUT_MS = 60_000;
const QUIT_TIMEOUT_MS = 20_000;

export type TimedResult = RunResult & { readonly hostNs: number };

type Amount = { readonly scale: number; readonly timeoutMs: number };

export class GuestSession {
  readonly peer: Peer;
  readonly #emulator: Emulator;

  private constructor(peer: Peer, emulator: Emulator) {
    this.peer = peer;
    this.#emulator = emulator;
  }

  /** Boots to the driver. Rejects with a BenchError, and the emulator is gone then. */
  static async boot(peer: Peer, machine: MachineOptions, extra: readonly string[] = []): Promise<GuestSession> {
    const emulator = new Emulator(peer.name, startCommand(peer, machine, extra));
    try {
      await emulator.waitFor(GUEST_READY, BOOT_TIMEOUT_MS, "ready line of the guest");
      await emulator.waitFor(PROMPT, SHELL_TIMEOUT_MS, "prompt of the shell");
      emulator.type(START_DRIVER);
      await emulator.waitFor(DRIVER_READY, SHELL_TIMEOUT_MS, "ready line of the driver");
      return new GuestSession(peer, emulator);
    } catch (error) {
      emulator.kill();
      throw error;
    }
  }

  /** Rejects with a BenchError when the emulator dies or `timeoutMs` pass. */
  async run(row: Row, scale: number, timeoutMs: number): Promise<TimedResult> {
    if (row.prepare !== undefined) {
      const prepared = await this.#command(`prepare_${row.name}`, row.prepare, { scale, timeoutMs });
      if (prepared.kind === "failed") return prepared;
    }
    return this.#command(row.name, row, { scale, timeoutMs });
  }

  async #command(name: string, program: Program, { scale, timeoutMs }: Amount): Promise<TimedResult> {
    const typedAtMs = performance.now();
    this.#emulator.type(runCommand(name, program, scale));
    const { text, atMs } = await this.#emulator.waitFor(resultPattern(name), timeoutMs, `result of ${name}`);
    return { ...parseResult(text), hostNs: Math.round((atMs - typedAtMs) * 1e6) };
  }

  get pid(): number {
    return this.#emulator.pid;
  }

  /** Switches the machine off. Whether it did that by itself, with code 0. */
  quit(): Promise<boolean> {
    this.#emulator.type(QUIT);
    return this.#emulator.endsWithin(QUIT_TIMEOUT_MS);
  }

  kill(): void {
    this.#emulator.kill();
  }
}
