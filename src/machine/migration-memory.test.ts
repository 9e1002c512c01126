/** Copies into and out of a machine's memory, and within it. */
import { expect, test } from "vitest";
import { layoutMemory } from "#cpu/vcpu/layout.ts";
import { MigrationMemory } from "#machine/migration-memory.ts";

const PAGE_BYTES = 4096;

function machineMemory(): { readonly memory: MigrationMemory; readonly ram: Uint8Array } {
  const layout = layoutMemory(1, [{ name: "ram", sizeBytes: 4 * PAGE_BYTES }]);
  const pages = layout.totalBytes / 65_536;
  const memory = new MigrationMemory(new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }), layout);
  return { memory, ram: new Uint8Array(memory.memory, layout.ramStart, 4 * PAGE_BYTES) };
}
const counted = (): Uint8Array => Uint8Array.from({ length: PAGE_BYTES }, (_, at) => at % 251);

test("bytes come to where they belong, whatever memory they lie in", () => {
  const { memory, ram } = machineMemory();
  const { copy, streamRoom } = memory;
  copy(ram, PAGE_BYTES, counted());
  copy(streamRoom, 3, ram.subarray(PAGE_BYTES, 2 * PAGE_BYTES));
  const outside = new Uint8Array(PAGE_BYTES + 2);
  copy(outside, 1, streamRoom.subarray(3, 3 + PAGE_BYTES));
  expect([...outside]).toEqual([0, ...counted(), 0]);
  expect([ram[PAGE_BYTES - 1], ram[2 * PAGE_BYTES + 1], streamRoom[2], streamRoom[3 + PAGE_BYTES]]).toEqual([
    0, 0, 0, 0,
  ]);
});

test("nothing is written past the end of what they go to", () => {
  const { memory, ram } = machineMemory();
  const source = memory.streamRoom.subarray(0, PAGE_BYTES).fill(7);
  const page = ram.subarray(0, PAGE_BYTES);
  expect(() => memory.copy(page, 1, source)).toThrow(RangeError);
  expect(() => memory.copy(page, 1, counted())).toThrow(RangeError);
  expect(ram.every((byte) => byte === 0)).toBe(true);
});
