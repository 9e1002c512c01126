/** The accounting against a slow reference that keeps intervals, and against itself with a rule broken. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { build } from "esbuild";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Blocktime } from "./blocktime.ts";
import { type BlocktimeOperation, compareWithReference, type ReceivedAnswer } from "./testing/blocktime-operations.ts";

/** Pages of which some share a head of the hash. */
const PAGES = [0, 1, 2, 3, 1024, 1025, 2048, 2 ** 30 + 2048];

function operation(vcpus: number): fc.Arbitrary<BlocktimeOperation> {
  const kind = fc.oneof(
    { weight: 50, arbitrary: fc.constant("begin" as const) },
    { weight: 50, arbitrary: fc.constant("end" as const) },
    { weight: 5, arbitrary: fc.constant("lost" as const) },
    { weight: 1, arbitrary: fc.constant("reset" as const) },
  );
  const gapNs = fc.oneof(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 0, max: 5000 }),
    fc.integer({ min: 0, max: 2 ** 31 }),
    fc.integer({ min: 0, max: 3e10 }),
    fc.constantFrom(999, 1000, 1999, 2000, 2001, 3999, 4000, 1_023_999, 1_024_000, 8_388_608_000, 8_388_607_999),
  );
  return fc.record({
    kind,
    page: fc.constantFrom(...PAGES),
    vcpu: fc.integer({ min: -1, max: vcpus - 1 }),
    gapNs,
    lateNs: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(4000) }),
  });
}

const SETUP = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constantFrom(16, 64)).chain((vcpus) =>
  fc.record({
    vcpus: fc.constant(vcpus),
    // Room for the sums below 2^53.
    startNs: fc.oneof(fc.constant(10_000), fc.integer({ min: 10_000, max: 2 ** 51 })),
    operations: fc.array(operation(vcpus), { maxLength: 60, size: "max" }),
  }),
);

/** Throws as fast-check does: with the smallest operations for which they differ, or the first with `endOnFailure`. */
function checkModel(Accounting: typeof Blocktime, parameters: fc.Parameters<[unknown]>): void {
  const property = fc.property(SETUP, (setup) => {
    const size = { vcpus: setup.vcpus };
    const answer: ReceivedAnswer = { isReceived: false };
    const memory = new SharedArrayBuffer(64 + Accounting.lengthBytes(size));
    const blocktime = new Accounting(memory, 64, size, { isReceived: () => answer.isReceived });
    blocktime.reset();
    compareWithReference(blocktime, answer, setup);
  });
  fc.assert(property, parameters);
}

test("equals the reference to the nanosecond", () => {
  checkModel(Blocktime, { numRuns: Number(process.env["BLOCKTIME_RUNS"] ?? 1500) });
}, 600_000);

const SOURCE = path.join(import.meta.dirname, "blocktime.ts");

/** The accounting with one place of its source changed. */
async function mutant(from: string, to: string): Promise<typeof Blocktime> {
  const source = readFileSync(SOURCE, "utf8");
  expect(source.split(from), `${from} stands once in blocktime.ts`).toHaveLength(2);
  const { outputFiles } = await build({
    stdin: {
      contents: source.replace(from, () => to),
      loader: "ts",
      resolveDir: import.meta.dirname,
      sourcefile: SOURCE,
    },
    bundle: true,
    format: "esm",
    platform: "node",
    write: false,
    logLevel: "silent",
  });
  const url = `data:text/javascript;base64,${Buffer.from(outputFiles[0]?.contents ?? []).toString("base64")}`;
  const module = (await import(/* @vite-ignore */ url)) as { Blocktime: typeof Blocktime };
  return module.Blocktime;
}

test.each([
  // biome-ignore-start format: a table
  ["the fault is not counted", "this.#addVcpu(vcpu, VCPU_FIGURE.faultsCount, 1)", ""],
  ["open records are not counted", "this.#counts[vcpu] = open + 1", "this.#counts[vcpu] = 1"],
  ["each fault is a new start", "if (open === 0) {", "{"],
  [
    "the start is overwritten",
    "if (open === 0) {",
    "this.#vcpuFigures[vcpuFigure(vcpu, VCPU_FIGURE.downSince)] = at; if (open === 0) {",
  ],
  [
    "all-down is measured from any fault",
    "this.#counts[vcpu] = open + 1;",
    "this.#counts[vcpu] = open + 1; if (this.#words[WORD.vcpusDown] === this.#layout.vcpus) this.#figures[FIGURE.allDownSince] = at;",
  ],
  [
    "all-down starts one too early",
    "if (down === this.#layout.vcpus) this",
    "if (down === this.#layout.vcpus - 1) this",
  ],
  ["a device's fault brings nobody down but is forgotten", "else this.#add(FIGURE.nonVcpuFaults, 1)", ""],
  ["a page that came is recorded", "if (this.#isReceived(page)) {", "if (false) {"],
  ["the record of a page that came stays", "Atomics.store(this.#heads, head, first);\n        this.#give(record);", ""],
  [
    "the record of a page that came is lost",
    "Atomics.store(this.#heads, head, first);\n        this.#give(record);",
    "Atomics.store(this.#heads, head, 0);",
  ],
  ["the page is not compared", "RECORD.page] !== page) {\n        previous", "RECORD.page] < 0) {\n        previous"],
  [
    "the list loses those behind",
    "if (previous === 0) Atomics.store(this.#heads, head, next)",
    "if (previous === 0) Atomics.store(this.#heads, head, 0)",
  ],
  [
    "the list loses those before",
    "if (previous === 0) Atomics.store(this.#heads, head, next);\n        else this.#setNext(previous, next)",
    "Atomics.store(this.#heads, head, next)",
  ],
  ["the vCPU runs when one of its pages is there", "if (left > 0) return false", ""],
  ["only the last record counts", "at - since)", "elapsed)"],
  [
    "the latency is that of the union",
    "VCPU_FIGURE.latencyTotal, elapsed",
    "VCPU_FIGURE.latencyTotal, at - (this.#vcpuFigures[vcpuFigure(vcpu, VCPU_FIGURE.downSince)] as number)",
  ],
  ["the latency is not distributed", "this.#add(FIGURE.latencyBuckets + latencyBucket(elapsed), 1)", ""],
  ["a device's latency is forgotten", "this.#add(FIGURE.nonVcpuBlocktimeTotal, elapsed)", ""],
  [
    "a device's fault wakes a vCPU",
    "this.#trace.postcopy_blocktime_end_one?.(vcpu, 0);\n      return false",
    "return true",
  ],
  ["the total grows when only some were down", "if (woken > 0 && down === this.#layout.vcpus) {", "if (woken > 0) {"],
  [
    "the total grows though nobody woke",
    "if (woken > 0 && down === this.#layout.vcpus) {",
    "if (down === this.#layout.vcpus) {",
  ],
  [
    "a placement wakes one",
    "this.#words[WORD.vcpusDown] = down - woken",
    "this.#words[WORD.vcpusDown] = down - Math.min(woken, 1)",
  ],
  ["time goes back", "const at = Math.max(now, this.#figures[FIGURE.latest] as number)", "const at = now"],
  ["open counts stay over a reset", "this.#counts.fill(0)", ""],
  ["the down count stays over a reset", "this.#words[WORD.vcpusDown] = 0;", ""],
  ["figures stay over a reset", "this.#figures.fill(0)", ""],
  ["vCPUs' figures stay over a reset", "this.#vcpuFigures.fill(0)", ""],
  // biome-ignore-end format: a table
])("the reference notices: %s", async (_what, from, to) => {
  const broken = await mutant(from, to);
  let failure: unknown;
  try {
    checkModel(broken, { numRuns: 3000, seed: 1, endOnFailure: true });
  } catch (error) {
    failure = (error as Error).cause;
  }
  expect(String(failure)).toMatch(/reference|before it began|no room for more|waits for too many/);
});
