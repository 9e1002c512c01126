/** Runs cases through an oracle and through an implementation (src/cpu/softfloat) and collects the differences. */

import { FloatFormatIndex, type FloatFormatName, FloatOp, floatSlowOp } from "#cpu/softfloat/dispatch.ts";
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

const BATCH_CASES = 32768;
const MAX_EXAMPLES = 20;

/** Stops after `limit` cases or when the source has no more. */
export async function compareWithOracle(
  oracle: Oracle,
  source: CaseSource,
  limit: number,
  implementation: typeof floatSlowOp = floatSlowOp,
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
    for (let i = 0; i < batch.count; i++) {
      const bits = answers[2 * i] as bigint;
      const flags = answers[2 * i + 1] as bigint;
      if (flags === UNANSWERED) {
        unanswered++;
        continue;
      }
      const ours = implementation(
        batch.op(i) as FloatOp,
        batch.format(i) as FloatFormatIndex,
        batch.rounding(i),
        batch.operand(i, 0),
        batch.operand(i, 1),
        batch.operand(i, 2),
      );
      if (ours.bits === bits && ours.flags === Number(flags)) continue;
      differences++;
      if (examples.length < MAX_EXAMPLES) {
        examples.push(`${describeCase(batch, i)}: oracle ${hex(bits)} ${flags}, ours ${hex(ours.bits)} ${ours.flags}`);
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
