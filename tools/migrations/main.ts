/**
 * Many migrations in a row of a guest that writes and compares its memory all the time. It must notice nothing.
 *
 *   npm run migrations -- [--mode mixed] [--count 20] [--smp 2] [--as both] [--memory 192M] [--check 32] [--seed S]
 *
 *   mixed   precopy and postcopy in turn
 *   cut     postcopy whose connection breaks at random bytes, or is paused, and is recovered
 *   spoil   precopy that is cut, cancelled, or loses its destination; each is followed by one that works
 *
 * `--as`: machines are of the npm API (api), processes of the command (process), or either. A line a round; the last
 * one is "N of N". Exits 1 when a round failed.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { missingMemoryCheck } from "../guest/memory-check.ts";
import { cutRound } from "./cut.ts";
import { Journey } from "./journey.ts";
import { mixedRound } from "./mixed.ts";
import { Random } from "./random.ts";
import type { SideKind } from "./side.ts";
import { spoilRound } from "./spoil.ts";

type Round = (journey: Journey, round: number) => Promise<string | undefined>;
const MODES: Readonly<Record<string, Round>> = { mixed: mixedRound, cut: cutRound, spoil: spoilRound };
const KINDS: Readonly<Record<string, readonly SideKind[]>> = {
  api: ["api"],
  process: ["process"],
  both: ["api", "process"],
};
/** Rounds in which nothing could be broken, one after the other. */
const MOST_IDLE = 20;

const { values } = parseArgs({
  options: {
    mode: { type: "string", default: "mixed" },
    count: { type: "string", default: "20" },
    smp: { type: "string", default: "2" },
    as: { type: "string", default: "both" },
    memory: { type: "string", default: "192M" },
    check: { type: "string", default: "32" },
    seed: { type: "string", default: String(Date.now() % 1e6) },
  },
});

async function main(): Promise<boolean> {
  const [mode, kinds, count] = [MODES[values.mode], KINDS[values.as], Number(values.count)];
  if (!mode) throw new Error(`--mode is one of ${Object.keys(MODES).join(", ")}`);
  if (!kinds) throw new Error(`--as is one of ${Object.keys(KINDS).join(", ")}`);
  const missing = missingMemoryCheck();
  if (missing !== undefined) throw new Error(missing);
  const folder = mkdtempSync(join(tmpdir(), "tinamou-migrations-"));
  const settings = { smp: Number(values.smp), memory: values.memory, checkMib: Number(values.check), kinds, folder };
  console.log(`${values.mode}, seed ${values.seed}, ${JSON.stringify(settings)}`);
  const journey = new Journey(settings, new Random(Number(values.seed)));
  let good = 0;
  try {
    let idle = 0;
    for (let round = 0, done = 0; done < count && idle < MOST_IDLE; round++) {
      const startMs = performance.now();
      let text: string | undefined;
      try {
        text = await mode(journey, round);
        if (text !== undefined) good++;
      } catch (error) {
        console.error(error);
        text = "FAILED";
        await journey.giveUp();
      }
      idle = text === undefined ? idle + 1 : 0;
      if (text !== undefined) done++;
      const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
      console.log(`${done} of ${count} (round ${round}, ${seconds} s): ${text ?? "over before anything broke"}`);
    }
  } finally {
    await journey.giveUp();
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`${good} of ${count}`);
  return good === count;
}

// Whatever a machine has left behind must not keep the process.
process.exit((await main()) ? 0 : 1);
