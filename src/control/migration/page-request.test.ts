/** The message by which whoever waits for a page asks for it. */
import { expect, test } from "vitest";
import { askBy } from "#control/migration/page-request.ts";
import { readReturnPath, type WantedPages } from "#control/migration/return-path.ts";
import { StreamReader } from "#control/migration/stream-reader.ts";
import { layoutMemory } from "#cpu/vcpu/layout.ts";

const MIB = 1 << 20;
const layout = layoutMemory(1, [
  { name: "ram", sizeBytes: 8 * MIB },
  { name: "flash", sizeBytes: MIB },
]);
const pageOf = (block: number, offset: number): number =>
  ((layout.blocks[block]?.host ?? 0) + offset - layout.ramStart) / 4096;

test("each message names its block, so that it stands for itself", async () => {
  const written: Uint8Array[] = [];
  const ask = askBy(layout, (_descriptor, bytes) => written.push(bytes.slice()) && bytes.length);
  expect([ask(5, pageOf(0, 3 * MIB)), ask(5, pageOf(1, 0)), ask(5, pageOf(0, 4096))]).toEqual([true, true, true]);
  // SHUT.
  written.push(Uint8Array.of(0, 1, 0, 4, 0, 0, 0, 0));
  const wanted: WantedPages[] = [];
  const nothing = (): void => {};
  const handlers = {
    pong: nothing,
    received: nothing,
    resumed: nothing,
    wanted: (one: WantedPages) => wanted.push(one),
  };
  await readReturnPath(new StreamReader({ read: async () => written.shift() }), handlers);
  expect(wanted).toEqual([
    { name: "ram", start: 3 * MIB, lengthBytes: 4096 },
    { name: "flash", start: 0, lengthBytes: 4096 },
    { name: "ram", start: 4096, lengthBytes: 4096 },
  ]);
});

test("what does not go out whole has not been asked for, and neither has what is no page of a block", () => {
  expect(askBy(layout, () => 7)(5, 0)).toBe(false);
  expect(askBy(layout, (_descriptor, bytes) => bytes.length)(5, pageOf(1, MIB))).toBe(false);
});
