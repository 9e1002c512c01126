/** Runs cases through an oracle and through an implementation (src/cpu/softfloat) and collects the differences. */

import { FloatFormatIndex, type FloatFormatName, FloatOp, floatSlowOp } from "#cpu/softfloat/dispatch.ts";
import type { FloatResult } from "#cpu/softfloat/round.ts";
import { CaseBatch, type CaseSource } from "./cases.ts";
import { type Oracle, UNANSWERED } from "./oracle-process.ts";

export type Comparison = {
  readonly compared: number;
  /** Cases the oracle has no instruction for. */
  readonly unanswered: number;
  readonly differences: number;
  /** The first few differences, for a person. */
  readonly examples: readonly string[];
};

export type Answer = FloatResult & {
  /** Flags that were set already; 0 by default. */
  readonly before?: number;
};
/** Takes a batch, and gives the answer of each case until the next batch; undefined where it has none. */
export type Implementation = (batch: CaseBatch) => (index: number) => Answer | undefined;

/** An implementation that takes its cases one by one. */
export const caseByCase =
  (implementation: typeof floatSlowOp): Implementation =>
  (batch) =>
  (index) =>
    implementation(
      batch.op(index) as FloatOp,
      batch.format(index) as FloatFormatIndex,
      batch.rounding(index),
      batch.operand(index, 0),
      batch.operand(index, 1),
      batch.operand(index, 2),
    );

const SOFTFLOAT: ReadonlyMap<string, Implementation> = new Map([["softfloat", caseByCase(floatSlowOp)]]);

const BATCH_CASES = 32768;
const MAX_EXAMPLES = 20;

/** Stops after `limit` cases or when the source has no more. */
export async function compareWithOracle(
  oracle: Oracle,
  source: CaseSource,
  limit: number,
  implementations: ReadonlyMap<string, Implementation> = SOFTFLOAT,
  onProgress?: (done: number) => void,
): Promise<Comparison> {
  let sent = 0;
  let done = 0;
  let unanswered = 0;
  let differences = 0;
  const examples: string[] = [];

  // Two batches in flight: the oracle works on one while the other is checked here.
  const free = [new CaseBatch(BATCH_CASES), new CaseBatch(BATCH_CASES)];
  const inFlight: CaseBatch[] = [];
  for (;;) {
    while (free.length > 0 && sent < limit) {
      const batch = free.pop() as CaseBatch;
      source.next(batch);
      batch.count = Math.min(batch.count, limit - sent);
      if (batch.count === 0) break;
      oracle.send(batch);
      sent += batch.count;
      inFlight.push(batch);
    }
    const batch = inFlight.shift();
    if (batch === undefined) break;
    const answers = await oracle.receive(batch.count);
    for (let i = 0; i < batch.count; i++) if (answers[2 * i + 1] === UNANSWERED) unanswered++;
    for (const [name, implementation] of implementations) {
      const answerOf = implementation(batch);
      for (let i = 0; i < batch.count; i++) {
        const bits = answers[2 * i] as bigint;
        const flags = answers[2 * i + 1] as bigint;
        const ours = flags === UNANSWERED ? undefined : answerOf(i);
        if (!ours || (ours.bits === bits && ours.flags === (Number(flags) | (ours.before ?? 0)))) continue;
        differences++;
        if (examples.length >= MAX_EXAMPLES) continue;
        examples.push(
          `${describeCase(batch, i)}: oracle ${hex(bits)} ${flags}, ` +
            `${name} ${hex(ours.bits)} ${ours.flags} (before ${ours.before ?? 0})`,
        );
      }
    }
    done += batch.count;
    onProgress?.(done);
    free.push(batch);
  }
  return { compared: done - unanswered, unanswered, differences, examples };
}

/** `op format rounding a b c`, the operands in hexadecimal. */
export function describeCase(batch: CaseBatch, index: number): string {
  const op = nameOf(FloatOp, batch.op(index));
  const format = nameOf(FloatFormatIndex, batch.format(index)) as FloatFormatName;
  const operands = [0, 1, 2].map((which) => hex(batch.operand(index, which)));
  return [op, format, batch.rounding(index), ...operands].join(" ");
}

export function hex(value: bigint): string {
  return value.toString(16);
}

function nameOf(table: Readonly<Record<string, number>>, number: number): string {
  return Object.keys(table).find((name) => table[name] === number) ?? `${number}`;
}
