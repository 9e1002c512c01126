/**
 * Disassembler, made from the rows: name and operands as an assembler takes them. A compressed instruction is shown as
 * the base instruction it stands for.
 * Spec: RISC-V ABIs 1.0, "Register Convention", for the register names; Unprivileged 20240411, 20.2 for rounding modes.
 */
import type { Decoded } from "#cpu/isa/isa.ts";
import { csrRows } from "#cpu/isa/riscv/csr.ts";
import type { RiscvDecoder } from "#cpu/isa/riscv/decoder.ts";
import { resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import type { InstructionRow } from "#cpu/isa/riscv/row.ts";

const X_NAMES: readonly string[] =
  "zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6".split(" ");
const F_NAMES: readonly string[] =
  "ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11".split(
    " ",
  );
const ROUNDING_NAMES: readonly string[] = ["rne", "rtz", "rdn", "rup", "rmm", "rm5", "rm6"];
const DYNAMIC = 7;

let csrNames: ReadonlyMap<number, string> | undefined;
function csrName(number: number): string {
  csrNames ??= new Map(csrRows(resolveExtensions({})).map((row) => [row.number, row.name]));
  return csrNames.get(number) ?? `0x${number.toString(16)}`;
}

/** The name of integer register `number`. */
export const registerName = (number: number): string => X_NAMES[number] ?? "?";
/** The name of floating-point register `number`. */
export const floatRegisterName = (number: number): string => F_NAMES[number] ?? "?";

/** One instruction at `pc` as text, for example `addi a0, sp, -16`. Targets of jumps are absolute, in hexadecimal. */
export function disassemble(decoder: RiscvDecoder, word: number, pc: bigint): string {
  const decoded = decoder.decode(word);
  if (decoded.row === decoder.illegalRow) return `.insn 0x${(word >>> 0).toString(16)}`;
  const row = decoder.rows[decoded.row] as InstructionRow;
  const name = row.name.replace(/(\.fflags)?(\.read)?$/, "");
  let operands = row.operands.replace(/[a-z][a-z0-9]*/g, (operand) => operandText(operand, row, decoded, word, pc));
  if (row.name.endsWith(".read")) operands += row.name.includes("i.") ? ", 0" : ", zero";
  const rounded = row.format === "FR" || row.format === "FR4";
  if (rounded && decoded.rm !== DYNAMIC) operands += `, ${ROUNDING_NAMES[decoded.rm]}`;
  return operands === "" ? name : `${name} ${operands}`;
}

function operandText(operand: string, row: InstructionRow, decoded: Decoded, word: number, pc: bigint): string {
  switch (operand) {
    case "rd":
    case "rs1":
    case "rs2":
      return registerName(decoded[operand]);
    case "fd":
      return floatRegisterName(decoded.rd);
    case "fs1":
      return floatRegisterName(decoded.rs1);
    case "fs2":
      return floatRegisterName(decoded.rs2);
    case "fs3":
      return floatRegisterName(decoded.rs3);
    case "csr":
      return csrName(word >>> 20);
    case "uimm":
      return String(decoded.uimm);
    case "imm":
      if (row.format === "U") return `0x${(decoded.imm >>> 12).toString(16)}`;
      if (row.format === "B" || row.format === "J") {
        return `0x${BigInt.asUintN(64, pc + BigInt(decoded.imm)).toString(16)}`;
      }
      return String(decoded.imm);
    default:
      throw new Error(`row '${row.name}' has the unknown operand '${operand}'`);
  }
}
