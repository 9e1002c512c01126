/**
 * The threads of a machine: workers that start while the machine is still being made, and wait for what to run.
 *
 *   new Worker -> (the machine is made) -> StartMessage -> "ready" -> runs until it is terminated
 *
 * A worker takes tens of milliseconds before its first line of JavaScript; so those that are certain start ahead.
 */
import { Worker } from "node:worker_threads";
import type { StartMessage } from "#app/thread-host.ts";
import type { ThreadHandle } from "#machine/machine.ts";

export type ThreadKind = "vcpu" | "timer";

const STACK_MB = 8;

export class MachineThreads {
  readonly #waiting: Worker[];

  /** Starts workers for `vcpus` vCPUs. One that gets nothing to run does not keep the process alive. */
  constructor(vcpus: number) {
    this.#waiting = Array.from({ length: vcpus }, () => {
      const worker = startWorker("vcpu");
      worker.unref();
      return worker;
    });
  }

  /**
   * Resolves when a vCPU could run; at once for the timer, which finds what is due whenever it comes. `failed` is told
   * of an error that nothing in the thread has caught, while it starts (which rejects, too) and later.
   */
  start(kind: ThreadKind, message: StartMessage, failed: (error: Error) => void): Promise<ThreadHandle> {
    const worker = (kind === "vcpu" ? this.#waiting.shift() : undefined) ?? startWorker(kind);
    worker.ref();
    const handle: ThreadHandle = { terminate: async () => void (await worker.terminate()) };
    return new Promise((resolve, reject) => {
      worker.once("message", () => resolve(handle));
      worker.once("error", reject);
      worker.on("error", failed);
      worker.postMessage(message);
      if (kind === "timer") resolve(handle);
    });
  }
}

function startWorker(kind: ThreadKind): Worker {
  return new Worker(new URL(`./workers/${kind}.cjs`, import.meta.url), { resourceLimits: { stackSizeMb: STACK_MB } });
}
