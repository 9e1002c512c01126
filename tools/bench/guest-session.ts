/** A guest that has booted and runs programs one after the other. */
import { Emulator } from "./emulator.ts";
import { type MachineOptions, type SystemPeer, startCommand } from "./peers.ts";
import { DRIVER_READY, parseResult, QUIT, resultPattern, runCommand, START_DRIVER } from "./protocol.ts";
import { readRate } from "./readings.ts";
import type { Session, TimedResult } from "./session.ts";
import type { Program, Row } from "./suites.ts";

/** What `tools/guest/init` prints when it is done. */
export const GUEST_READY = /Tinamou guest ready: .*\n/;
const PROMPT = /(^|\n)[^\n]{0,10}# /;
const BOOT_TIMEOUT_MS = 180_000;
const SHELL_TIMEOUT_MS = 60_000;
const QUIT_TIMEOUT_MS = 20_000;

type Amount = { readonly scale: number; readonly timeoutMs: number };

export class GuestSession implements Session {
  readonly peer: SystemPeer;
  readonly #emulator: Emulator;

  private constructor(peer: SystemPeer, emulator: Emulator) {
    this.peer = peer;
    this.#emulator = emulator;
  }

  /** Boots to the driver. Rejects with a BenchError, and the emulator is gone then. */
  static async boot(peer: SystemPeer, machine: MachineOptions, extra: readonly string[] = []): Promise<GuestSession> {
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

  /** Starts a machine whose guest's first process is the driver. Rejects with a BenchError. */
  static async start(peer: SystemPeer): Promise<GuestSession> {
    const emulator = new Emulator(peer.name, peer.command);
    try {
      await emulator.waitFor(DRIVER_READY, BOOT_TIMEOUT_MS, "ready line of the driver");
      return new GuestSession(peer, emulator);
    } catch (error) {
      emulator.kill();
      throw error;
    }
  }

  async run(row: Row, scale: number, timeoutMs: number): Promise<TimedResult> {
    if (row.prepare !== undefined) {
      const prepared = await this.#command(`prepare_${row.name}`, row.prepare, { scale, timeoutMs });
      if (prepared.kind === "failed") return prepared;
    }
    const result = await this.#command(row.name, row, { scale, timeoutMs });
    if (result.kind === "failed") return result;
    if (row.measures !== undefined) return rated(result, row.measures);
    return row.console ? { ...result, checksum: `${result.checksum}_${result.consoleChars}` } : result;
  }

  async #command(
    name: string,
    program: Program,
    { scale, timeoutMs }: Amount,
  ): Promise<TimedResult & { readonly consoleChars: number }> {
    const typedAtMs = performance.now();
    this.#emulator.type(runCommand(name, program, scale));
    const answer = await this.#emulator.waitFor(resultPattern(name), timeoutMs, `result of ${name}`);
    const hostNs = Math.round((answer.atMs - typedAtMs) * 1e6);
    return { ...parseResult(answer.text), hostNs, consoleChars: answer.charsBefore };
  }

  /** The emulator's process. */
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

/** The time of the amount at the rate that the program has printed; the host's clock keeps its share. */
function rated(
  result: TimedResult & { readonly kind: "done" },
  { reading, amount }: NonNullable<Row["measures"]>,
): TimedResult {
  const rate = readRate(reading, result.checksum);
  if (rate === undefined) return { kind: "failed", reason: `no rate in ${result.checksum}`, hostNs: result.hostNs };
  const guestNs = Math.round((amount / rate) * 1e9);
  const hostNs = Math.round(guestNs * (result.hostNs / result.guestNs));
  return { kind: "done", guestNs, hostNs, checksum: "-" };
}
