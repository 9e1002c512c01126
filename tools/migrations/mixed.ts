/** Precopy and postcopy in turn, postcopy with and without a channel of its own for wanted pages. */
import { type Journey, MIB, untilOver } from "./journey.ts";
import { sleep } from "./watch.ts";

/** Resolves with what was done. */
export async function mixedRound(journey: Journey, round: number): Promise<string> {
  const { random } = journey;
  const postcopy = round % 2 === 1;
  const preempt = round % 4 === 3;
  const source = await journey.source();
  const destination = await journey.destination();
  const wanted = {
    postcopy,
    preempt,
    returnPath: random.below(2) === 0,
    // So slow that a precopy would hardly end.
    maxBandwidth: postcopy ? (4 + random.below(8)) * MIB : 0,
    maxPostcopyBandwidth: random.one([0, 20 * MIB, 60 * MIB]),
  };
  const proxy = await journey.prepare(source, destination, wanted);
  try {
    await sleep(random.below(400));
    await source.execute("migrate", { uri: proxy.uri });
    if (postcopy) {
      await sleep(random.below(800));
      await source.execute("migrate-start-postcopy");
    }
    const [from, to] = [await untilOver(source), await untilOver(destination)];
    if (from.status !== "completed" || to.status !== "completed") {
      throw new Error(`source: ${JSON.stringify(from)}, destination: ${JSON.stringify(to)}`);
    }
    await journey.arrive(destination);
    const ram = from.ram ?? {};
    const late = postcopy
      ? `, ${Math.round((ram["postcopy-bytes"] ?? 0) / MIB)} MiB behind the switch, ${ram["postcopy-requests"]} requests, ` +
        `blocktime ${String(to["postcopy-blocktime"])} ms`
      : "";
    const how = postcopy ? (preempt ? "postcopy, preempt" : "postcopy") : "precopy";
    return `${source.kind} to ${destination.kind}, ${how}: downtime ${from.downtime} ms${late}`;
  } finally {
    proxy.close();
  }
}
