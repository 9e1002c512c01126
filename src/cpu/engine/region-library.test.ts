/** Two harts in one thread: what one translates, the other has, where its code pages hold the same bytes. */
import { expect, test } from "vitest";
import type { RegionExchange, SharedRegions } from "#cpu/engine/region-library.ts";
import { resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { Assembler } from "#cpu/testing/assembler.ts";
import { BareMachine, BareMemory, RAM_BASE } from "#cpu/testing/bare-machine.ts";

const RAM_BYTES = 2 ** 20;
const [A0, A1] = [10, 11];

type Hart = { readonly machine: BareMachine; readonly offered: SharedRegions[] };

/** Harts over one memory; each gets what the other has offered. */
function twoHarts(thresholds = [4, 4]): readonly [Hart, Hart] {
  const memory = new BareMemory(RAM_BYTES, 2);
  const boxes: SharedRegions[][] = [[], []];
  const hart = (index: number): Hart => {
    const offered: SharedRegions[] = [];
    const exchange: RegionExchange = {
      offer(regions) {
        offered.push(regions);
        boxes[1 - index]?.push(regions);
      },
      take: () => boxes[index]?.shift(),
    };
    const extensions = resolveExtensions({});
    const options = { ramBytes: RAM_BYTES, extensions, memory, hart: index, batchRegions: 1, exchange };
    return { machine: new BareMachine({ ...options, hotThreshold: thresholds[index] as number }), offered };
  };
  return [hart(0), hart(1)];
}

/** Adds `step` to a0 a hundred times; the loop starts 4 bytes behind `at`. */
function loop({ machine }: Hart, step: number, at = RAM_BASE): void {
  const a = new Assembler(machine.bytes(RAM_BASE, RAM_BYTES), RAM_BASE, at);
  a.op("addi", { rd: A1, rs1: 0, imm: 100 });
  const start = a.at;
  a.op("addi", { rd: A0, rs1: A0, imm: step });
  a.op("addi", { rd: A1, rs1: A1, imm: -1 });
  a.op("bne", { rs1: A1, rs2: 0, imm: start - a.at });
  a.op("wfi", {});
}

function run({ machine }: Hart, at = RAM_BASE): bigint {
  machine.reset(at);
  machine.run();
  return machine.vcpu.register(A0);
}

/** How many of the regions the hart has. */
const places = ({ machine }: Hart, { places }: SharedRegions): number =>
  places.filter((place) => {
    if (!place) return false;
    const { host, offset } = place;
    const { pages } = machine.vcpu;
    return pages.pageAt(host) !== 0 && pages.slotAt(pages.pageAt(host), offset) !== 0;
  }).length;

test("a hart takes over what another has translated, before its own code is hot", () => {
  const [first, second] = twoHarts();
  loop(first, 3);
  expect(run(first)).toBe(300n);
  const [regions] = first.offered;
  second.machine.vcpu.takeSharedRegions();
  expect(run(second)).toBe(300n);
  expect(places(second, regions as SharedRegions)).toBeGreaterThan(0);
  expect(second.machine.vcpu.compiler?.statistics.regions).toBe(0);
  expect(second.offered).toHaveLength(0);
});

test("a hart that has the page already takes them over at once", () => {
  const [first, second] = twoHarts([4, 10_000]);
  loop(first, 3);
  run(second);
  run(first);
  const [regions] = first.offered;
  expect(places(second, regions as SharedRegions)).toBe(0);
  second.machine.vcpu.takeSharedRegions();
  expect(places(second, regions as SharedRegions)).toBeGreaterThan(0);
  expect(run(second)).toBe(300n);
});

test("regions of other bytes are left alone", () => {
  const [first, second] = twoHarts();
  loop(first, 3);
  run(first);
  loop(second, 5);
  second.machine.vcpu.takeSharedRegions();
  expect(run(second)).toBe(500n);
  // Its own translation, since the other's does not fit.
  expect(second.machine.vcpu.compiler?.statistics.regions).toBeGreaterThan(0);
  // The first hart finds out by itself.
  first.machine.vcpu.takeSharedRegions();
  expect(run(first)).toBe(500n);
});

test("a loop in two pages is each hart's own", () => {
  const [first, second] = twoHarts();
  const at = RAM_BASE + 4096 - 8;
  loop(first, 3, at);
  expect(run(first, at)).toBe(300n);
  expect(first.machine.vcpu.compiler?.statistics.regions).toBeGreaterThan(0);
  // What lies in the second page alone is of use to others.
  expect(first.offered.flatMap(({ places }) => places.map((place) => place?.offset))).not.toContain(4096 - 4);
  second.machine.vcpu.takeSharedRegions();
  expect(run(second, at)).toBe(300n);
});
