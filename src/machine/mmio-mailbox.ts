/**
 * A device access of a vCPU that the machine thread carries out.
 *
 *   vCPU: address, width, value -> state 1 -> rings -> waits;  machine: reads or writes -> value -> state 2 (3: bus error)
 *
 * A device that needs a page which has not come (`PageMissing`) has done nothing: the answer is state 4 with the page, and
 * the vCPU waits for it as for its own and asks again.
 * The words are in the vCPU's block; state is stored last on both sides.
 */
import type { Trace } from "#core/trace.ts";
import { CONTROL, VCPU } from "#cpu/vcpu/layout.ts";
import type { MmioMap } from "#hw/bus/mmio-map.ts";
import { PageMissing } from "#hw/bus/page-missing.ts";
import { MachineRequest } from "#machine/shared-words.ts";

const State = { Idle: 0, Asked: 1, Answered: 2, Failed: 3, PageMissing: 4 } as const;
/** Bit of the width word: a write. */
const WRITE = 16;
const SPINS = 2000;

/** Asks the machine thread to look at `bits`. Thread: any. */
export function ringMachine(words: Int32Array, bits: number): void {
  if ((Atomics.or(words, CONTROL.machineRequest, bits) & bits) !== bits) Atomics.notify(words, CONTROL.machineRequest);
}

/** The vCPU's side. */
export class MmioCaller {
  readonly #words: Int32Array;
  readonly #view: DataView;
  readonly #block: number;
  readonly #awaitPage: (page: number) => void;

  /** `awaitPage` blocks until that page is there. */
  constructor(memory: ArrayBufferLike, block: number, awaitPage: (page: number) => void) {
    this.#awaitPage = awaitPage;
    this.#words = new Int32Array(memory);
    this.#view = new DataView(memory, block);
    this.#block = block;
  }

  /** Undefined for a bus error. */
  read(address: number, width: number): bigint | undefined {
    return this.#call(address, width, 0n) ? this.#view.getBigUint64(VCPU.mmioValue, true) : undefined;
  }
  write(address: number, width: number, value: bigint): boolean {
    return this.#call(address, width | WRITE, value);
  }

  #call(address: number, width: number, value: bigint): boolean {
    for (;;) {
      const answer = this.#ask(address, width, value);
      if (answer !== State.PageMissing) return answer === State.Answered;
      this.#awaitPage(this.#view.getInt32(VCPU.mmioValue, true));
    }
  }

  #ask(address: number, width: number, value: bigint): number {
    const state = (this.#block + VCPU.mmioState) >>> 2;
    this.#view.setFloat64(VCPU.mmioAddress, address, true);
    this.#view.setInt32(VCPU.mmioWidth, width, true);
    this.#view.setBigUint64(VCPU.mmioValue, value, true);
    Atomics.store(this.#words, state, State.Asked);
    ringMachine(this.#words, MachineRequest.Mmio);
    for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(this.#words, state) !== State.Asked) break;
    while (Atomics.load(this.#words, state) === State.Asked) Atomics.wait(this.#words, state, State.Asked);
    return Atomics.exchange(this.#words, state, State.Idle);
  }
}

/** Carries out the call of vCPU `hart` at `block`, if there is one. Thread: machine. */
export function answerMmio(
  memory: ArrayBufferLike,
  words: Int32Array,
  hart: number,
  block: number,
  map: MmioMap,
  trace: Trace,
): void {
  const state = (block + VCPU.mmioState) >>> 2;
  if (Atomics.load(words, state) !== State.Asked) return;
  const view = new DataView(memory, block);
  const address = view.getFloat64(VCPU.mmioAddress, true);
  const width = view.getInt32(VCPU.mmioWidth, true);
  const isWrite = (width & WRITE) !== 0;
  if (isWrite) trace.mmio_mailbox_write?.(hart, address, width & 15, view.getBigUint64(VCPU.mmioValue, true));
  const answer = carryOut(map, view, address, width);
  if (!isWrite && answer !== State.PageMissing) {
    const isAnswered = answer === State.Answered;
    trace.mmio_mailbox_read?.(hart, address, width, isAnswered ? view.getBigUint64(VCPU.mmioValue, true) : undefined);
  }
  Atomics.store(words, state, answer);
  Atomics.notify(words, state);
}

function carryOut(map: MmioMap, view: DataView, address: number, width: number): number {
  try {
    const done = width & WRITE ? write(map, view, address, width & 15) : read(map, view, address, width);
    return done ? State.Answered : State.Failed;
  } catch (error) {
    if (!(error instanceof PageMissing)) throw error;
    view.setInt32(VCPU.mmioValue, error.pages[0], true);
    return State.PageMissing;
  }
}

function read(map: MmioMap, view: DataView, address: number, width: number): boolean {
  const value = width === 8 ? map.read64(address) : map.read32(address, width as 1 | 2 | 4);
  if (value === undefined || value === -1) return false;
  view.setBigUint64(VCPU.mmioValue, BigInt(value), true);
  return true;
}

function write(map: MmioMap, view: DataView, address: number, width: number): boolean {
  const value = view.getBigUint64(VCPU.mmioValue, true);
  if (width === 8) return map.write64(address, value);
  return map.write32(address, width as 1 | 2 | 4, Number(value));
}
