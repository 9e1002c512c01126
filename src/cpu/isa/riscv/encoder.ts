/**
 * Encoder, made from the rows: the inverse of the decoder, for tests.
 * Spec: RISC-V Unprivileged 20240411, 2.2 and 2.3 (formats).
 */
import type { FieldName } from "#cpu/ir/ir.ts";
import { RV64C } from "#cpu/isa/riscv/compressed.ts";
import { parsePattern } from "#cpu/isa/riscv/decoder.ts";
import type { Format, InstructionRow } from "#cpu/isa/riscv/row.ts";

export type Fields = { readonly [name in FieldName]?: number };

const rd = (f: Fields): number => (f.rd ?? 0) << 7;
const rs1 = (f: Fields): number => (f.rs1 ?? 0) << 15;
const rs2 = (f: Fields): number => (f.rs2 ?? 0) << 20;
const rs3 = (f: Fields): number => (f.rs3 ?? 0) << 27;
const rm = (f: Fields): number => (f.rm ?? 0) << 12;
const imm = (f: Fields): number => f.imm ?? 0;

function immB(value: number): number {
  const sign = (value & 0x1000) << 19;
  const bit11 = (value & 0x800) >> 4;
  return sign | bit11 | ((value & 0x7e0) << 20) | ((value & 0x1e) << 7);
}
function immJ(value: number): number {
  const sign = (value & 0x100000) << 11;
  const bit11 = (value & 0x800) << 9;
  return sign | bit11 | (value & 0xff000) | ((value & 0x7fe) << 20);
}

const FORMATS: Readonly<Record<Format, (f: Fields) => number>> = {
  R: (f) => rd(f) | rs1(f) | rs2(f),
  R4: (f) => rd(f) | rs1(f) | rs2(f) | rs3(f),
  I: (f) => rd(f) | rs1(f) | (imm(f) << 20),
  S: (f) => rs1(f) | rs2(f) | ((imm(f) & 31) << 7) | ((imm(f) >> 5) << 25),
  B: (f) => rs1(f) | rs2(f) | immB(imm(f)),
  U: (f) => rd(f) | (imm(f) & ~0xfff),
  J: (f) => rd(f) | immJ(imm(f)),
  SHIFT6: (f) => rd(f) | rs1(f) | ((imm(f) & 63) << 20),
  SHIFT5: (f) => rd(f) | rs1(f) | ((imm(f) & 31) << 20),
  CSR: (f) => rd(f) | (rs1(f) || (f.uimm ?? 0) << 15) | ((f.csr ?? 0) << 20),
  FR: (f) => rd(f) | rs1(f) | rs2(f) | rm(f),
  FR4: (f) => rd(f) | rs1(f) | rs2(f) | rs3(f) | rm(f),
  NONE: () => 0,
};

/** The word of an instruction; bits that the row's pattern fixes are the pattern's. `csr` is the CSR's number. */
export function encode(row: InstructionRow, fields: Fields): number {
  const { mask, match } = parsePattern(row.pattern);
  return (FORMATS[row.format](fields) & ~mask) | match;
}

const targets = new Map<string, ReadonlyMap<number, number>>();

/** Words of a compressed jump or branch by offset, the register field 0; "c.j", "c.beqz" or "c.bnez". */
export function compressedTargets(name: string): ReadonlyMap<number, number> {
  const known = targets.get(name);
  if (known) return known;
  const row = RV64C.find((r) => r.name === name);
  if (!row) throw new Error(`no compressed row '${name}'`);
  const { mask, match } = parsePattern(row.pattern);
  const found = new Map<number, number>();
  for (let word = 0; word < 0x1_0000; word++) {
    // The register of a branch is bits 9 to 7.
    if ((word & mask) !== match || (name !== "c.j" && (word & 0x380) !== 0)) continue;
    found.set(row.expand(word)?.imm ?? 0, word);
  }
  targets.set(name, found);
  return found;
}
