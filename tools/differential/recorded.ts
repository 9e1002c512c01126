/**
 * Recorded cases: code, seed of the data, and what QEMU made of it as a hash, so that they run where no QEMU is.
 * The addresses are those of `buildImage`: record anew when the image's layout changes.
 */
import { createHash } from "node:crypto";
import { fillRecord, type SequenceCase } from "./cases.ts";
import { type Case, RECORD } from "./image.ts";
import { assemble } from "./sequence.ts";

export type RecordedCase = {
  /** Hexadecimal bytes. */
  readonly code: string;
  readonly seed: number;
  /** Registers that point into the buffer, and their values. */
  readonly bases: readonly (readonly [number, number])[];
  /** First 16 digits of the SHA-256 of the record afterwards. */
  readonly result: string;
};

export function recordCase({ sequence, dataSeed }: SequenceCase, address: number, record: Uint8Array): RecordedCase {
  return {
    code: Buffer.from(assemble(sequence, address)).toString("hex"),
    seed: dataSeed,
    bases: [...sequence.bases],
    result: resultOf(record),
  };
}

export const toCase = ({ code, seed, bases }: RecordedCase): Case => ({
  code: () => new Uint8Array(Buffer.from(code, "hex")),
  fill: (record) => fillRecord(record, seed, new Map(bases)),
});

export const resultOf = (record: Uint8Array): string => createHash("sha256").update(record).digest("hex").slice(0, 16);

/** Record `index` of a batch. */
export const recordAt = (records: Uint8Array, index: number): Uint8Array =>
  records.subarray(index * RECORD.bytes, (index + 1) * RECORD.bytes);
