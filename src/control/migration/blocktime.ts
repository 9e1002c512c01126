/**
 * Postcopy blocktime: how long each vCPU was blocked on pages that had not arrived.
 *
 *   a thread touches a missing page -> begin -> it waits on the page
 *   a page is placed -> its received mark -> end -> the waiters are woken
 *
 * A vCPU's blocktime is the union of its open records. It can have several: a page is placed, so that the vCPU runs on
 * and waits for the next one, before `end` closes the record; or one fault is reported twice. The total is the time in
 * which all vCPUs had one. `begin` is O(1), `end` is O(1) when nobody waits and O(records of that page) otherwise.
 *
 * Thread: any; each has its own object over the same words (blocktime-layout.ts), which change under one lock.
 *
 * Order: the head of a page's list is stored before its received mark is looked at (`begin`), and the mark is stored
 * before the head is looked at (`end`), all of it atomically. So of a fault and a placement at the same time, either the
 * fault sees the mark and leaves no record, or the placement sees the record; `end` may then look without the lock.
 */
import { SharedLock } from "#core/shared-lock.ts";
import { NO_TRACE, type Trace } from "#core/trace.ts";
import type { BlocktimeFigures } from "./blocktime-figures.ts";
import { LATENCY_BUCKETS, latencyBucket } from "./blocktime-latency.ts";
import {
  type BlocktimeLayout,
  type BlocktimeSize,
  blocktimeLayout,
  FIGURE,
  MOST_RECORDS_A_VCPU,
  RECORD,
  RECORD_WORDS,
  VCPU_FIGURE,
  vcpuFigure,
  WORD,
} from "./blocktime-layout.ts";

/** The `vcpu` of every thread that is not a vCPU. */
export const NON_VCPU = -1;

const PAGE_BYTES = 4096;
/** Clocks of two threads differ by less. */
const CLOCKS_DIFFER_NS = 10_000;

export type BlocktimePorts = {
  /** Reads the page's received mark, atomically. Called with the lock held. */
  readonly isReceived: (page: number) => boolean;
  /** Its lines come in the order of the accounting. */
  readonly trace?: Trace;
};

/** A page is its number in guest RAM; a time is nanoseconds of the machine's monotonic clock, its fraction ignored. */
export class Blocktime {
  readonly #layout: BlocktimeLayout;
  readonly #isReceived: (page: number) => boolean;
  readonly #trace: Trace;
  readonly #lock: SharedLock;
  readonly #words: Int32Array;
  readonly #figures: Float64Array;
  readonly #vcpuFigures: Float64Array;
  readonly #counts: Uint8Array;
  readonly #starts: Float64Array;
  readonly #records: Int32Array;
  readonly #heads: Int32Array;
  readonly #headMask: number;

  /** Bytes that it takes. */
  static lengthBytes(size: BlocktimeSize): number {
    return blocktimeLayout(size).lengthBytes;
  }

  /** `offset` is a multiple of 8. Somebody calls `reset` before the first use. */
  constructor(memory: ArrayBufferLike, offset: number, size: BlocktimeSize, ports: BlocktimePorts) {
    const layout = blocktimeLayout(size);
    this.#layout = layout;
    this.#isReceived = ports.isReceived;
    this.#trace = ports.trace ?? NO_TRACE;
    this.#words = new Int32Array(memory, offset, layout.figuresOffset / 4);
    this.#lock = new SharedLock(this.#words, WORD.lock);
    const figures = (from: number, to: number): Float64Array =>
      new Float64Array(memory, offset + from, (to - from) / 8);
    this.#figures = figures(layout.figuresOffset, layout.vcpuFiguresOffset);
    this.#vcpuFigures = figures(layout.vcpuFiguresOffset, layout.startsOffset);
    this.#starts = figures(layout.startsOffset, layout.recordsOffset);
    this.#records = new Int32Array(memory, offset + layout.recordsOffset, RECORD_WORDS * (layout.records + 1));
    this.#heads = new Int32Array(memory, offset + layout.headsOffset, layout.heads);
    this.#counts = new Uint8Array(memory, offset + layout.countsOffset, layout.vcpus);
    this.#headMask = layout.heads - 1;
  }

  /** Everything is 0 and no record is open. Thread: the one that starts a migration, before any fault. */
  reset(): void {
    this.#lock.with(() => {
      this.#heads.fill(0);
      this.#counts.fill(0);
      this.#figures.fill(0);
      this.#vcpuFigures.fill(0);
      this.#words[WORD.vcpusDown] = 0;
      const { records } = this.#layout;
      for (let record = 1; record <= records; record++) this.#setNext(record, record < records ? record + 1 : 0);
      this.#words[WORD.free] = 1;
    });
  }

  /**
   * The thread of `vcpu` (or `NON_VCPU`) touched `page` at `nowNs` and found it missing. False when the page has come
   * in the meantime: nothing is recorded then. Throws when a vCPU has too many records, which is a bug.
   */
  begin(page: number, vcpu: number, nowNs: number): boolean {
    this.#lock.acquire();
    try {
      const head = page & this.#headMask;
      const first = this.#heads[head] as number;
      const record = this.#take(page, vcpu, first);
      Atomics.store(this.#heads, head, record);
      if (this.#isReceived(page)) {
        Atomics.store(this.#heads, head, first);
        this.#give(record);
        return false;
      }
      const start = Math.floor(nowNs);
      this.#starts[record] = start;
      const at = this.#advance(start);
      if (vcpu >= 0) this.#countFault(vcpu, at);
      else this.#add(FIGURE.nonVcpuFaults, 1);
      this.#trace.postcopy_blocktime_begin?.(page * PAGE_BYTES, at, vcpu, this.#find(page, first) !== 0);
      return true;
    } finally {
      this.#lock.release();
    }
  }

  /**
   * `page` was placed and its received mark stored; `nowNs` was read after that. Closes the page's records. Called for
   * every page that arrives; one that came twice closes nothing. Throws when a record is younger than `nowNs`: a bug.
   */
  end(page: number, nowNs: number): void {
    if (!this.isAwaited(page)) return;
    this.#lock.acquire();
    try {
      this.#close(page, Math.floor(nowNs));
    } finally {
      this.#lock.release();
    }
  }

  /** False: nobody waits for `page`, and `end` would do nothing. For a caller that spares itself reading the clock. */
  isAwaited(page: number): boolean {
    return Atomics.load(this.#heads, page & this.#headMask) !== 0;
  }

  /** What has been counted so far; what is open is not in it. */
  read(): BlocktimeFigures {
    return this.#lock.with(() => {
      const each = (figure: number): number[] =>
        Array.from({ length: this.#layout.vcpus }, (_, vcpu) => this.#vcpuFigures[vcpuFigure(vcpu, figure)] as number);
      const { latencyBuckets } = FIGURE;
      return {
        totalBlocktimeNs: this.#figures[FIGURE.totalBlocktime] as number,
        vcpuBlocktimeNs: each(VCPU_FIGURE.blocktimeTotal),
        vcpuFaults: each(VCPU_FIGURE.faultsCount),
        vcpuLatencyNs: each(VCPU_FIGURE.latencyTotal),
        nonVcpuFaults: this.#figures[FIGURE.nonVcpuFaults] as number,
        nonVcpuLatencyNs: this.#figures[FIGURE.nonVcpuBlocktimeTotal] as number,
        latencyBuckets: [...this.#figures.subarray(latencyBuckets, latencyBuckets + LATENCY_BUCKETS)],
      };
    });
  }

  /** A fault of a vCPU; the last one that goes down starts the time in which all are. */
  #countFault(vcpu: number, at: number): void {
    const open = this.#counts[vcpu] as number;
    if (open === 0) {
      this.#vcpuFigures[vcpuFigure(vcpu, VCPU_FIGURE.downSince)] = at;
      const down = (this.#words[WORD.vcpusDown] as number) + 1;
      this.#words[WORD.vcpusDown] = down;
      if (down === this.#layout.vcpus) this.#figures[FIGURE.allDownSince] = at;
    }
    this.#counts[vcpu] = open + 1;
    this.#addVcpu(vcpu, VCPU_FIGURE.faultsCount, 1);
  }

  #close(page: number, now: number): void {
    const head = page & this.#headMask;
    let previous = 0;
    let record = this.#heads[head] as number;
    let [woken, vcpuRecords, otherRecords] = [0, 0, 0];
    let at = -1;
    while (record !== 0) {
      const next = this.#next(record);
      if (this.#records[record * RECORD_WORDS + RECORD.page] !== page) {
        previous = record;
      } else {
        if (at < 0) at = this.#advance(now);
        const vcpu = this.#records[record * RECORD_WORDS + RECORD.vcpu] as number;
        const elapsed = elapsedNs(vcpu, this.#starts[record] as number, now);
        if (this.#closeOne(vcpu, elapsed, at)) woken++;
        if (vcpu >= 0) vcpuRecords++;
        else otherRecords++;
        if (previous === 0) Atomics.store(this.#heads, head, next);
        else this.#setNext(previous, next);
        this.#give(record);
      }
      record = next;
    }
    if (at < 0) return;
    const down = this.#words[WORD.vcpusDown] as number;
    if (woken > 0 && down === this.#layout.vcpus) {
      this.#add(FIGURE.totalBlocktime, at - (this.#figures[FIGURE.allDownSince] as number));
    }
    this.#words[WORD.vcpusDown] = down - woken;
    this.#trace.postcopy_blocktime_end?.(page * PAGE_BYTES, at, vcpuRecords, otherRecords);
  }

  /** True when it was the last open record of a vCPU. */
  #closeOne(vcpu: number, elapsed: number, at: number): boolean {
    this.#add(FIGURE.latencyBuckets + latencyBucket(elapsed), 1);
    if (vcpu < 0) {
      this.#add(FIGURE.nonVcpuBlocktimeTotal, elapsed);
      this.#trace.postcopy_blocktime_end_one?.(vcpu, 0);
      return false;
    }
    this.#addVcpu(vcpu, VCPU_FIGURE.latencyTotal, elapsed);
    const left = (this.#counts[vcpu] as number) - 1;
    this.#counts[vcpu] = left;
    this.#trace.postcopy_blocktime_end_one?.(vcpu, left);
    if (left > 0) return false;
    const since = this.#vcpuFigures[vcpuFigure(vcpu, VCPU_FIGURE.downSince)] as number;
    this.#addVcpu(vcpu, VCPU_FIGURE.blocktimeTotal, at - since);
    return true;
  }

  /**
   * The time at which the state changes. Times are read before the lock is taken, so one can be a little older than
   * that of the event before it; it counts as that one.
   */
  #advance(now: number): number {
    const at = Math.max(now, this.#figures[FIGURE.latest] as number);
    this.#figures[FIGURE.latest] = at;
    return at;
  }

  /** A record of the fault, in front of `next`. */
  #take(page: number, vcpu: number, next: number): number {
    if (vcpu >= this.#layout.vcpus) throw new Error(`there is no vCPU ${vcpu}`);
    if (vcpu >= 0 && this.#counts[vcpu] === MOST_RECORDS_A_VCPU)
      throw new Error(`vCPU ${vcpu} waits for too many pages`);
    const record = this.#words[WORD.free] as number;
    if (record === 0) throw new Error(`there is no room for more than ${this.#layout.records} faults at a time`);
    this.#words[WORD.free] = this.#next(record);
    this.#records[record * RECORD_WORDS + RECORD.page] = page;
    this.#records[record * RECORD_WORDS + RECORD.vcpu] = vcpu;
    this.#setNext(record, next);
    return record;
  }

  #give(record: number): void {
    this.#setNext(record, this.#words[WORD.free] as number);
    this.#words[WORD.free] = record;
  }

  /** The first record of `page` in the list that starts at `record`, or 0. */
  #find(page: number, record: number): number {
    let at = record;
    while (at !== 0 && this.#records[at * RECORD_WORDS + RECORD.page] !== page) at = this.#next(at);
    return at;
  }

  #next(record: number): number {
    return this.#records[record * RECORD_WORDS + RECORD.next] as number;
  }
  #setNext(record: number, next: number): void {
    this.#records[record * RECORD_WORDS + RECORD.next] = next;
  }
  #add(figure: number, amount: number): void {
    this.#figures[figure] = (this.#figures[figure] as number) + amount;
  }
  #addVcpu(vcpu: number, figure: number, amount: number): void {
    this.#vcpuFigures[vcpuFigure(vcpu, figure)] = (this.#vcpuFigures[vcpuFigure(vcpu, figure)] as number) + amount;
  }
}

/** Throws when a fault ended before it began, which is a bug. */
function elapsedNs(vcpu: number, start: number, end: number): number {
  if (end < start - CLOCKS_DIFFER_NS)
    throw new Error(`a fault of vCPU ${vcpu} ended ${start - end} ns before it began`);
  return Math.max(end - start, 0);
}
