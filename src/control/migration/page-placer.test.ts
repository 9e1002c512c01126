/** A page that somebody waits for is placed by a thread that goes before others in short only. */
import { expect, test } from "vitest";
import { PagePlacer } from "#control/migration/page-placer.ts";
import { RamBlocks } from "#control/migration/ram-load.ts";
import { layoutMemory } from "#cpu/vcpu/layout.ts";
import { MigrationMemory } from "#machine/migration-memory.ts";
import { nodeClock } from "#platform/node/clock.ts";

test("it is urgent while it takes faults and wakes, for a page that is waited for and for no other", () => {
  const layout = layoutMemory(1, [{ name: "ram", sizeBytes: 1 << 20 }]);
  const pages = layout.totalBytes / 65_536;
  const memory = new MigrationMemory(new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }), layout);
  const { faults } = memory;
  const [own] = memory.blocks;
  const blocks = new RamBlocks(memory, []);
  blocks.list([{ name: "ram", sizeBytes: 1 << 20 }]);
  const first = faults.pageOf(own?.host ?? 0);
  const seen: string[] = [];
  const see = (what: string) => (): void => void seen.push(`${what} with ${faults.missingCount} missing`);
  const urgency = { raise: see("raised"), lower: see("lowered") };
  const placer = new PagePlacer(memory, { clock: nodeClock(), urgency });
  faults.expect(first, 3);
  void faults.want(first + 1, 0);
  for (const page of [0, 1]) placer.place(blocks.own("ram"), page * 4096, 7);
  expect(seen).toEqual(["raised with 2 missing", "lowered with 1 missing"]);
  expect(faults.waiting()).toEqual([]);
});
