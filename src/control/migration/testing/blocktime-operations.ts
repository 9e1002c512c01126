/** Sequences of faults and placements, carried out by the accounting and by the reference, for the model test. */
import type { Blocktime } from "../blocktime.ts";
import { BlocktimeReference } from "./blocktime-reference.ts";

export type BlocktimeOperation = {
  /** `lost` is a fault on a page that comes while the fault is being recorded. */
  readonly kind: "begin" | "end" | "lost" | "reset";
  readonly page: number;
  readonly vcpu: number;
  /** Since the operation before. */
  readonly gapNs: number;
  /** The time was read so long before its turn came, as when a lock was waited for. */
  readonly lateNs: number;
};

/** What the accounting asks; the operations decide the answer. */
export type ReceivedAnswer = { isReceived: boolean };

/** Throws a text that says where they differ, at the first operation after which they do. */
export function compareWithReference(
  blocktime: Blocktime,
  answer: ReceivedAnswer,
  setup: { readonly vcpus: number; readonly startNs: number; readonly operations: readonly BlocktimeOperation[] },
): void {
  let reference = new BlocktimeReference(setup.vcpus);
  let clockNs = setup.startNs;
  setup.operations.forEach(({ kind, page, vcpu, gapNs, lateNs }, index) => {
    clockNs += gapNs;
    const timeNs = clockNs - lateNs;
    answer.isReceived = kind === "lost";
    if (kind === "begin") {
      reference.begin(page, vcpu, timeNs);
      equal(blocktime.begin(page, vcpu, timeNs), true, `begin of operation ${index}`);
    } else if (kind === "lost") {
      equal(blocktime.begin(page, vcpu, timeNs), false, `lost begin of operation ${index}`);
    } else if (kind === "end") {
      // Nobody reads the time of a placement before that of a fault it ends.
      const endNs = Math.max(timeNs, reference.youngest(page));
      reference.end(page, endNs);
      if (reference.isAwaited(page)) equal(blocktime.isAwaited(page), true, `isAwaited at operation ${index}`);
      blocktime.end(page, endNs);
    } else {
      reference = new BlocktimeReference(setup.vcpus);
      blocktime.reset();
    }
    equal(blocktime.read(), reference.read(), `figures after operation ${index} (${kind})`);
  });
}

function equal(actual: unknown, expected: unknown, where: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${where}: accounting ${a}, reference ${b}`);
}
