/** Runs images on a bare machine of ours, in this thread, with a watchdog for code that never ends. */
import { Worker } from "node:worker_threads";
import { setEngineFlags } from "#app/engine-flags.ts";
import { type Extensions, resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { BareMachine } from "#cpu/testing/bare-machine.ts";
import { Request, VCPU } from "#cpu/vcpu/layout.ts";
import { type Image, IMAGE_BASE, RECORD } from "./image.ts";

/** The engines there are: the interpreter alone, or with regions that are translated at once. */
export const ENGINES = ["interp", "wasm"] as const;
/** Lockstep runs both, on one hart. */
export type EngineName = (typeof ENGINES)[number] | "lockstep";
export const isEngineName = (name: string): name is EngineName => name in HOT_THRESHOLD;

const RAM_BYTES = 64 * 2 ** 20;
const WATCHDOG_MS = 60_000;
/** How often each case runs. */
export const REPEATS: Readonly<Record<EngineName, number>> = { interp: 1, wasm: 4, lockstep: 4 };
/** Entries after which a region is translated. */
export const HOT_THRESHOLD: Readonly<Record<EngineName, number>> = { interp: 0, wasm: 2, lockstep: 2 };
export const EXTENSIONS: Extensions = resolveExtensions({ zfh: true });

/** Sets a bit of a word when it has not been told for a while that all is well; word 1 of `beat` ends it. */
const WATCHDOG = `
const { workerData: { beat, words, index, bit, limitMs } } = require("node:worker_threads");
const beats = new Int32Array(beat);
for (;;) {
  const seen = Atomics.load(beats, 0);
  const changed = Atomics.wait(beats, 0, seen, limitMs) !== "timed-out";
  if (Atomics.load(beats, 1)) break;
  if (!changed && seen & 1) Atomics.or(new Int32Array(words), index, bit);
}`;

export class Engine {
  readonly machine: BareMachine;
  readonly #beat = new Int32Array(new SharedArrayBuffer(8));
  readonly #watchdog: Worker;

  constructor(name: EngineName) {
    setEngineFlags();
    this.machine = new BareMachine({
      ramBytes: RAM_BYTES,
      extensions: EXTENSIONS,
      hotThreshold: HOT_THRESHOLD[name],
      lockstep: name === "lockstep",
    });
    const { words, cpu } = this.machine.vcpu;
    this.#watchdog = new Worker(WATCHDOG, {
      eval: true,
      workerData: {
        beat: this.#beat.buffer,
        words: words.buffer,
        index: (cpu + VCPU.request) >>> 2,
        bit: Request.Quit,
        limitMs: WATCHDOG_MS,
      },
    });
    this.#watchdog.unref();
  }

  /** Runs an image that ends with "wfi"; its records. */
  run(image: Image): Uint8Array {
    const { machine } = this;
    machine.load(IMAGE_BASE, image.bytes);
    machine.reset(IMAGE_BASE);
    this.#tell();
    try {
      machine.run();
    } finally {
      this.#tell();
    }
    return machine.bytes(image.records, image.entries.length * RECORD.bytes).slice();
  }

  /** Odd while guest code runs. */
  #tell(): void {
    Atomics.add(this.#beat, 0, 1);
    Atomics.notify(this.#beat, 0);
  }

  close(): void {
    Atomics.store(this.#beat, 1, 1);
    this.#tell();
  }
}
