/**
 * Litmus tests: a few instructions a hart over the words x and y, run often, and the outcomes counted.
 *
 *   for each iteration: cells of its own -> all harts meet -> a short delay that varies -> the hart's steps -> results
 *
 * Spec: RISC-V Unprivileged 20240411, chapter 17 (RVWMO) and appendix A.
 */
import type { BareMemory } from "#cpu/testing/bare-machine.ts";
import type { Assembler } from "#cpu/testing/assembler.ts";
import { barrier, CELL_BYTES, DATA, fence, fenceTso, program, type Program, RW, T0, T1, ZERO } from "./guest.ts";
import type { Harts } from "./harts.ts";

/** The words of an iteration; also the registers that point to them. */
const CELLS = { x: 10, y: 11, barrier: 12 } as const;
export type Cell = "x" | "y";
/** Registers of results r0 to r3, and one for values. */
const RESULTS = [14, 15, 16, 17] as const;
const VALUE = 13;
const LEFT = 8;
const DELAY = 9;
const RESULT_POINTER = 18;
const MULTIPLIER = 19;
const MAX_HARTS = 4;

const ITERATIONS = 512;
const ITERATION_BYTES = CELL_BYTES * 3;
const RESULT_BYTES = 4 * RESULTS.length;
const RESULTS_AT = DATA + ITERATIONS * ITERATION_BYTES;
const HART_RESULT_BYTES = ITERATIONS * RESULT_BYTES;

/** Emits a step of a hart. */
export type Step = (a: Assembler) => void;
/** Which result: r0 to r3 of the hart. */
type Result = 0 | 1 | 2 | 3;

export const store =
  (to: Cell, value: number): Step =>
  (a) => {
    a.value(VALUE, value);
    a.op("sw", { rs1: CELLS[to], rs2: VALUE, imm: 0 });
  };
export const load =
  (from: Cell, into: Result): Step =>
  (a) =>
    a.op("lw", { rd: RESULTS[into], rs1: CELLS[from], imm: 0 });
export const order =
  (before: number, after: number): Step =>
  (a) =>
    fence(a, before, after);
export const full: Step = order(RW, RW);
export const tso: Step = fenceTso;
/** An AMO as a store; `bits` are aq and rl. */
export const swap =
  (to: Cell, value: number, bits: number): Step =>
  (a) => {
    a.value(VALUE, value);
    a.op("amoswap.w", { rd: ZERO, rs1: CELLS[to], rs2: VALUE }, bits);
  };
/** An AMO as a load. */
export const fetch =
  (from: Cell, into: Result, bits: number): Step =>
  (a) =>
    a.op("amoor.w", { rd: RESULTS[into], rs1: CELLS[from], rs2: ZERO }, bits);
export const reserve =
  (from: Cell, into: Result, bits: number): Step =>
  (a) =>
    a.op("lr.w", { rd: RESULTS[into], rs1: CELLS[from] }, bits);
/** A store to another word whose value comes from a result, though it is always `value`. */
export const storeDependent =
  (to: Cell, value: number, on: Result): Step =>
  (a) => {
    a.op("xor", { rd: T0, rs1: RESULTS[on], rs2: RESULTS[on] });
    a.op("addi", { rd: T0, rs1: T0, imm: value });
    a.op("sw", { rs1: CELLS[to], rs2: T0, imm: 0 });
  };
/** A load whose address comes from a result, though it is always that of `from`. */
export const loadDependent =
  (from: Cell, into: Result, on: Result): Step =>
  (a) => {
    a.op("xor", { rd: T0, rs1: RESULTS[on], rs2: RESULTS[on] });
    a.op("add", { rd: T0, rs1: T0, rs2: CELLS[from] });
    a.op("lw", { rd: RESULTS[into], rs1: T0, imm: 0 });
  };

/** What an iteration left: results of each hart, and the words. */
export type Outcome = {
  readonly r: readonly (readonly number[])[];
  readonly x: number;
  readonly y: number;
};
export type Litmus = {
  readonly name: string;
  readonly harts: readonly (readonly Step[])[];
  /** True for an outcome to look for. */
  readonly sought: (outcome: Outcome) => boolean;
};

export type Tally = {
  iterations: number;
  /** Iterations with a sought outcome. */
  sought: number;
  /** Iterations by outcome, as text. */
  readonly outcomes: Map<string, number>;
};

function litmusProgram(harts: readonly (readonly Step[])[]): Program {
  if (harts.length > MAX_HARTS) throw new Error(`a litmus test has at most ${MAX_HARTS} harts`);
  return program(
    harts.map((steps, hart) => (a) => {
      a.address(CELLS.x, DATA);
      a.address(RESULT_POINTER, RESULTS_AT + hart * HART_RESULT_BYTES);
      a.value(LEFT, ITERATIONS);
      a.value(MULTIPLIER, 1_103_515_245);
      a.value(DELAY, hart * 7919);
      const again = a.at;
      a.op("addi", { rd: CELLS.y, rs1: CELLS.x, imm: CELL_BYTES });
      a.op("addi", { rd: CELLS.barrier, rs1: CELLS.x, imm: 2 * CELL_BYTES });
      barrier(a, CELLS.barrier, harts.length);
      delay(a);
      for (const step of steps) step(a);
      RESULTS.forEach((register, i) => a.op("sw", { rs1: RESULT_POINTER, rs2: register, imm: 4 * i }));
      a.op("addi", { rd: RESULT_POINTER, rs1: RESULT_POINTER, imm: RESULT_BYTES });
      a.op("addi", { rd: CELLS.x, rs1: CELLS.x, imm: ITERATION_BYTES });
      a.op("addi", { rd: LEFT, rs1: LEFT, imm: -1 });
      a.op("bne", { rs1: LEFT, rs2: ZERO, imm: again - a.at });
    }),
  );
}

/** 1 to 16 turns of a loop, by a linear congruence. */
function delay(a: Assembler): void {
  a.op("mul", { rd: DELAY, rs1: DELAY, rs2: MULTIPLIER });
  a.op("addi", { rd: DELAY, rs1: DELAY, imm: 1235 });
  a.op("srli", { rd: T1, rs1: DELAY, imm: 20 });
  a.op("andi", { rd: T1, rs1: T1, imm: 15 });
  const turn = a.at;
  a.op("addi", { rd: T1, rs1: T1, imm: -1 });
  a.op("bge", { rs1: T1, rs2: ZERO, imm: turn - a.at });
}

function outcomes(memory: BareMemory, harts: number): Outcome[] {
  const words = (address: number, count: number): Int32Array => {
    const bytes = memory.bytes(address, 4 * count);
    return new Int32Array(bytes.buffer, bytes.byteOffset, count);
  };
  const cells = words(DATA, (ITERATIONS * ITERATION_BYTES) / 4);
  const results = Array.from({ length: harts }, (_, hart) =>
    words(RESULTS_AT + hart * HART_RESULT_BYTES, HART_RESULT_BYTES / 4),
  );
  return Array.from({ length: ITERATIONS }, (_, i) => {
    const at = (i * ITERATION_BYTES) / 4;
    return {
      r: results.map((all) => [...all.subarray(i * RESULTS.length, (i + 1) * RESULTS.length)]),
      x: cells[at] as number,
      y: cells[at + CELL_BYTES / 4] as number,
    };
  });
}

/** Runs a test again and again for `budgetMs`, or until `enough` says so. */
export async function runLitmus(
  harts: Harts,
  test: Litmus,
  budgetMs: number,
  enough: (tally: Tally) => boolean = () => false,
): Promise<Tally> {
  const code = litmusProgram(test.harts);
  const tally: Tally = { iterations: 0, sought: 0, outcomes: new Map() };
  const end = performance.now() + budgetMs;
  do {
    await harts.run(code);
    for (const outcome of outcomes(harts.memory, harts.count)) {
      const text = JSON.stringify(outcome);
      tally.iterations++;
      tally.outcomes.set(text, (tally.outcomes.get(text) ?? 0) + 1);
      if (test.sought(outcome)) tally.sought++;
    }
  } while (performance.now() < end && !enough(tally));
  return tally;
}
