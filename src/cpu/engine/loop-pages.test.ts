import { describe, expect, test } from "vitest";
import { findQuietLoops, type QuietLoop, type WildEffect, wildAfter } from "#cpu/engine/loop-pages.ts";
import { Translations } from "#cpu/engine/translated.ts";
import type { Stmt } from "#cpu/ir/ir.ts";
import { resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { riscvIsa } from "#cpu/isa/riscv/riscv.ts";

const translations = new Translations(riscvIsa(resolveExtensions({})));
const [ADDI_A1_A1_8, LD_A1_A1, LBU_A1_A1, ADD_A1_A1_A2, XOR_A1_A1_A2, SD_A2_A1] = [
  0x0085_8593, 0x0005_b583, 0x0005_c583, 0x00c5_85b3, 0x00c5_c5b3, 0x00c5_b023,
] as const;
const [A1, A2] = [1 << 11, 1 << 12] as const;
const after = (wild: number, ...words: number[]): number =>
  words.reduce((known, word) => wildAfter(known, translations.of(word).wild), wild);

describe("wild registers", () => {
  test("a step, a pointer that is loaded, an index: not wild", () => {
    expect(after(0, ADDI_A1_A1_8)).toBe(0);
    expect(after(A1, LD_A1_A1)).toBe(0);
    expect(after(0, ADD_A1_A1_A2)).toBe(0);
  });
  test("a byte that is loaded, a hash, and what is computed of them: wild", () => {
    expect(after(0, LBU_A1_A1)).toBe(A1);
    expect(after(0, XOR_A1_A1_A2)).toBe(A1);
    expect(after(0, LBU_A1_A1, ADDI_A1_A1_8)).toBe(A1);
    expect(after(A2, ADD_A1_A1_A2)).toBe(A1 | A2);
  });
});

type TestBlock = {
  readonly instructions: { readonly statements: readonly Stmt[]; readonly wild: WildEffect }[];
  readonly successors: TestBlock[];
  readonly predecessors: TestBlock[];
  readonly order: number;
  readonly isLoopHeader: boolean;
  quietLoop: QuietLoop | undefined;
  wild: number;
};

/** A block before a loop of two blocks, and one behind it. */
function loopOf(...words: number[]): TestBlock[] {
  const blocks = [0, 1, 2, 3].map(
    (order): TestBlock => ({
      instructions: order === 2 ? words.map((word) => translations.of(word)) : [],
      successors: [],
      predecessors: [],
      order,
      isLoopHeader: order === 1,
      quietLoop: undefined,
      wild: 0,
    }),
  );
  for (const [from, to] of [
    [0, 1],
    [1, 2],
    [2, 1],
    [1, 3],
  ] as const) {
    blocks[from]?.successors.push(blocks[to] as TestBlock);
    blocks[to]?.predecessors.push(blocks[from] as TestBlock);
  }
  return blocks;
}
const dominates = (a: TestBlock, b: TestBlock): boolean => a.order <= b.order;
const found = (blocks: TestBlock[], isQuiet = (_: TestBlock) => true): (QuietLoop | undefined)[] => {
  findQuietLoops(blocks, isQuiet, dominates);
  return blocks.map((block) => block.quietLoop);
};

describe("quiet loops", () => {
  test("the blocks of a loop, and the registers that it accesses memory by", () => {
    const loop = { order: 1, bases: A1, stores: 0 };
    expect(found(loopOf(LD_A1_A1))).toEqual([undefined, loop, loop, undefined]);
    expect(found(loopOf(SD_A2_A1, ADDI_A1_A1_8))[2]).toEqual({ ...loop, stores: A1 });
  });
  test("no wild address, also when it is wild from the round before", () => {
    expect(found(loopOf(LD_A1_A1, XOR_A1_A1_A2))[2]?.bases).toBe(0);
  });
  test("not a loop that a call is in, nor a long one", () => {
    expect(found(loopOf(LD_A1_A1), (block) => block.order !== 2)[1]).toBeUndefined();
    expect(found(loopOf(...Array<number>(100).fill(LD_A1_A1)))[1]).toBeUndefined();
  });
});
