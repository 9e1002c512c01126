/**
 * Where the blocktime accounting lies in shared memory.
 *
 * Owner of every word: whoever holds `lock`. Three kinds of words are also read without it:
 * - `vcpus` and the sizes, which do not change;
 * - the heads of the hash, read atomically by whoever has placed a page (blocktime.ts says in which order);
 * - nothing else: figures that are read without the lock could be halves of two states.
 *
 * Counts and times are f64: whole numbers, exact up to 2^53 (104 days in nanoseconds).
 */
import { LATENCY_BUCKETS } from "./blocktime-latency.ts";

/** i32 words, by index from the start. */
export const WORD = {
  /** A `SharedLock`. */
  lock: 0,
  /** vCPUs with an open record. */
  vcpusDown: 1,
  /** The first unused record, or 0. */
  free: 2,
} as const;
const WORDS = 4;

/** f64 figures of the whole machine, by index from the start of the figures. */
export const FIGURE = {
  totalBlocktime: 0,
  allDownSince: 1,
  /** The time of the last event; the state never goes back before it. */
  latest: 2,
  nonVcpuFaults: 3,
  nonVcpuBlocktimeTotal: 4,
  latencyBuckets: 5,
} as const;
const FIGURES = FIGURE.latencyBuckets + LATENCY_BUCKETS;

/** f64 figures of a vCPU, behind those of the machine. */
export const VCPU_FIGURE = { blocktimeTotal: 0, faultsCount: 1, downSince: 2, latencyTotal: 3 } as const;
const VCPU_FIGURES = 4;

/** i32 words of a record; its start time is in an array of its own. Records count from 1: 0 is none. */
export const RECORD = { page: 0, vcpu: 1, next: 2 } as const;
export const RECORD_WORDS = 3;

/** Open records that one vCPU can have: its count is a byte. */
export const MOST_RECORDS_A_VCPU = 255;

export type BlocktimeSize = {
  readonly vcpus: number;
  /** Open records that there is room for; enough for every thread that can fault, several times over, by default. */
  readonly records?: number;
};

/** Byte offsets from the start, and what follows from the size. */
export type BlocktimeLayout = {
  readonly vcpus: number;
  readonly records: number;
  /** A power of two. */
  readonly heads: number;
  readonly figuresOffset: number;
  readonly vcpuFiguresOffset: number;
  readonly startsOffset: number;
  readonly recordsOffset: number;
  readonly headsOffset: number;
  /** The vCPUs' counts of open records, a byte each. */
  readonly countsOffset: number;
  readonly lengthBytes: number;
};

export function blocktimeLayout({ vcpus, records = 8 * vcpus + 64 }: BlocktimeSize): BlocktimeLayout {
  // More heads than threads that wait, so that a page for which nobody waits seldom meets another's record.
  const heads = Math.max(1024, 2 ** Math.ceil(Math.log2(4 * vcpus)));
  const figuresOffset = 4 * WORDS;
  const vcpuFiguresOffset = figuresOffset + 8 * FIGURES;
  const startsOffset = vcpuFiguresOffset + 8 * VCPU_FIGURES * vcpus;
  const recordsOffset = startsOffset + 8 * (records + 1);
  const headsOffset = recordsOffset + 4 * RECORD_WORDS * (records + 1);
  const countsOffset = headsOffset + 4 * heads;
  const lengthBytes = Math.ceil((countsOffset + vcpus) / 8) * 8;
  return {
    vcpus,
    records,
    heads,
    figuresOffset,
    vcpuFiguresOffset,
    startsOffset,
    recordsOffset,
    headsOffset,
    countsOffset,
    lengthBytes,
  };
}

/** The index of a vCPU's figure among the f64 words at `vcpuFiguresOffset`. */
export function vcpuFigure(vcpu: number, figure: number): number {
  return vcpu * VCPU_FIGURES + figure;
}
