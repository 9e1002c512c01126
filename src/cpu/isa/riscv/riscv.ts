/**
 * The RISC-V guest: its rows, routines and decoder for a set of extensions.
 */
import type { FieldName } from "#cpu/ir/ir.ts";
import type { InstructionLength, Isa } from "#cpu/isa/isa.ts";
import { RV64A } from "#cpu/isa/riscv/atomics.ts";
import { RV64B } from "#cpu/isa/riscv/bitmanip.ts";
import { csrRoutines, csrRows } from "#cpu/isa/riscv/csr.ts";
import { expansionNames, RiscvDecoder } from "#cpu/isa/riscv/decoder.ts";
import type { Extensions } from "#cpu/isa/riscv/extensions.ts";
import { FFLAGS_ACCESS } from "#cpu/isa/riscv/float-csr.ts";
import { FLOAT } from "#cpu/isa/riscv/float.ts";
import { FLOAT_ROUTINES } from "#cpu/isa/riscv/float-routines.ts";
import { MMU_ROUTINES } from "#cpu/isa/riscv/mmu.ts";
import { type Format, type InstructionRow, rowsOf } from "#cpu/isa/riscv/row.ts";
import { RV64I } from "#cpu/isa/riscv/rv64i.ts";
import { TRAP_ROUTINES } from "#cpu/isa/riscv/trap.ts";

/** Every instruction there is, in the order of the tables. */
export const RISCV_ROWS: readonly InstructionRow[] = [...FFLAGS_ACCESS, ...RV64I, ...RV64A, ...RV64B, ...FLOAT];

const ILLEGAL = rowsOf("i")("illegal", "0".repeat(32), "NONE", "", (b) => b.enter("illegal"));

export type RiscvIsa = Isa & {
  readonly decoder: RiscvDecoder;
};

export function riscvIsa(extensions: Extensions): RiscvIsa {
  const rows = [...RISCV_ROWS.filter((row) => extensions[row.extension]), ILLEGAL];
  const csrs = csrRows(extensions);
  const compressed = extensions.c ? EXPANSIONS : new Set<string>();
  const decoder = new RiscvDecoder(rows, new Map(csrs.map((csr, i) => [csr.number, i + 1])), extensions.c);
  return {
    decoder,
    rows: rows.map((row) => ({
      name: row.name,
      meaning: row.meaning,
      floatOperands: floatOperands(row),
      overlays: OVERLAYS[row.format] ?? NO_OVERLAYS,
      lengths: row === ILLEGAL || compressed.has(row.name) ? BOTH_LENGTHS : FULL_LENGTH,
    })),
    routines: [...MMU_ROUTINES, ...TRAP_ROUTINES, ...csrRoutines(csrs), ...FLOAT_ROUTINES],
    stackRegister: 2,
    lengthOf: (halfword) => ((halfword & 3) === 3 ? 4 : 2),
    decode: (word) => decoder.decode(word),
  };
}

const FULL_LENGTH: readonly InstructionLength[] = [4];
const BOTH_LENGTHS: readonly InstructionLength[] = [4, 2];
const EXPANSIONS = expansionNames();
const NO_OVERLAYS: ReadonlySet<FieldName> = new Set();
const OVERLAYS: Readonly<Partial<Record<Format, ReadonlySet<FieldName>>>> = {
  CSR: new Set(["csr", "uimm"]),
  FR: new Set(["rm"]),
  FR4: new Set(["rm", "rs3"]),
};

/** "fd, imm(rs1)" names fd: field rd is a floating-point register. */
function floatOperands(row: InstructionRow): ReadonlySet<FieldName> {
  const names = row.operands.match(/f(d|s1|s2|s3)/g) ?? [];
  return new Set(names.map((name) => `r${name.slice(1)}` as FieldName));
}
