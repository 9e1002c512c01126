/**
 * Cases of a batch: a random sequence with random registers, flags and buffer. All follow from one seed.
 */
import { Random, randomFloat, randomInteger } from "#cpu/isa/riscv/random.ts";
import { type Case, RECORD } from "./image.ts";
import { assemble, BUFFER, RUNNER_REGISTER, type Sequence, SequenceGenerator } from "./sequence.ts";

export type SequenceCase = {
  readonly sequence: Sequence;
  /** Seed of registers, fcsr and buffer. */
  readonly dataSeed: number;
};

/** Cases of the batch with this seed. */
export function randomCases(seed: number, count: number): SequenceCase[] {
  const generator = new SequenceGenerator(new Random(seed));
  return Array.from({ length: count }, (_, i) => ({ sequence: generator.next(), dataSeed: seed * 1_000_000 + i }));
}

/** The case for an image, cut after `limit` blocks. */
export function toCase({ sequence, dataSeed }: SequenceCase, limit = sequence.blocks.length): Case {
  return {
    code: (address) => assemble(sequence, address, limit),
    fill: (record) => fillRecord(record, dataSeed, sequence.bases),
  };
}

/** Writes a record's registers, fcsr and buffer; registers in `bases` get those values. */
export function fillRecord(record: DataView, dataSeed: number, bases: ReadonlyMap<number, number>): void {
  const random = new Random(dataSeed);
  for (let i = 1; i < 32; i++) {
    if (i === RUNNER_REGISTER) continue;
    const base = bases.get(i);
    record.setBigUint64(RECORD.x + 8 * i, base === undefined ? randomInteger(random) : BigInt(base), true);
  }
  for (let i = 0; i < 32; i++) record.setBigUint64(RECORD.f + 8 * i, randomFloat(random), true);
  const flags = random.oneIn(2) ? random.below(32) : random.below(2);
  record.setUint32(RECORD.fcsr, (random.below(5) << 5) | flags, true);
  for (let i = 0; i < BUFFER.bytes; i += 8) {
    const value = random.oneIn(2) ? randomFloat(random) : randomInteger(random);
    record.setBigUint64(RECORD.buffer + i, value, true);
  }
}

/** What differs between two records, a line each. */
export function differences(expected: Uint8Array, actual: Uint8Array): string[] {
  const e = new DataView(expected.buffer, expected.byteOffset, RECORD.bytes);
  const a = new DataView(actual.buffer, actual.byteOffset, RECORD.bytes);
  const lines: string[] = [];
  for (let at = 0; at < RECORD.bytes; at += 8) {
    const wanted = e.getBigUint64(at, true);
    const got = a.getBigUint64(at, true);
    if (wanted !== got) lines.push(`${placeName(at)}: expected ${wanted.toString(16)}, got ${got.toString(16)}`);
  }
  return lines;
}
function placeName(at: number): string {
  if (at < RECORD.f) return `x${at / 8}`;
  if (at < RECORD.fcsr) return `f${(at - RECORD.f) / 8}`;
  if (at < RECORD.entry) return "fcsr";
  return at < RECORD.buffer ? "entry" : `buffer+${at - RECORD.buffer}`;
}

/** True when the records' bytes are equal. */
export const sameRecord = (x: Uint8Array, y: Uint8Array): boolean => x.every((byte, i) => byte === y[i]);
