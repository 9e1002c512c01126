/**
 * Pages of a postcopy that have not come from the source yet, and who waits for them.
 *
 *   waiter: fault into the ring -> byte 1 to 2, or the page is here -> asks for it, or wakes who does -> sleeps on its word
 *   migration: page in place -> byte to 0, or from 2 to 3 -> who waits is accounted -> byte to 0 -> words of those who
 *     wait for it to 0, wakes them
 *
 * Each side stores first and looks then, so that a page which comes meanwhile is not waited for. Nothing is paid once
 * all pages are here: the byte is looked at only when a page enters a TLB.
 * Thread: vCPUs wait; the machine thread waits for devices; one thread takes, any of its migration's place.
 */
import type { Futex } from "#core/host.ts";
import { CONTROL, type MemoryLayout, PAGE_BYTES } from "#cpu/vcpu/layout.ts";
import { DEVICE_PLACES, PageFaultRing, type WaiterRecord } from "#machine/page-fault-ring.ts";

/** A page that is waited for: by a vCPU, or a device (-1), and since when in nanoseconds of the host's monotonic clock. */
export type PageFault = { readonly vcpu: number; readonly page: number; readonly sinceNs: number };

/** A byte of the missing map. */
const HERE = 0;
const MISSING = 1;
const AWAITED = 2;
/** In place, and those who wait for it are accounted at this moment. Whoever comes now does not wait. */
const PLACED = 3;

/** Hears of a fault before its page can be said to be here; false when it is, and the fault is none. */
export type BeginFault = (fault: PageFault) => boolean;
const HEAR_NOTHING: BeginFault = () => true;

/** Asks for a page by a descriptor of the connection to the source; false: it could not. */
export type AskBy = (descriptor: number, page: number) => boolean;

/** What the host has for it. */
export type PageFaultsHost = {
  /** Of the same host as who gives a descriptor to `setRequests`; absent: somebody else asks. */
  readonly ask?: AskBy | undefined;
  /** Where those that place pages have it, too. */
  readonly futex?: Futex | undefined;
};

type Want = { readonly page: number; readonly sinceNs: number; readonly done: () => void };

export class PageFaults {
  readonly #missing: Uint8Array;
  readonly #words: Int32Array;
  readonly #ring: PageFaultRing;
  readonly #vcpus: number;
  readonly #ramStart: number;
  /** What devices wait for, by page; and those that have no place yet. */
  readonly #wanted = new Map<number, Promise<void>>();
  readonly #queue: Want[] = [];
  /** The last one is taken next: the least of them, as far as it is free. */
  readonly #freePlaces: number[];
  readonly #ask: AskBy | undefined;

  constructor(memory: ArrayBufferLike, layout: MemoryLayout, { ask, futex }: PageFaultsHost = {}) {
    this.#ask = ask;
    this.#missing = new Uint8Array(memory, layout.missingMap, (layout.totalBytes - layout.ramStart) / PAGE_BYTES);
    this.#words = new Int32Array(memory);
    this.#ring = new PageFaultRing(memory, layout, futex);
    this.#vcpus = layout.vcpuCount;
    this.#ramStart = layout.ramStart;
    this.#freePlaces = Array.from({ length: DEVICE_PLACES }, (_, i) => layout.vcpuCount + DEVICE_PLACES - 1 - i);
  }

  /** The page at `host`, as an index. */
  pageOf(host: number): number {
    return Math.floor((host - this.#ramStart) / PAGE_BYTES);
  }
  /** Where a page lies. */
  hostOf(page: number): number {
    return this.#ramStart + page * PAGE_BYTES;
  }
  /** Somebody waits for the page, or is about to. */
  isAwaited(page: number): boolean {
    return Atomics.load(this.#missing, page) === AWAITED;
  }
  isMissing(page: number): boolean {
    const state = Atomics.load(this.#missing, page);
    return state === MISSING || state === AWAITED;
  }
  /** Everybody who waited for it has been accounted, too. */
  isHere(page: number): boolean {
    return Atomics.load(this.#missing, page) === HERE;
  }
  /** How many have not come yet. */
  get missingCount(): number {
    return Atomics.load(this.#words, CONTROL.missingPages);
  }
  /** `count` pages from `first` on are still at the source. The machine is stopped, its TLBs are dropped before it runs. */
  expect(first: number, count: number): void {
    const range = this.#missing.subarray(first, first + count);
    let added = count;
    // Nobody else makes a page missing that is here. By the engine's own loops: the machine stands meanwhile.
    if ([MISSING, AWAITED, PLACED].every((state) => !range.includes(state))) range.fill(MISSING);
    else {
      added = 0;
      for (let page = first; page < first + count; page++) {
        if (Atomics.compareExchange(this.#missing, page, HERE, MISSING) === HERE) added++;
      }
    }
    Atomics.add(this.#words, CONTROL.missingPages, added);
  }

  /**
   * Blocks until the page is there and the machine runs; false when it was there already. `whileStopped` is called while
   * the machine is stopped, and returns when it runs again; without it nobody looks at that. Thread: the vCPU's.
   */
  wait(vcpu: number, page: number, nowNs: number, whileStopped?: () => void): boolean {
    if (!this.#publish(vcpu, page, nowNs)) return this.#withdraw(vcpu);
    for (;;) {
      const word = this.#ring.wordOf(vcpu, page);
      // After the look at the word: a stop that comes now changes it (`rouse`).
      if (whileStopped && Atomics.load(this.#words, CONTROL.running) === 0) whileStopped();
      else if (word === undefined) return true;
      else this.#ring.sleep(vcpu, word);
    }
  }

  /** As `wait`, without its sleep: `isHere` tells the end. For who plays a vCPU and must not block. */
  beginWait(vcpu: number, page: number, nowNs: number): void {
    this.#ring.sleepsByFutex(vcpu);
    if (!this.#publish(vcpu, page, nowNs)) this.#withdraw(vcpu);
  }

  /** The machine stops: vCPUs that wait for a page look up and see that. Thread: machine. */
  rouse(): void {
    for (let vcpu = 0; vcpu < this.#vcpus; vcpu++) this.#ring.rouse(vcpu);
  }

  /** Resolves when the page is there. A device of the machine waits for it. Thread: machine. */
  want(page: number, nowNs: number): Promise<void> {
    if (!this.isMissing(page)) return Promise.resolve();
    const known = this.#wanted.get(page);
    if (known) return known;
    const wanted = new Promise<void>((done) => void this.#queue.push({ page, sinceNs: nowNs, done }));
    this.#wanted.set(page, wanted);
    this.#place();
    return wanted;
  }

  /**
   * Who waits asks for its page by `descriptor` from now on, if it can, and wakes nobody; 0: it wakes the taker, as at first.
   * Behind this call the last descriptor is not used any more. Thread: who takes.
   */
  setRequests(descriptor: number): void {
    this.#ring.setRequests(descriptor);
  }

  /**
   * The next fault that was not taken yet and whose page is still missing, when `begin` has heard of it, here or before.
   * Thread: one only.
   */
  take(begin = HEAR_NOTHING): PageFault | undefined {
    for (;;) {
      const waiter = this.#ring.take();
      if (waiter === undefined) return undefined;
      const record = this.#ring.lock.with(() => {
        const one = this.#ring.read(waiter);
        if (!one || this.#ring.isTaken(waiter, one.serial) || !this.isMissing(one.page)) return undefined;
        this.#ring.setTaken(waiter, one.serial);
        this.#begin(waiter, one, begin);
        return one;
      });
      if (record) return this.#fault(waiter, record);
    }
  }

  #beginAll(begin: BeginFault): void {
    const { lock } = this.#ring;
    lock.acquire();
    try {
      const waiters = this.#ring.usedWaiters;
      for (let waiter = 0; waiter < waiters; waiter++) {
        const record = this.#ring.read(waiter);
        if (record && !this.isHere(record.page)) this.#begin(waiter, record, begin);
      }
    } finally {
      lock.release();
    }
  }

  /** Once for each wait. The lock is held. */
  #begin(waiter: number, record: WaiterRecord, begin: BeginFault): void {
    if (this.#ring.hasBegun(waiter, record.serial)) return;
    if (begin(this.#fault(waiter, record))) this.#ring.setBegun(waiter, record.serial);
  }

  /** Who waits now, taken or not. Thread: any. */
  waiting(): readonly PageFault[] {
    const faults: PageFault[] = [];
    for (let waiter = 0; waiter < this.#ring.usedWaiters; waiter++) {
      const record = this.#ring.read(waiter);
      if (record && this.isMissing(record.page)) faults.push(this.#fault(waiter, record));
    }
    return faults;
  }

  /**
   * The page is in place: whoever waits for it goes on, when `begin` has heard of all who wait, for this page or another.
   * True when somebody waited. Thread: migration.
   */
  placed(page: number, begin?: BeginFault): boolean {
    const before = Atomics.compareExchange(this.#missing, page, MISSING, HERE);
    if (before === MISSING) Atomics.sub(this.#words, CONTROL.missingPages, 1);
    // Somebody may have come since the caller looked.
    if (before !== AWAITED || Atomics.compareExchange(this.#missing, page, AWAITED, PLACED) !== AWAITED) return false;
    if (begin) this.#beginAll(begin);
    Atomics.store(this.#missing, page, HERE);
    Atomics.sub(this.#words, CONTROL.missingPages, 1);
    const waiters = this.#ring.usedWaiters;
    for (let waiter = 0; waiter < waiters; waiter++) this.#ring.release(waiter, page);
    return true;
  }

  /** False when the page is there: nobody waits then, and who would have withdraws. */
  #publish(waiter: number, page: number, nowNs: number): boolean {
    this.#ring.publish(waiter, page, nowNs);
    const before = Atomics.compareExchange(this.#missing, page, MISSING, AWAITED);
    if (before === HERE || before === PLACED) return false;
    Atomics.add(this.#words, CONTROL.pageFaults, 1);
    const isAsked = this.#ask !== undefined && this.#ring.request(this.#ask, page);
    if (!isAsked) Atomics.notify(this.#words, CONTROL.pageFaults);
    return true;
  }
  /** True when somebody has heard of the wait all the same. */
  #withdraw(waiter: number): boolean {
    return this.#ring.lock.with(() => {
      this.#ring.withdraw(waiter);
      return this.#ring.hasBegun(waiter, this.#ring.serialOf(waiter));
    });
  }

  /** Gives the devices' free places to those that wait for one. */
  #place(): void {
    while (this.#queue.length > 0) {
      const place = this.#freePlaces.pop();
      if (place === undefined) return;
      void this.#await(place, this.#queue.shift() as Want);
    }
  }

  async #await(place: number, { page, sinceNs, done }: Want): Promise<void> {
    if (this.#publish(place, page, sinceNs)) {
      for (;;) {
        const word = this.#ring.wordOf(place, page);
        if (word === undefined) break;
        await this.#ring.sleepAsync(place, word);
      }
    } else this.#withdraw(place);
    this.#freePlaces.push(place);
    this.#wanted.delete(page);
    done();
    this.#place();
  }

  #fault(waiter: number, { page, sinceNs }: { readonly page: number; readonly sinceNs: number }): PageFault {
    return { vcpu: waiter < this.#vcpus ? waiter : -1, page, sinceNs };
  }
}
