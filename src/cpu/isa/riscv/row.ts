/**
 * What an instruction row is: name, bit pattern, operands, meaning. Written once; the decoder, the disassembler,
 * the interpreter's handlers, the region translator and the random generator come from it.
 *
 * A pattern is read from bit 31 (15 for compressed ones) down: 0 and 1 are fixed, dots are operands; blanks are for the eye.
 */
import type { Builder } from "#cpu/ir/builder.ts";
import type { Operand } from "#cpu/ir/ir.ts";
import type { ExtensionName } from "#cpu/isa/riscv/extensions.ts";

/** Where the operands lie in the instruction word. */
export type Format =
  | "R"
  | "R4"
  | "I"
  | "S"
  | "B"
  | "U"
  | "J"
  /** 6-bit and 5-bit shift amounts. */
  | "SHIFT6"
  | "SHIFT5"
  | "CSR"
  /** Floating point with a rounding mode. */
  | "FR"
  | "FR4"
  | "NONE";

export type Operands = {
  readonly rd: Operand;
  readonly rs1: Operand;
  readonly rs2: Operand;
  readonly rs3: Operand;
  readonly imm: Operand;
  readonly rm: Operand;
  readonly csr: Operand;
  readonly uimm: Operand;
};

export type Meaning = (b: Builder, o: Operands) => void;

export type InstructionRow = {
  readonly name: string;
  readonly pattern: string;
  readonly format: Format;
  /** Names in assembler order; `f`-names are floating-point registers: "fd, fs1, fs2", "rd, imm(rs1)". */
  readonly operands: string;
  readonly meaning: Meaning;
  readonly extension: ExtensionName;
};

/** Makes the row function of one extension's table. */
export const rowsOf =
  (extension: ExtensionName) =>
  (name: string, pattern: string, format: Format, operands: string, meaning: Meaning): InstructionRow => ({
    name,
    pattern: pattern.replaceAll(" ", ""),
    format,
    operands,
    meaning,
    extension,
  });
