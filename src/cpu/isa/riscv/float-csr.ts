/**
 * The csr instructions on fflags, in line: programs read, clear and restore the flags around single operations.
 * They come before the general rows; the other floating-point CSRs are rows of `csr.ts`.
 *
 * Spec: RISC-V Unprivileged 20240411, 6.1 (a csrrs or csrrc of nothing does not write), 20.2.
 */
import { I32, I64 } from "#cpu/ir/ir.ts";
import { MSTATUS } from "#cpu/isa/riscv/constants.ts";
import { CsrOp } from "#cpu/isa/riscv/csr.ts";
import { updateFast } from "#cpu/isa/riscv/float-flags.ts";
import { type Meaning, rowsOf } from "#cpu/isa/riscv/row.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";

const ALL_FLAGS = 31;

const read: Meaning = (b, o) => {
  b.unlikely(b.eqz(b.and(b.get(I64, VCPU.mstatus), b.i64(MSTATUS.FS))), () => {
    b.effect("recordIllegal", [b.cpu(), b.pc()]);
    b.checkTrap();
  });
  b.setReg(o.rd, b.extU(b.get(I32, VCPU.fflags)));
};
const write =
  (op: number, immediate: boolean): Meaning =>
  (b, o) => {
    b.requireFloat();
    const old = b.let(b.get(I32, VCPU.fflags));
    const source = b.wrap(immediate ? b.imm(o.uimm) : b.getReg(o.rs1));
    const value =
      op === CsrOp.Write ? source : op === CsrOp.Set ? b.or(old, source) : b.and(old, b.xor(source, b.i32(-1)));
    b.set(VCPU.fflags, b.and(value, b.i32(ALL_FLAGS)));
    updateFast(b);
    b.setReg(o.rd, b.extU(old));
  };

const row = (name: string, source: string, funct3: string, operands: string, meaning: Meaning) =>
  rowsOf("f")(name, `000000000001 ${source} ${funct3} ..... 1110011`, "CSR", operands, meaning);

// biome-ignore format: a table
export const FFLAGS_ACCESS = [
  row("csrr.fflags",        "00000", "010", "rd, csr",       read),
  row("csrrc.fflags.read",  "00000", "011", "rd, csr",       read),
  row("csrrsi.fflags.read", "00000", "110", "rd, csr",       read),
  row("csrrci.fflags.read", "00000", "111", "rd, csr",       read),
  row("csrrw.fflags",       ".....", "001", "rd, csr, rs1",  write(CsrOp.Write, false)),
  row("csrrs.fflags",       ".....", "010", "rd, csr, rs1",  write(CsrOp.Set, false)),
  row("csrrc.fflags",       ".....", "011", "rd, csr, rs1",  write(CsrOp.Clear, false)),
  row("csrrwi.fflags",      ".....", "101", "rd, csr, uimm", write(CsrOp.Write, true)),
  row("csrrsi.fflags",      ".....", "110", "rd, csr, uimm", write(CsrOp.Set, true)),
  row("csrrci.fflags",      ".....", "111", "rd, csr, uimm", write(CsrOp.Clear, true)),
];
