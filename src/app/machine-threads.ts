/**
 * The threads of a machine: workers that start while the machine is still being made, and wait for what to run.
 *
 *   new Worker -> "loaded" -> (engine flags, machine) -> StartMessage -> "ready" -> runs until it is terminated
 *
 * A worker takes tens of milliseconds before its first line of JavaScript; so they start ahead. It takes twice as long
 * once a flag of V8 was changed: the compiled code that Node brings for its own modules does not fit then, nor does ours.
 */
import { Worker } from "node:worker_threads";
import { distFile } from "#app/dist-files.ts";
import type { StartMessage } from "#app/thread-host.ts";
import type { ThreadHandle } from "#machine/machine.ts";

export type ThreadKind = "vcpu" | "timer";

const STACK_MB = 8;

/** A process may have several machines. */
let machines = 0;

export class MachineThreads {
  /** Resolves when all have loaded their programs: flags may be changed. Rejects when one cannot. */
  readonly loaded: Promise<void>;
  readonly #waiting: Record<ThreadKind, Worker[]>;
  readonly #exchange: string | undefined;

  /** Starts workers for `vcpus` vCPUs and a timer. */
  constructor(vcpus: number) {
    this.#waiting = { vcpu: Array.from({ length: vcpus }, () => startWorker("vcpu")), timer: [startWorker("timer")] };
    this.#exchange = vcpus > 1 ? `regions ${machines++}` : undefined;
    const workers = Object.values(this.#waiting).flat();
    this.loaded = Promise.all(workers.map(firstMessage)).then(() => {});
    // Whoever waits for it hears of it.
    this.loaded.catch(() => {});
  }

  /**
   * Resolves when a vCPU could run; at once for the timer, which finds what is due whenever it comes. `failed` is told
   * of an error that nothing in the thread has caught, while it starts (which rejects, too) and later. There is one
   * thread for each that was asked for; call it when they are loaded.
   */
  async start(
    kind: ThreadKind,
    message: Omit<StartMessage, "exchange">,
    failed: (error: Error) => void,
  ): Promise<ThreadHandle> {
    const worker = this.#waiting[kind].shift();
    if (!worker) throw new Error(`all ${kind} threads were started`);
    worker.on("error", failed);
    const ready = kind === "vcpu" ? firstMessage(worker) : undefined;
    worker.postMessage({ ...message, exchange: this.#exchange } satisfies StartMessage);
    await ready;
    return { terminate: async () => void (await worker.terminate()) };
  }

  /** Ends the threads that got nothing to run. */
  async close(): Promise<void> {
    await Promise.all(
      Object.values(this.#waiting).flatMap((workers) => workers.splice(0).map((one) => one.terminate())),
    );
  }
}

function startWorker(kind: ThreadKind): Worker {
  return new Worker(distFile("start-thread.cjs"), { workerData: kind, resourceLimits: { stackSizeMb: STACK_MB } });
}

function firstMessage(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once("message", () => resolve());
    worker.once("error", reject);
  });
}
