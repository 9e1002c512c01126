/**
 * A vCPU that does not run guest code: it sleeps, waits for a page, or the machine is stopped.
 * Thread: the vCPU's.
 */
import type { Trace } from "#core/trace.ts";
import { CONTROL, VCPU } from "#cpu/vcpu/layout.ts";

export class VcpuPark {
  readonly #words: Int32Array;
  readonly #parked: number;
  readonly #vcpu: number;
  readonly #trace: Trace;

  /** Done once, when the vCPU has stopped and counts as that; it returns soon when the machine runs. */
  meanwhile: (() => void) | undefined;

  constructor(words: Int32Array, block: number, vcpu: number, trace: Trace) {
    this.#words = words;
    this.#parked = (block + VCPU.park) >>> 2;
    this.#vcpu = vcpu;
    this.#trace = trace;
  }

  enter(why: "stop" | "wfi" | "page"): void {
    this.#trace.vcpu_park?.(this.#vcpu, why);
    Atomics.sub(this.#words, CONTROL.runningVcpus, 1);
    Atomics.store(this.#words, this.#parked, 1);
  }

  leave(): void {
    this.#trace.vcpu_unpark?.(this.#vcpu);
    Atomics.store(this.#words, this.#parked, 0);
    // The timer ticks again as soon as somebody runs.
    if (Atomics.add(this.#words, CONTROL.runningVcpus, 1) === 0) {
      Atomics.add(this.#words, CONTROL.timerChanged, 1);
      Atomics.notify(this.#words, CONTROL.timerChanged);
    }
  }

  /** The machine is stopped: counts itself among the stopped vCPUs until it runs. Whatever it waits for, it does that first. */
  untilRunning(): void {
    const words = this.#words;
    Atomics.add(words, CONTROL.stoppedVcpus, 1);
    Atomics.notify(words, CONTROL.stoppedVcpus);
    const { meanwhile } = this;
    this.meanwhile = undefined;
    meanwhile?.();
    while (Atomics.load(words, CONTROL.running) === 0) Atomics.wait(words, CONTROL.running, 0);
    Atomics.sub(words, CONTROL.stoppedVcpus, 1);
    Atomics.notify(words, CONTROL.stoppedVcpus);
  }
}
