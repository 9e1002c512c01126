/** What the guest programs of the litmus tests have in common: registers, memory map, code that waits. */
import { Assembler } from "#cpu/testing/assembler.ts";
import { RAM_BASE } from "#cpu/testing/bare-machine.ts";

export const RAM_BYTES = 16 * 2 ** 20;
export const CODE = RAM_BASE;
/** Data of the programs, zeroed before each run. */
export const DATA = RAM_BASE + 0x1_0000;
export const DATA_BYTES = RAM_BYTES - 0x1_0000;
/** Far enough apart that the host does not fetch two cells at once. */
export const CELL_BYTES = 128;

export const T0 = 5;
export const T1 = 6;
export const T2 = 7;
const T5 = 30;
/** Not 0 once the program has ended. */
export const DONE = 31;
export const ZERO = 0;

export const AQ = 1 << 26;
export const RL = 1 << 25;
/** Sets for `fence`. */
export const R = 2;
export const W = 1;
export const RW = R | W;
export const fence = (a: Assembler, before: number, after: number): void =>
  a.op("fence", {}, (before << 24) | (after << 20));
export const fenceTso = (a: Assembler): void => a.op("fence", {}, (8 << 28) | (RW << 24) | (RW << 20));

/** Looks at a word this often before the host may run another thread. */
const LOOKS = 300;

/** Waits until `met` leaves its loop: it emits a look and returns the name of the branch to take when it is met. */
export function waitUntil(
  a: Assembler,
  look: () => { readonly branch: string; readonly rs1: number; readonly rs2: number },
): void {
  const start = a.at;
  a.value(T5, LOOKS);
  const again = a.at;
  const { branch, rs1, rs2 } = look();
  a.over(branch, { rs1, rs2 }, () => {
    a.op("addi", { rd: T5, rs1: T5, imm: -1 });
    a.op("bne", { rs1: T5, rs2: ZERO, imm: again - a.at });
    a.op("wfi");
    a.op("jal", { rd: ZERO, imm: start - a.at });
  });
}

/** Counts the harts that have come to the word at `register`, and waits for all. Uses T0 and T1. */
export function barrier(a: Assembler, register: number, harts: number): void {
  a.value(T0, 1);
  a.op("amoadd.w", { rd: ZERO, rs1: register, rs2: T0 }, AQ | RL);
  a.value(T1, harts);
  waitUntil(a, () => {
    a.op("lw", { rd: T0, rs1: register, imm: 0 });
    return { branch: "bgeu", rs1: T0, rs2: T1 };
  });
  fence(a, RW, RW);
}

/** Ends the program. */
export function finish(a: Assembler): void {
  a.value(DONE, 1);
  const end = a.at;
  a.op("wfi");
  a.op("jal", { rd: ZERO, imm: end - a.at });
}

export type Program = {
  readonly code: Uint8Array;
  /** Where each hart begins. */
  readonly entries: readonly number[];
};

/** A program of one part a hart. */
export function program(parts: readonly ((a: Assembler) => void)[]): Program {
  const code = new Uint8Array(DATA - CODE);
  const a = new Assembler(code, CODE, CODE);
  const entries = parts.map((part) => {
    // Not in one line of the host's cache with another hart's code.
    a.at = Math.ceil(a.at / 64) * 64;
    const entry = a.at;
    part(a);
    finish(a);
    return entry;
  });
  return { code, entries };
}
