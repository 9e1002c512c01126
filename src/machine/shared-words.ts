/**
 * The machine's clock and timer words in shared memory, and the calls between its threads.
 *
 * Layout: byte offsets from the start of the memory, behind the i32 words of `CONTROL`.
 */
import type { Clock } from "#core/host.ts";
import type { SharedLock } from "#core/shared-lock.ts";
import { CONTROL } from "#cpu/vcpu/layout.ts";

/** f64: what is taken off the host's clock; time at which it was stopped, or -1 while it runs; what the timer sleeps for. */
const OFFSET_NS = 768;
const FROZEN_NS = 776;
const SLEEPS_UNTIL = 784;
/** f64 a hart: the ticks at which its stimecmp and its mtimecmp expire, Infinity for never. Up to 64 harts. */
const STIMECMP = 2560;
const MTIMECMP = 3072;
/** The deadlines' words lie there, so a machine has no more vCPUs than this. */
export const MAX_VCPUS = 64;

const NS_PER_TICK = 100;

/** Bits of `CONTROL.machineRequest`: what the machine thread is asked to look at. */
export const MachineRequest = { Transmit: 1, Mmio: 2, ReceiveRoom: 4 } as const;

/** A time of a stream as one that the clock can show: exact numbers, a century at most. */
export function clampNs(ns: bigint): number {
  const latest = 1n << 52n;
  return Number(ns < 0n ? 0n : ns > latest ? latest : ns);
}

/** Machine time; it stands still while the machine is stopped. Thread: any. */
export class MachineClock {
  readonly #clock: Clock;
  readonly #words: Float64Array;

  constructor(clock: Clock, memory: ArrayBufferLike) {
    this.#clock = clock;
    this.#words = new Float64Array(memory, 0, 512);
  }
  nowNs(): number {
    const frozen = this.#words[FROZEN_NS / 8] as number;
    return frozen >= 0 ? frozen : this.#clock.nowNs() - (this.#words[OFFSET_NS / 8] as number);
  }
  ticks(): number {
    return Math.floor(this.nowNs() / NS_PER_TICK);
  }
  /** Time starts at 0, stopped. Thread: machine. */
  reset(): void {
    this.#words[FROZEN_NS / 8] = 0;
  }
  /** While it is stopped: what it shows. Thread: machine. */
  set(nowNs: number): void {
    this.#words[FROZEN_NS / 8] = nowNs;
  }
  stop(): void {
    this.#words[FROZEN_NS / 8] = this.nowNs();
  }
  start(): void {
    const frozen = this.#words[FROZEN_NS / 8] as number;
    if (frozen < 0) return;
    this.#words[OFFSET_NS / 8] = this.#clock.nowNs() - frozen;
    this.#words[FROZEN_NS / 8] = -1;
  }
}

/** When each hart's timers expire, and how long the timer thread sleeps. */
export class Deadlines {
  readonly #words: Float64Array;
  readonly #control: Int32Array;
  readonly #harts: number;

  constructor(memory: ArrayBufferLike, harts: number) {
    this.#words = new Float64Array(memory, 0, 512);
    this.#control = new Int32Array(memory, 0, 1024);
    this.#harts = harts;
  }

  reset(): void {
    this.#words.fill(Number.POSITIVE_INFINITY, STIMECMP / 8, (MTIMECMP + 8 * MAX_VCPUS) / 8);
    this.#words[SLEEPS_UNTIL / 8] = Number.POSITIVE_INFINITY;
  }
  stimecmp(hart: number): number {
    return this.#words[STIMECMP / 8 + hart] as number;
  }
  mtimecmp(hart: number): number {
    return this.#words[MTIMECMP / 8 + hart] as number;
  }
  /** Thread: the hart's, or the timer's for Infinity. */
  setStimecmp(hart: number, ticks: number): void {
    this.#publish(STIMECMP / 8 + hart, ticks);
  }
  setMtimecmp(hart: number, ticks: number): void {
    this.#publish(MTIMECMP / 8 + hart, ticks);
  }
  #publish(index: number, ticks: number): void {
    this.#words[index] = ticks;
    if (ticks >= (this.#words[SLEEPS_UNTIL / 8] as number)) return;
    // It is woken once for this.
    this.#words[SLEEPS_UNTIL / 8] = ticks;
    this.wake();
  }
  /** Makes the timer thread look again. Thread: any. */
  wake(): void {
    Atomics.add(this.#control, CONTROL.timerChanged, 1);
    Atomics.notify(this.#control, CONTROL.timerChanged);
  }
  /** Sleeps until the earliest deadline, a change, or `capMs`. Deadlines change under `lock`. Thread: timer. */
  sleep(lock: SharedLock, nowTicks: () => number, capMs: number): void {
    const seen = Atomics.load(this.#control, CONTROL.timerChanged);
    let earliest = Number.POSITIVE_INFINITY;
    lock.with(() => {
      for (let hart = 0; hart < this.#harts; hart++) {
        earliest = Math.min(earliest, this.stimecmp(hart), this.mtimecmp(hart));
      }
      earliest = Math.min(earliest, nowTicks() + (capMs * 1e6) / NS_PER_TICK);
      this.#words[SLEEPS_UNTIL / 8] = earliest;
    });
    const ms = ((earliest - nowTicks()) * NS_PER_TICK) / 1e6;
    if (ms > 0) Atomics.wait(this.#control, CONTROL.timerChanged, seen, ms);
  }
}
