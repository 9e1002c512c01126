/** Runs the programs as processes of the host: compiled for it, or for the guest and through QEMU's user mode. */
import { type ChildProcess, spawn } from "node:child_process";
import { BenchError } from "./bench-error.ts";
import { compileProgram } from "./guest-programs.ts";
import type { HostPeer } from "./peers.ts";
import { scaledWork } from "./protocol.ts";
import type { Session, TimedResult } from "./session.ts";
import type { Row } from "./suites.ts";

export class HostSession implements Session {
  readonly peer: HostPeer;
  #child: ChildProcess | undefined;

  constructor(peer: HostPeer) {
    this.peer = peer;
  }

  run(row: Row, scale: number, timeoutMs: number): Promise<TimedResult> {
    const file = compileProgram(row.program, this.peer.target);
    const [through, ...options] = this.peer.through;
    const program = through ?? file;
    const first = through === undefined ? [] : [...options, file];
    const args = [...first, String(scaledWork(row.work, scale)), ...(row.args ?? [])];
    return new Promise((resolve, reject) => {
      const startedAtMs = performance.now();
      const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
      this.#child = child;
      let [output, errors] = ["", ""];
      child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString("latin1")));
      child.stderr.on("data", (bytes: Buffer) => (errors += bytes.toString("latin1")));
      const timer = setTimeout(() => {
        child.kill("SIGKILL");
        reject(new BenchError("timeout", `${this.peer.name} did not end ${row.name} in ${timeoutMs / 1000} s`));
      }, timeoutMs);
      child.on("error", (cause) => {
        clearTimeout(timer);
        reject(new BenchError("emulator", `${program} could not be started (${cause.message})`, { cause }));
      });
      child.on("close", (code, signal) => {
        clearTimeout(timer);
        const timeNs = Math.round((performance.now() - startedAtMs) * 1e6);
        if (code === 0) resolve({ kind: "done", guestNs: timeNs, hostNs: timeNs, checksum: output.trim() });
        else resolve({ kind: "failed", reason: `${signal ?? `status ${code}`} ${errors.trim()}`, hostNs: timeNs });
      });
    });
  }

  quit(): Promise<boolean> {
    return Promise.resolve(true);
  }

  kill(): void {
    this.#child?.kill("SIGKILL");
  }
}
