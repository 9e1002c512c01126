/** Postcopy whose connection breaks, again and again, and is made anew. */
import type { MigrateInfo } from "../peers/vm.ts";
import { type Journey, MIB } from "./journey.ts";
import type { Proxy, Way } from "./proxy.ts";
import type { Side } from "./side.ts";
import { sleep, until } from "./watch.ts";

const LIMIT_MS = 120_000;
/** Most bytes before a cut, by way: about what passes there. */
const MOST_BYTES: Readonly<Record<Way, number>> = { down: 24 * MIB, up: 4000, urgent: 2 * MIB };
type Cut = Way | "pause at the source" | "pause at the destination";

/** Resolves with what was done, or undefined when the migration was over before anything broke. */
export async function cutRound(journey: Journey, round: number): Promise<string | undefined> {
  const { random } = journey;
  const preempt = round % 2 === 1;
  const source = await journey.source();
  const destination = await journey.destination();
  const done: string[] = [];
  const cuts = 1 + random.below(3);
  const plan = Array.from({ length: cuts }, () => chooseCut(journey, preempt));
  const proxies = [
    await journey.prepare(source, destination, {
      postcopy: true,
      preempt,
      maxBandwidth: 8 * MIB,
      maxPostcopyBandwidth: 16 * MIB,
    }),
  ];
  try {
    await source.execute("migrate", { uri: first(proxies).uri });
    await sleep(random.below(600));
    await source.execute("migrate-start-postcopy");
    await until("postcopy-active", LIMIT_MS, async () =>
      ["setup", "active"].includes((await source.info()).status ?? "") ? undefined : true,
    );
    for (;;) {
      const cut = plan.shift();
      if (cut !== undefined) done.push(await breakBy(cut, { journey, source, destination, proxy: first(proxies) }));
      const [from, to] = await untilSettled(source, destination);
      if (to.status === "completed") {
        if (from.status !== "completed") done.push("the last word was lost");
        break;
      }
      if (to.status === "failed" || from.status === "failed") {
        throw new Error(`${done.join(", ")}: source ${JSON.stringify(from)}, destination ${JSON.stringify(to)}`);
      }
      proxies.unshift(await recover(journey, source, destination));
      done.push("recovered");
    }
    await journey.arrive(destination);
    if (!done.includes("recovered")) return undefined;
    return `${source.kind} to ${destination.kind}${preempt ? ", preempt" : ""}: ${done.filter(Boolean).join(", ")}`;
  } catch (error) {
    throw new Error(`${source.kind} to ${destination.kind}${preempt ? ", preempt" : ""}: ${done.join(", ")}`, {
      cause: error,
    });
  } finally {
    for (const proxy of proxies) proxy.close();
  }
}

function first(proxies: readonly Proxy[]): Proxy {
  return proxies[0] as Proxy;
}

function chooseCut({ random }: Journey, preempt: boolean): Cut {
  const ways: readonly Cut[] = ["down", "down", "up", "pause at the source", "pause at the destination"];
  return random.one<Cut>(preempt ? [...ways, "urgent", "urgent"] : ways);
}

type Breaking = {
  readonly journey: Journey;
  readonly source: Side;
  readonly destination: Side;
  readonly proxy: Proxy;
};

/** Resolves with what it did when the connection is broken, or everything is over; "" then. */
async function breakBy(cut: Cut, { journey, source, destination, proxy }: Breaking): Promise<string> {
  const { random } = journey;
  if (cut === "pause at the source" || cut === "pause at the destination") {
    await sleep(random.below(800));
    try {
      await (cut === "pause at the source" ? source : destination).execute("migrate-pause");
      return cut;
    } catch (error) {
      if (/migrate-pause is currently/.test(String(error))) return "";
      throw error;
    }
  }
  const bytes = random.anyScale(MOST_BYTES[cut]);
  let isCut = false;
  void proxy.cutAfter(cut, bytes).then(() => (isCut = true));
  await until("a cut", LIMIT_MS, async () =>
    isCut || isSettled(await source.info(), await destination.info()) ? true : undefined,
  );
  return isCut ? `${cut} cut after ${bytes} bytes` : "";
}

function isSettled(from: MigrateInfo, to: MigrateInfo): boolean {
  const rests = ["completed", "failed", "postcopy-paused"];
  return rests.includes(from.status ?? "") && rests.includes(to.status ?? "");
}

function untilSettled(source: Side, destination: Side): Promise<readonly [MigrateInfo, MigrateInfo]> {
  return until("both sides come to rest", LIMIT_MS, async () => {
    const both = [await source.info(), await destination.info()] as const;
    return isSettled(...both) ? both : undefined;
  });
}

async function recover(journey: Journey, source: Side, destination: Side): Promise<Proxy> {
  await sleep(journey.random.below(300));
  const proxy = await journey.listen(destination, "migrate-recover");
  await source.execute("migrate", { uri: proxy.uri, resume: true });
  // The next cut may hit the recovery; without one this is over as soon as somebody has connected.
  await until("the recovery begins", LIMIT_MS, async () =>
    (await destination.info()).status === "postcopy-paused" && proxy.passedBytes.down === 0 ? undefined : true,
  );
  return proxy;
}
