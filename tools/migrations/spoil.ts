/** Precopy that fails: the machine runs on at the source, and the next migration works. */
import { type Journey, MIB, untilOver } from "./journey.ts";
import type { Proxy } from "./proxy.ts";
import type { Side } from "./side.ts";
import { sleep } from "./watch.ts";

const WAYS = ["cut", "kill", "cancel"] as const;
const MOST_MS = 2500;
const LATE_MS = 10_000;
/** What the destination says in a precopy: a pong, and that all is well. */
const UP_BYTES = 16;

/** Resolves with what was done, or undefined when the migration was over before it could be spoiled. */
export async function spoilRound(journey: Journey, round: number): Promise<string | undefined> {
  const { random } = journey;
  const way = WAYS[round % WAYS.length] as (typeof WAYS)[number];
  const postcopy = random.below(2) === 0;
  const source = await journey.source();
  const destination = await journey.destination(way === "kill" ? "process" : undefined);
  const proxy = await journey.prepare(source, destination, {
    postcopy,
    preempt: postcopy && random.below(2) === 0,
    returnPath: random.below(4) > 0,
    // Fast and slow: the machine's stop is hit, too.
    maxBandwidth: random.one([10 * MIB, 40 * MIB, 200 * MIB]),
  });
  let what: string;
  try {
    let isOver = false;
    const spoiled = spoil[way](journey, { source, destination, proxy, isOver: () => isOver });
    await source.execute("migrate", { uri: proxy.uri });
    const over = untilOver(source).then(() => {
      isOver = true;
      return "it was over before";
    });
    what = await Promise.race([spoiled, over]);
    const { status, ["error-desc"]: why = "" } = await untilOver(source);
    if (status === "completed") {
      const to = await untilOver(destination);
      if (to.status !== "completed") throw new Error(`completed at the source, but ${JSON.stringify(to)}`);
      await journey.arrive(destination);
      return undefined;
    }
    if ((way === "cancel") !== (status === "cancelled")) throw new Error(`${what}: the source says ${status} ${why}`);
    what += ` (${status}${why && `: ${why}`})`;
  } finally {
    proxy.close();
  }
  await journey.stay();
  return `${source.kind}: ${what}; then ${await goodRound(journey)}`;
}

type Spoiled = {
  readonly source: Side;
  readonly destination: Side;
  readonly proxy: Proxy;
  /** The migration has ended: the machine may be at the destination. */
  readonly isOver: () => boolean;
};
const spoil = {
  async cut({ random }: Journey, { proxy }: Spoiled) {
    const way = random.one(["down", "down", "down", "up"] as const);
    const bytes = way === "up" ? random.below(UP_BYTES) : random.anyScale(60 * MIB);
    const cut = proxy.cutAfter(way, bytes);
    // Nothing comes back without a return path, and a slow precopy of a busy guest does not end.
    const isLate = await Promise.race([cut.then(() => false), sleep(LATE_MS).then(() => true)]);
    if (!isLate) return `${way} cut after ${bytes} bytes`;
    await proxy.cutAfter("down", 0);
    return `cut after ${LATE_MS} ms`;
  },
  async kill({ random }: Journey, { destination, isOver }: Spoiled) {
    const afterMs = random.below(MOST_MS);
    await sleep(afterMs);
    if (isOver()) return "it was over before";
    await destination.end();
    return `destination killed after ${afterMs} ms`;
  },
  async cancel({ random }: Journey, { source }: Spoiled) {
    const afterMs = random.below(MOST_MS);
    await sleep(afterMs);
    await source.execute("migrate_cancel");
    return `cancelled after ${afterMs} ms`;
  },
};

async function goodRound(journey: Journey): Promise<string> {
  const source = await journey.source();
  const destination = await journey.destination();
  const proxy = await journey.prepare(source, destination, { postcopy: false, preempt: false, maxBandwidth: 0 });
  try {
    await source.execute("migrate", { uri: proxy.uri });
    const [from, to] = [await untilOver(source), await untilOver(destination)];
    if (from.status !== "completed" || to.status !== "completed") {
      throw new Error(`the migration after it: ${JSON.stringify(from)}, ${JSON.stringify(to)}`);
    }
    await journey.arrive(destination);
    return `to ${destination.kind}`;
  } finally {
    proxy.close();
  }
}
