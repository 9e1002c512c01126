/**
 * What an engine needs to know of a guest architecture.
 */
import type { Routine } from "#cpu/engine/routine.ts";
import type { Builder } from "#cpu/ir/builder.ts";
import type { Field, FieldName, Operand } from "#cpu/ir/ir.ts";

/** Operands of an instruction, as numbers (decoded) or record fields (not yet). */
export type IsaOperands = { readonly [name in FieldName]: Operand };

/** One kind of instruction: its meaning, and which operands are floating-point registers. */
export type IsaRow = {
  readonly name: string;
  readonly meaning: (b: Builder, operands: IsaOperands) => void;
  readonly floatOperands: ReadonlySet<FieldName>;
  /** Operands that take the place of the immediate in a record: rounding mode and rs3, or CSR and uimm. */
  readonly overlays: ReadonlySet<FieldName>;
  /** Lengths in bytes that the instruction comes in. */
  readonly lengths: readonly InstructionLength[];
};
export type InstructionLength = 2 | 4;

/** A decoded instruction; the operands that the row has not are 0. */
export type Decoded = { readonly [name in FieldName]: number } & {
  /** Index in `Isa.rows`. */
  readonly row: number;
  /** 2 or 4. */
  readonly lengthBytes: InstructionLength;
};

export type Isa = {
  readonly rows: readonly IsaRow[];
  /** Routines the rows call, beside the engine's own. */
  readonly routines: readonly Routine[];
  /** The register that is the stack pointer by convention. */
  readonly stackRegister: number;
  /** Length in bytes of the instruction that starts with this halfword. */
  lengthOf(halfword: number): InstructionLength;
  /** Decodes a word; a 2-byte instruction stands in its low half. Unknown ones decode to the illegal row. */
  decode(word: number): Decoded;
};

const field = (name: FieldName): Field => ({ field: name });
/** Operands that stand for the fields of a predecoded record. */
export const FIELD_OPERANDS: IsaOperands = {
  rd: field("rd"),
  rs1: field("rs1"),
  rs2: field("rs2"),
  rs3: field("rs3"),
  imm: field("imm"),
  rm: field("rm"),
  csr: field("csr"),
  uimm: field("uimm"),
};
