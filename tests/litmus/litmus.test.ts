/**
 * Outcomes that RVWMO forbids do not appear on harts in threads of their own. That such an outcome would be seen shows
 * a test whose harts are wrong by intent, and the reordering of a store with a later load, which is allowed.
 */
import { availableParallelism } from "node:os";
import { afterAll, describe, expect, test } from "vitest";
import { ENGINES, type EngineName, HOT_THRESHOLD } from "../../tools/differential/engine.ts";
import { AQ, R, RL, RW, W } from "./guest.ts";
import { HartMachines } from "./harts.ts";
import {
  fetch,
  full,
  type Litmus,
  load,
  loadDependent,
  order,
  type Outcome,
  reserve,
  runLitmus,
  type Step,
  store,
  storeDependent,
  swap,
  type Tally,
  tso,
} from "./litmus.ts";

const BUDGET_MS = 500;
/** On a busy host the harts may not often run at the same time. */
const PATIENCE_MS = 20_000;

const r = (o: Outcome, hart: number, result = 0): number => o.r[hart]?.[result] as number;

const bothZero = (o: Outcome): boolean => r(o, 0) === 0 && r(o, 1) === 0;
const storeBuffering = (name: string, between: Step): Litmus => ({
  name: `SB ${name}`,
  harts: [
    [store("x", 1), between, load("y", 0)],
    [store("y", 1), between, load("x", 0)],
  ],
  sought: bothZero,
});

const flagWithoutData = (o: Outcome): boolean => r(o, 1, 0) === 1 && r(o, 1, 1) === 0;
const messagePassing = (name: string, writer: readonly Step[], reader: readonly Step[]): Litmus => ({
  name: `MP ${name}`,
  harts: [writer, reader],
  sought: flagWithoutData,
});
const FENCED_WRITER = [store("x", 1), order(W, W), store("y", 1)];
const FENCED_READER = [load("y", 0), order(R, R), load("x", 1)];

const loadBuffering = (name: string, steps: (from: "x" | "y", to: "x" | "y") => readonly Step[]): Litmus => ({
  name: `LB ${name}`,
  harts: [steps("x", "y"), steps("y", "x")],
  sought: (o) => r(o, 0) === 1 && r(o, 1) === 1,
});

/** Two readers see two writes in different orders. */
const iriw = (name: string, reader: (first: "x" | "y", second: "x" | "y") => readonly Step[]): Litmus => ({
  name: `IRIW ${name}`,
  harts: [[store("x", 1)], [store("y", 1)], reader("x", "y"), reader("y", "x")],
  sought: (o) => r(o, 2, 0) === 1 && r(o, 2, 1) === 0 && r(o, 3, 0) === 1 && r(o, 3, 1) === 0,
});

const FORBIDDEN: readonly Litmus[] = [
  storeBuffering("fence rw,rw", full),
  {
    name: "SB amoswap.aqrl",
    harts: [
      [swap("x", 1, AQ | RL), load("y", 0)],
      [swap("y", 1, AQ | RL), load("x", 0)],
    ],
    sought: bothZero,
  },
  messagePassing("fence w,w and r,r", FENCED_WRITER, FENCED_READER),
  messagePassing("fence.tso", [store("x", 1), tso, store("y", 1)], [load("y", 0), tso, load("x", 1)]),
  messagePassing("amoswap.rl and amoor.aq", [store("x", 1), swap("y", 1, RL)], [fetch("y", 0, AQ), load("x", 1)]),
  messagePassing("amoswap.rl and lr.aq", [store("x", 1), swap("y", 1, RL)], [reserve("y", 0, AQ), load("x", 1)]),
  messagePassing("address dependency", FENCED_WRITER, [load("y", 0), loadDependent("x", 1, 0)]),
  loadBuffering("fence rw,rw", (from, to) => [load(from, 0), full, store(to, 1)]),
  loadBuffering("data dependency", (from, to) => [load(from, 0), storeDependent(to, 1, 0)]),
  iriw("fence r,r", (first, second) => [load(first, 0), order(R, R), load(second, 1)]),
  iriw("address dependency", (first, second) => [load(first, 0), loadDependent(second, 1, 0)]),
  {
    name: "CoRR",
    harts: [[store("x", 1)], [load("x", 0), load("x", 1), load("x", 2), load("x", 3)]],
    sought: (o) => [0, 1, 2].some((i) => r(o, 1, i) > r(o, 1, i + 1)),
  },
  {
    name: "CoWR",
    harts: [[store("x", 1), load("x", 0), load("x", 1)], [store("x", 2)]],
    // What comes after one's own store is never older than it, and never newer than the end.
    sought: (o) => r(o, 0, 0) === 0 || (r(o, 0, 0) === 2 && r(o, 0, 1) === 1) || (r(o, 0, 1) === 2 && o.x === 1),
  },
  {
    name: "CoRW",
    harts: [[load("x", 0), store("x", 1)], [store("x", 2)]],
    sought: (o) => r(o, 0) === 1 || (r(o, 0) === 2 && o.x === 2),
  },
  {
    name: "2+2W fence w,w",
    harts: [
      [store("x", 1), order(W, W), store("y", 2)],
      [store("y", 1), order(W, W), store("x", 2)],
    ],
    sought: (o) => o.x === 1 && o.y === 1,
  },
  {
    name: "R fence rw,rw",
    harts: [
      [store("x", 1), full, store("y", 1)],
      [store("y", 2), full, load("x", 0)],
    ],
    sought: (o) => o.y === 2 && r(o, 1) === 0,
  },
  {
    name: "S fence w,w and data dependency",
    harts: [
      [store("x", 2), order(W, W), store("y", 1)],
      [load("y", 0), storeDependent("x", 1, 0)],
    ],
    sought: (o) => r(o, 1) === 1 && o.x === 2,
  },
  {
    name: "WRC fence",
    harts: [[store("x", 1)], [load("x", 0), order(RW, W), store("y", 1)], [load("y", 0), order(R, R), load("x", 1)]],
    sought: (o) => r(o, 1) === 1 && r(o, 2, 0) === 1 && r(o, 2, 1) === 0,
  },
];

describe.each([...ENGINES])("engine %s", (engine: EngineName) => {
  const machines = new HartMachines(engine);
  afterAll(() => machines.close());
  const run = async (one: Litmus, budgetMs: number, enough?: (tally: Tally) => boolean): Promise<Tally> =>
    runLitmus(await machines.of(one.harts.length), one, budgetMs, enough);

  test.each(FORBIDDEN)("$name: never", async (one) => {
    const tally = await run(one, BUDGET_MS);
    expect(tally.sought, JSON.stringify([...tally.outcomes])).toBe(0);
    expect(tally.iterations).toBeGreaterThanOrEqual(512);
  });

  test("the harts have translated what they run, if the engine translates", async () => {
    const harts = await machines.of(2);
    expect(harts.regions > harts.count).toBe(HOT_THRESHOLD[engine] > 0);
  });

  test("a writer that sets the flag before the data is found out", async () => {
    const wrong = messagePassing("wrong", [store("y", 1), full, store("x", 1)], FENCED_READER);
    const tally = await run(wrong, PATIENCE_MS, ({ sought }) => sought > 0);
    expect(tally.sought).toBeGreaterThan(0);
  });

  // Every host that this runs on may let a load pass an older store; a translator may, too, but need not.
  test.skipIf(availableParallelism() < 2)("SB without fences: both loads come before both stores", async () => {
    const tally = await run(
      storeBuffering("plain", () => {}),
      PATIENCE_MS,
      ({ sought }) => sought > 0,
    );
    expect(tally.sought).toBeGreaterThan(0);
  });
});
