/**
 * Who waits for which page: a record for each vCPU and for each of the devices' places, and a ring of those that are new.
 *
 *   waiter: serial, time, page -> (if not in the ring yet) slot, waiter's number;  consumer: slot -> the record as it is then
 *
 * A waiter is in the ring once at most, so a ring with a slot for each cannot overflow, however many faults come and go
 * unread. The page word is what its owner sleeps on: page + 1 in the low bits, 0 when it waits for nothing; the high
 * bits count how often it was asked to look up (`rouse`), so that a sleeper never misses that.
 * Thread: each record its waiter's; `take` the one consumer's, `read`, `release` and `rouse` any; what was taken
 * or begun whoever holds the lock.
 */
import type { Futex } from "#core/host.ts";
import { SharedLock } from "#core/shared-lock.ts";
import { waitAsync } from "#core/wait-async.ts";
import type { MemoryLayout } from "#cpu/vcpu/layout.ts";

/** Devices that can wait at the same time; more wait for a place. */
export const DEVICE_PLACES = 16;

const HEAD_WORD = 0;
const TAIL_WORD = 1;
const LOCK_WORD = 2;
/** How many use the descriptor of REQUESTS_WORD at this moment. */
const REQUESTS_USERS_WORD = 3;
const REQUESTS_WORD = 4;
const USED_WORD = 5;
const RING_WORD = 16;
/** A power of two, for the 64 vCPUs that a machine may have and the devices. */
const RING_SLOTS = 128;
const RECORDS_WORD = RING_WORD + RING_SLOTS;
const RECORD_WORDS = 8;
/** Words of a record; `since` is an f64. */
const PAGE = 0;
const SERIAL = 1;
const SINCE = 2;
const IN_RING = 4;
/** The serial that was taken last. */
const TAKEN = 5;
/** 1: the waiter sleeps by the host's futex. */
const BY_FUTEX = 6;
/** The serial that was begun last. */
const BEGUN = 7;

/** A descriptor is in use for the time of a short write. */
const LOOK_AGAIN_MS = 1;

const PAGE_MASK = (1 << 21) - 1;
const ROUSE_STEP = PAGE_MASK + 1;

export type WaiterRecord = { readonly page: number; readonly sinceNs: number; readonly serial: number };

export class PageFaultRing {
  readonly waiters: number;
  /** Held by who takes a fault, until it is accounted. */
  readonly lock: SharedLock;
  readonly #words: Int32Array;
  readonly #times: Float64Array;
  readonly #start: number;
  readonly #futex: Futex | undefined;
  /** Of each waiter, for the futex: made when it is first used. */
  readonly #pageWords: Int32Array[] = [];

  /** With a futex, whoever wakes those that sleep by this object must have one. */
  constructor(memory: ArrayBufferLike, layout: MemoryLayout, futex: Futex | undefined) {
    this.#futex = futex;
    this.waiters = layout.vcpuCount + DEVICE_PLACES;
    this.#words = new Int32Array(memory);
    this.#times = new Float64Array(memory, 0, Math.floor(memory.byteLength / 8));
    this.#start = layout.faultArea >>> 2;
    this.lock = new SharedLock(this.#words, this.#start + LOCK_WORD);
  }

  /** `waiter` waits for `page` from now on; it has no open wait. */
  publish(waiter: number, page: number, sinceNs: number): void {
    const words = this.#words;
    const record = this.#record(waiter);
    this.#use(waiter);
    Atomics.add(words, record + SERIAL, 1);
    this.#times[(record + SINCE) >>> 1] = sinceNs;
    Atomics.store(words, record + PAGE, page + 1);
    if (Atomics.exchange(words, record + IN_RING, 1) !== 0) return;
    const slot = Atomics.add(words, this.#start + TAIL_WORD, 1) & (RING_SLOTS - 1);
    Atomics.store(words, this.#start + RING_WORD + slot, waiter + 1);
  }

  /** The next waiter of the ring; it may be one whose wait is over. Undefined when there is none. */
  take(): number | undefined {
    const words = this.#words;
    const head = Atomics.load(words, this.#start + HEAD_WORD);
    const slot = this.#start + RING_WORD + (head & (RING_SLOTS - 1));
    const waiter = Atomics.exchange(words, slot, 0) - 1;
    // Empty, or its producer is about to fill it and tells the consumer then.
    if (waiter < 0) return undefined;
    Atomics.store(words, this.#start + HEAD_WORD, (head + 1) | 0);
    // From here on a new wait of this waiter goes into the ring again.
    Atomics.store(words, this.#record(waiter) + IN_RING, 0);
    return waiter;
  }

  /** No waiter from this one on has ever waited. */
  get usedWaiters(): number {
    return Atomics.load(this.#words, this.#start + USED_WORD);
  }
  #use(waiter: number): void {
    const at = this.#start + USED_WORD;
    for (;;) {
      const used = Atomics.load(this.#words, at);
      if (used > waiter || Atomics.compareExchange(this.#words, at, used, waiter + 1) === used) return;
    }
  }

  /** What `waiter` waits for; undefined when it does not. */
  read(waiter: number): WaiterRecord | undefined {
    const words = this.#words;
    const record = this.#record(waiter);
    for (;;) {
      const serial = Atomics.load(words, record + SERIAL);
      const page = (Atomics.load(words, record + PAGE) & PAGE_MASK) - 1;
      const sinceNs = this.#times[(record + SINCE) >>> 1] as number;
      if (Atomics.load(words, record + SERIAL) === serial) return page < 0 ? undefined : { page, sinceNs, serial };
    }
  }

  /**
   * Where waiters ask for their pages: a descriptor, 0 for nowhere. Behind this call the last one is not used any more. No
   * lock: who asks may lose its processor to whom that wakes, and another waiter would wait for both.
   */
  setRequests(descriptor: number): void {
    const [words, users] = [this.#words, this.#start + REQUESTS_USERS_WORD];
    Atomics.store(words, this.#start + REQUESTS_WORD, descriptor);
    for (let count = Atomics.load(words, users); count !== 0; count = Atomics.load(words, users)) {
      Atomics.wait(words, users, count, LOOK_AGAIN_MS);
    }
  }
  /** Asks for `page`; false when there is no descriptor, or `ask` says so. */
  request(ask: (descriptor: number, page: number) => boolean, page: number): boolean {
    const words = this.#words;
    const users = this.#start + REQUESTS_USERS_WORD;
    Atomics.add(words, users, 1);
    try {
      const descriptor = Atomics.load(words, this.#start + REQUESTS_WORD);
      return descriptor > 0 && ask(descriptor, page);
    } finally {
      Atomics.sub(words, users, 1);
    }
  }

  /** Somebody has taken it, to bring its page. */
  isTaken(waiter: number, serial: number): boolean {
    return this.#words[this.#record(waiter) + TAKEN] === serial;
  }
  setTaken(waiter: number, serial: number): void {
    this.#words[this.#record(waiter) + TAKEN] = serial;
  }
  /** Of its last wait, which may be over. */
  serialOf(waiter: number): number {
    return Atomics.load(this.#words, this.#record(waiter) + SERIAL);
  }
  /** It has been accounted. */
  hasBegun(waiter: number, serial: number): boolean {
    return this.#words[this.#record(waiter) + BEGUN] === serial;
  }
  setBegun(waiter: number, serial: number): void {
    this.#words[this.#record(waiter) + BEGUN] = serial;
  }

  /** The word to sleep on; undefined when `waiter` does not wait for `page` (any more). */
  wordOf(waiter: number, page: number): number | undefined {
    const word = Atomics.load(this.#words, this.#record(waiter) + PAGE);
    return (word & PAGE_MASK) === page + 1 ? word : undefined;
  }
  /** Sleeps until the word is no longer `word`, or not so long. Thread: one that may block. */
  sleep(waiter: number, word: number): void {
    if (!this.#futex) return void Atomics.wait(this.#words, this.#record(waiter) + PAGE, word);
    this.sleepsByFutex(waiter);
    this.#futex.wait(this.#pageWord(waiter), word);
  }
  /** It is woken so, where this object has a futex. */
  sleepsByFutex(waiter: number): void {
    if (this.#futex) Atomics.store(this.#words, this.#record(waiter) + BY_FUTEX, 1);
  }
  /** As `sleep`, for a thread that must not block. */
  async sleepAsync(waiter: number, word: number): Promise<void> {
    const waiting = waitAsync(this.#words, this.#record(waiter) + PAGE, word);
    if (waiting.async) await waiting.value;
  }

  /** `waiter` waits for nothing, by its own word. */
  withdraw(waiter: number): void {
    Atomics.store(this.#words, this.#record(waiter) + PAGE, 0);
  }
  /** Ends the wait of `waiter` if it is for `page`, and wakes it. */
  release(waiter: number, page: number): void {
    this.#change(waiter, (word) => ((word & PAGE_MASK) === page + 1 ? 0 : word));
  }
  /** Makes `waiter` look up from its sleep, if it waits. */
  rouse(waiter: number): void {
    this.#change(waiter, (word) => (word === 0 ? 0 : (word + ROUSE_STEP) | 0));
  }

  #change(waiter: number, next: (word: number) => number): void {
    const words = this.#words;
    const at = this.#record(waiter) + PAGE;
    for (;;) {
      const word = Atomics.load(words, at);
      const changed = next(word);
      if (changed === word) return;
      if (Atomics.compareExchange(words, at, word, changed) !== word) continue;
      if (this.#futex && Atomics.load(words, this.#record(waiter) + BY_FUTEX) === 1) {
        this.#futex.wake(this.#pageWord(waiter));
      } else Atomics.notify(words, at);
      return;
    }
  }

  #pageWord(waiter: number): Int32Array {
    return (this.#pageWords[waiter] ??= this.#words.subarray(this.#record(waiter) + PAGE).subarray(0, 1));
  }

  #record(waiter: number): number {
    return this.#start + RECORDS_WORD + waiter * RECORD_WORDS;
  }
}
