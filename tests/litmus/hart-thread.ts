/**
 * The thread of a hart of a bare machine: runs a program from the address it is sent until the guest says that it is
 * done. A guest that has waited for long does `wfi`: then the host may run somebody else first.
 */
import { parentPort, workerData } from "node:worker_threads";
import { resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { BareMachine, BareMemory } from "#cpu/testing/bare-machine.ts";
import { type EngineName, HOT_THRESHOLD } from "../../tools/differential/engine.ts";
import { DONE, RAM_BYTES } from "./guest.ts";

export type HartData = {
  readonly memory: WebAssembly.Memory;
  readonly harts: number;
  readonly hart: number;
  readonly engine: EngineName;
};
/** Sent when the hart could run, and at the end of each program. */
export type HartAnswer = {
  /** Translated so far. */
  readonly regions: number;
};

const PAUSE_MS = 0.05;

const { memory, harts, hart, engine } = workerData as HartData;
const machine = new BareMachine({
  ramBytes: RAM_BYTES,
  extensions: resolveExtensions({}),
  memory: new BareMemory(RAM_BYTES, harts, memory),
  hart,
  hotThreshold: HOT_THRESHOLD[engine],
});
const never = new Int32Array(new SharedArrayBuffer(4));

parentPort?.on("message", (pc: number) => {
  machine.reset(pc);
  for (;;) {
    machine.run();
    if (machine.vcpu.register(DONE) !== 0n) break;
    Atomics.wait(never, 0, 0, PAUSE_MS);
  }
  answer();
});
answer();

function answer(): void {
  parentPort?.postMessage({ regions: machine.vcpu.compiler?.statistics.regions ?? 0 } satisfies HartAnswer);
}
