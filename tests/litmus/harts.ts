/** Bare machines of several harts: a thread each, over one memory. Needs no built files: the thread is bundled here. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { build } from "esbuild";
import { BareMemory } from "#cpu/testing/bare-machine.ts";
import type { EngineName } from "../../tools/differential/engine.ts";
import { ROOT } from "../../tools/setup.mjs";
import { CODE, DATA, DATA_BYTES, type Program, RAM_BYTES } from "./guest.ts";
import type { HartAnswer, HartData } from "./hart-thread.ts";

const LIMIT_MS = 30_000;

let bundled: Promise<string> | undefined;
const threadSource = (): Promise<string> =>
  (bundled ??= build({
    absWorkingDir: ROOT,
    entryPoints: ["tests/litmus/hart-thread.ts"],
    bundle: true,
    write: false,
    platform: "node",
    format: "cjs",
    target: "node20",
  }).then((result) => result.outputFiles[0]?.text as string));

export class Harts {
  readonly memory: BareMemory;
  /** Regions that the harts have translated. */
  regions = 0;
  readonly #threads: readonly Worker[];

  static async start(count: number, engine: EngineName): Promise<Harts> {
    const source = await threadSource();
    const memory = new BareMemory(RAM_BYTES, count);
    const threads = Array.from({ length: count }, (_, hart) => {
      const workerData: HartData = { memory: memory.shared, harts: count, hart, engine };
      return new Worker(source, { eval: true, workerData });
    });
    const harts = new Harts(memory, threads);
    await harts.#everyAnswer();
    return harts;
  }

  private constructor(memory: BareMemory, threads: readonly Worker[]) {
    this.memory = memory;
    this.#threads = threads;
  }

  get count(): number {
    return this.#threads.length;
  }

  /** Runs a program on all harts at once to its end, from zeroed data that `prepare` may fill. */
  async run({ code, entries }: Program, prepare: (memory: BareMemory) => void = () => {}): Promise<void> {
    if (entries.length !== this.count) throw new Error(`${entries.length} parts for ${this.count} harts`);
    this.memory.load(CODE, code);
    this.memory.bytes(DATA, DATA_BYTES).fill(0);
    prepare(this.memory);
    this.#threads.forEach((thread, hart) => thread.postMessage(entries[hart]));
    await this.#everyAnswer();
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  /** Resolves when each thread has sent a message; ends them all when one is late. */
  async #everyAnswer(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`a hart has not ended in ${LIMIT_MS} ms`)), LIMIT_MS);
    });
    const answers = this.#threads.map((thread) => once(thread, "message"));
    try {
      const all: readonly HartAnswer[][] = await Promise.race([Promise.all(answers), late]);
      this.regions = all.flat().reduce((sum, { regions }) => sum + regions, 0);
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The machines of a test file, one a number of harts. */
export class HartMachines {
  readonly #engine: EngineName;
  readonly #started = new Map<number, Promise<Harts>>();

  constructor(engine: EngineName) {
    this.#engine = engine;
  }

  of(count: number): Promise<Harts> {
    const harts = this.#started.get(count) ?? Harts.start(count, this.#engine);
    this.#started.set(count, harts);
    return harts;
  }

  async close(): Promise<void> {
    for (const harts of this.#started.values()) await (await harts).close();
  }
}
