/**
 * RV64I, M, Zicsr, Zifencei and the privileged instructions.
 * Spec: RISC-V Unprivileged 20240411, chapters 2, 4, 6, 12 (M); Privileged 1.13, 3.3, 12 (Svinval).
 */
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, JumpHint, type Operand } from "#cpu/ir/ir.ts";
import { CsrOp } from "#cpu/isa/riscv/csr.ts";
import { type InstructionRow, type Meaning, type Operands, rowsOf } from "#cpu/isa/riscv/row.ts";

type Binary = (b: Builder, x: Expr, y: Expr) => Expr;

/** rd := f(rs1, rs2) */
const rr =
  (f: Binary): Meaning =>
  (b, o) =>
    b.setReg(o.rd, f(b, b.getReg(o.rs1), b.getReg(o.rs2)));
/** rd := f(rs1, imm) */
const ri =
  (f: Binary): Meaning =>
  (b, o) =>
    b.setReg(o.rd, f(b, b.getReg(o.rs1), b.imm(o.imm)));
/** rd := sign-extended f(low word of rs1, low word of rs2) */
const rrW =
  (f: Binary): Meaning =>
  (b, o) =>
    b.setReg(o.rd, b.extS(f(b, b.wrap(b.getReg(o.rs1)), b.wrap(b.getReg(o.rs2)))));
const riW =
  (f: Binary): Meaning =>
  (b, o) =>
    b.setReg(o.rd, b.extS(f(b, b.wrap(b.getReg(o.rs1)), b.imm32(o.imm))));

const add: Binary = (b, x, y) => b.add(x, y);
const sub: Binary = (b, x, y) => b.sub(x, y);
const and: Binary = (b, x, y) => b.and(x, y);
const or: Binary = (b, x, y) => b.or(x, y);
const xor: Binary = (b, x, y) => b.xor(x, y);
const sll: Binary = (b, x, y) => b.shl(x, y);
const srl: Binary = (b, x, y) => b.shrU(x, y);
const sra: Binary = (b, x, y) => b.shrS(x, y);
const slt: Binary = (b, x, y) => b.extU(b.ltS(x, y));
const sltu: Binary = (b, x, y) => b.extU(b.ltU(x, y));
const mul: Binary = (b, x, y) => b.mul(x, y);

const address = (b: Builder, o: Operands): Expr => b.add(b.getReg(o.rs1), b.imm(o.imm));
const load =
  (width: 1 | 2 | 4 | 8, signed: boolean): Meaning =>
  (b, o) =>
    b.setReg(o.rd, b.guestLoad(address(b, o), width, signed));
const store =
  (width: 1 | 2 | 4 | 8): Meaning =>
  (b, o) =>
    b.guestStore(address(b, o), width, b.getReg(o.rs2));
const branch =
  (test: Binary): Meaning =>
  (b, o) =>
    b.branch(test(b, b.getReg(o.rs1), b.getReg(o.rs2)), o.imm);

/** High 64 bits of the unsigned product, from 32-bit halves. */
function mulHighUnsigned(b: Builder, x: Expr, y: Expr): Expr {
  const low = (v: Expr): Expr => b.and(v, b.i64(0xffffffff));
  const high = (v: Expr): Expr => b.shrU(v, b.i64(32));
  const middle = b.let(b.add(b.mul(high(x), low(y)), high(b.mul(low(x), low(y)))));
  const cross = b.let(b.add(b.mul(low(x), high(y)), low(middle)));
  return b.add(b.add(b.mul(high(x), high(y)), high(middle)), high(cross));
}
const mulHigh =
  (signedX: boolean, signedY: boolean): Meaning =>
  (b, o) => {
    const x = b.let(b.getReg(o.rs1));
    const y = b.let(b.getReg(o.rs2));
    // A negative operand counts 2^64 too much: take the other off the high half.
    let result = mulHighUnsigned(b, x, y);
    if (signedX) result = b.sub(result, b.and(b.shrS(x, b.i64(63)), y));
    if (signedY) result = b.sub(result, b.and(b.shrS(y, b.i64(63)), x));
    b.setReg(o.rd, result);
  };

/** Division that never traps (12.2): by zero, and the one overflow, have defined results. */
function divide(b: Builder, x: Expr, y: Expr, signed: boolean, remainder: boolean): Expr {
  const constant = (value: number): Expr => (x.type === b.i64(0).type ? b.i64(value) : b.i32(value));
  const result = b.variable(remainder ? x : constant(-1));
  b.if(b.eqz(b.eqz(y)), () => {
    if (!signed) {
      b.assign(result, remainder ? b.remU(x, y) : b.divU(x, y));
      return;
    }
    b.if(
      b.eq(y, constant(-1)),
      () => b.assign(result, remainder ? constant(0) : b.sub(constant(0), x)),
      () => b.assign(result, remainder ? b.remS(x, y) : b.divS(x, y)),
    );
  });
  return result;
}
const division =
  (signed: boolean, remainder: boolean): Meaning =>
  (b, o) =>
    b.setReg(o.rd, divide(b, b.let(b.getReg(o.rs1)), b.let(b.getReg(o.rs2)), signed, remainder));
const divisionW =
  (signed: boolean, remainder: boolean): Meaning =>
  (b, o) => {
    const x = b.let(b.wrap(b.getReg(o.rs1)));
    const y = b.let(b.wrap(b.getReg(o.rs2)));
    b.setReg(o.rd, b.extS(divide(b, x, y, signed, remainder)));
  };

const LINKS: readonly Operand[] = [1, 5];
const isLink = (reg: Operand): boolean => LINKS.includes(reg);

const csr =
  (op: number, immediate: boolean): Meaning =>
  (b, o) => {
    const source = immediate ? b.imm(o.uimm) : op === CsrOp.Read ? b.i64(0) : b.getReg(o.rs1);
    b.enterAndResume("csrAccess", [b.imm32(o.csr), b.i32(op), source, b.regOffset(o.rd)], o.rd);
  };
const nothing: Meaning = () => {};
const enters =
  (routineName: string): Meaning =>
  (b) =>
    b.enter(routineName);

const fenceVma: Meaning = (b, o) => b.enter("sfenceVma", [b.getReg(o.rs1), b.getReg(o.rs2)]);

const i = rowsOf("i");
const m = rowsOf("m");

// biome-ignore format: a table
export const RV64I: readonly InstructionRow[] = [
  i("lui",    ".................... ..... 0110111", "U", "rd, imm", (b, o) => b.setReg(o.rd, b.imm(o.imm))),
  i("auipc",  ".................... ..... 0010111", "U", "rd, imm", (b, o) => b.setReg(o.rd, b.add(b.pc(), b.imm(o.imm)))),
  i("jal",    ".................... ..... 1101111", "J", "rd, imm", (b, o) => {
    b.setReg(o.rd, b.nextPc());
    b.jump(o.imm, isLink(o.rd) ? JumpHint.Call : JumpHint.None);
  }),
  i("jalr",   "............ ..... 000 ..... 1100111", "I", "rd, imm(rs1)", (b, o) => {
    const target = b.let(b.and(b.add(b.getReg(o.rs1), b.imm(o.imm)), b.i64(-2)));
    b.setReg(o.rd, b.nextPc());
    b.jumpReg(target, isLink(o.rd) ? JumpHint.Call : isLink(o.rs1) ? JumpHint.Return : JumpHint.None);
  }),
  i("beq",    "....... ..... ..... 000 ..... 1100011", "B", "rs1, rs2, imm", branch((b, x, y) => b.eq(x, y))),
  i("bne",    "....... ..... ..... 001 ..... 1100011", "B", "rs1, rs2, imm", branch((b, x, y) => b.ne(x, y))),
  i("blt",    "....... ..... ..... 100 ..... 1100011", "B", "rs1, rs2, imm", branch((b, x, y) => b.ltS(x, y))),
  i("bge",    "....... ..... ..... 101 ..... 1100011", "B", "rs1, rs2, imm", branch((b, x, y) => b.geS(x, y))),
  i("bltu",   "....... ..... ..... 110 ..... 1100011", "B", "rs1, rs2, imm", branch((b, x, y) => b.ltU(x, y))),
  i("bgeu",   "....... ..... ..... 111 ..... 1100011", "B", "rs1, rs2, imm", branch((b, x, y) => b.geU(x, y))),
  i("lb",     "............ ..... 000 ..... 0000011", "I", "rd, imm(rs1)", load(1, true)),
  i("lh",     "............ ..... 001 ..... 0000011", "I", "rd, imm(rs1)", load(2, true)),
  i("lw",     "............ ..... 010 ..... 0000011", "I", "rd, imm(rs1)", load(4, true)),
  i("ld",     "............ ..... 011 ..... 0000011", "I", "rd, imm(rs1)", load(8, true)),
  i("lbu",    "............ ..... 100 ..... 0000011", "I", "rd, imm(rs1)", load(1, false)),
  i("lhu",    "............ ..... 101 ..... 0000011", "I", "rd, imm(rs1)", load(2, false)),
  i("lwu",    "............ ..... 110 ..... 0000011", "I", "rd, imm(rs1)", load(4, false)),
  i("sb",     "....... ..... ..... 000 ..... 0100011", "S", "rs2, imm(rs1)", store(1)),
  i("sh",     "....... ..... ..... 001 ..... 0100011", "S", "rs2, imm(rs1)", store(2)),
  i("sw",     "....... ..... ..... 010 ..... 0100011", "S", "rs2, imm(rs1)", store(4)),
  i("sd",     "....... ..... ..... 011 ..... 0100011", "S", "rs2, imm(rs1)", store(8)),
  i("addi",   "............ ..... 000 ..... 0010011", "I", "rd, rs1, imm", ri(add)),
  i("slti",   "............ ..... 010 ..... 0010011", "I", "rd, rs1, imm", ri(slt)),
  i("sltiu",  "............ ..... 011 ..... 0010011", "I", "rd, rs1, imm", ri(sltu)),
  i("xori",   "............ ..... 100 ..... 0010011", "I", "rd, rs1, imm", ri(xor)),
  i("ori",    "............ ..... 110 ..... 0010011", "I", "rd, rs1, imm", ri(or)),
  i("andi",   "............ ..... 111 ..... 0010011", "I", "rd, rs1, imm", ri(and)),
  i("slli",   "000000 ...... ..... 001 ..... 0010011", "SHIFT6", "rd, rs1, imm", ri(sll)),
  i("srli",   "000000 ...... ..... 101 ..... 0010011", "SHIFT6", "rd, rs1, imm", ri(srl)),
  i("srai",   "010000 ...... ..... 101 ..... 0010011", "SHIFT6", "rd, rs1, imm", ri(sra)),
  i("add",    "0000000 ..... ..... 000 ..... 0110011", "R", "rd, rs1, rs2", rr(add)),
  i("sub",    "0100000 ..... ..... 000 ..... 0110011", "R", "rd, rs1, rs2", rr(sub)),
  i("sll",    "0000000 ..... ..... 001 ..... 0110011", "R", "rd, rs1, rs2", rr(sll)),
  i("slt",    "0000000 ..... ..... 010 ..... 0110011", "R", "rd, rs1, rs2", rr(slt)),
  i("sltu",   "0000000 ..... ..... 011 ..... 0110011", "R", "rd, rs1, rs2", rr(sltu)),
  i("xor",    "0000000 ..... ..... 100 ..... 0110011", "R", "rd, rs1, rs2", rr(xor)),
  i("srl",    "0000000 ..... ..... 101 ..... 0110011", "R", "rd, rs1, rs2", rr(srl)),
  i("sra",    "0100000 ..... ..... 101 ..... 0110011", "R", "rd, rs1, rs2", rr(sra)),
  i("or",     "0000000 ..... ..... 110 ..... 0110011", "R", "rd, rs1, rs2", rr(or)),
  i("and",    "0000000 ..... ..... 111 ..... 0110011", "R", "rd, rs1, rs2", rr(and)),
  i("addiw",  "............ ..... 000 ..... 0011011", "I", "rd, rs1, imm", riW(add)),
  i("slliw",  "0000000 ..... ..... 001 ..... 0011011", "SHIFT5", "rd, rs1, imm", riW(sll)),
  i("srliw",  "0000000 ..... ..... 101 ..... 0011011", "SHIFT5", "rd, rs1, imm", riW(srl)),
  i("sraiw",  "0100000 ..... ..... 101 ..... 0011011", "SHIFT5", "rd, rs1, imm", riW(sra)),
  i("addw",   "0000000 ..... ..... 000 ..... 0111011", "R", "rd, rs1, rs2", rrW(add)),
  i("subw",   "0100000 ..... ..... 000 ..... 0111011", "R", "rd, rs1, rs2", rrW(sub)),
  i("sllw",   "0000000 ..... ..... 001 ..... 0111011", "R", "rd, rs1, rs2", rrW(sll)),
  i("srlw",   "0000000 ..... ..... 101 ..... 0111011", "R", "rd, rs1, rs2", rrW(srl)),
  i("sraw",   "0100000 ..... ..... 101 ..... 0111011", "R", "rd, rs1, rs2", rrW(sra)),
  i("fence",  "............ ..... 000 ..... 0001111", "NONE", "", (b) => b.fence()),
  i("ecall",  "000000000000 00000 000 00000 1110011", "NONE", "", enters("ecall")),
  i("ebreak", "000000000001 00000 000 00000 1110011", "NONE", "", enters("ebreak")),
  i("sret",   "000100000010 00000 000 00000 1110011", "NONE", "", enters("sret")),
  i("mret",   "001100000010 00000 000 00000 1110011", "NONE", "", enters("mret")),
  i("wfi",    "000100000101 00000 000 00000 1110011", "NONE", "", enters("wfi")),
  i("sfence.vma", "0001001 ..... ..... 000 00000 1110011", "R", "rs1, rs2", fenceVma),

  rowsOf("svinval")("sinval.vma",      "0001011 ..... ..... 000 00000 1110011", "R", "rs1, rs2", fenceVma),
  rowsOf("svinval")("sfence.w.inval",  "000110000000 00000 000 00000 1110011", "NONE", "", enters("sfenceInval")),
  rowsOf("svinval")("sfence.inval.ir", "000110000001 00000 000 00000 1110011", "NONE", "", enters("sfenceInval")),
  rowsOf("zifencei")("fence.i", "............ ..... 001 ..... 0001111", "NONE", "", enters("fenceI")),
  rowsOf("zawrs")("wrs.nto",    "000000001101 00000 000 00000 1110011", "NONE", "", nothing),
  rowsOf("zawrs")("wrs.sto",    "000000011101 00000 000 00000 1110011", "NONE", "", nothing),

  // A csrrs or csrrc from x0 does not write (Zicsr, 6.1): a row of its own, before the general one.
  rowsOf("zicsr")("csrr",   "............ 00000 010 ..... 1110011", "CSR", "rd, csr", csr(CsrOp.Read, false)),
  rowsOf("zicsr")("csrrc.read",  "............ 00000 011 ..... 1110011", "CSR", "rd, csr", csr(CsrOp.Read, false)),
  rowsOf("zicsr")("csrrsi.read", "............ 00000 110 ..... 1110011", "CSR", "rd, csr", csr(CsrOp.Read, false)),
  rowsOf("zicsr")("csrrci.read", "............ 00000 111 ..... 1110011", "CSR", "rd, csr", csr(CsrOp.Read, false)),
  rowsOf("zicsr")("csrrw",  "............ ..... 001 ..... 1110011", "CSR", "rd, csr, rs1", csr(CsrOp.Write, false)),
  rowsOf("zicsr")("csrrs",  "............ ..... 010 ..... 1110011", "CSR", "rd, csr, rs1", csr(CsrOp.Set, false)),
  rowsOf("zicsr")("csrrc",  "............ ..... 011 ..... 1110011", "CSR", "rd, csr, rs1", csr(CsrOp.Clear, false)),
  rowsOf("zicsr")("csrrwi", "............ ..... 101 ..... 1110011", "CSR", "rd, csr, uimm", csr(CsrOp.Write, true)),
  rowsOf("zicsr")("csrrsi", "............ ..... 110 ..... 1110011", "CSR", "rd, csr, uimm", csr(CsrOp.Set, true)),
  rowsOf("zicsr")("csrrci", "............ ..... 111 ..... 1110011", "CSR", "rd, csr, uimm", csr(CsrOp.Clear, true)),

  m("mul",    "0000001 ..... ..... 000 ..... 0110011", "R", "rd, rs1, rs2", rr(mul)),
  m("mulh",   "0000001 ..... ..... 001 ..... 0110011", "R", "rd, rs1, rs2", mulHigh(true, true)),
  m("mulhsu", "0000001 ..... ..... 010 ..... 0110011", "R", "rd, rs1, rs2", mulHigh(true, false)),
  m("mulhu",  "0000001 ..... ..... 011 ..... 0110011", "R", "rd, rs1, rs2", mulHigh(false, false)),
  m("div",    "0000001 ..... ..... 100 ..... 0110011", "R", "rd, rs1, rs2", division(true, false)),
  m("divu",   "0000001 ..... ..... 101 ..... 0110011", "R", "rd, rs1, rs2", division(false, false)),
  m("rem",    "0000001 ..... ..... 110 ..... 0110011", "R", "rd, rs1, rs2", division(true, true)),
  m("remu",   "0000001 ..... ..... 111 ..... 0110011", "R", "rd, rs1, rs2", division(false, true)),
  m("mulw",   "0000001 ..... ..... 000 ..... 0111011", "R", "rd, rs1, rs2", rrW(mul)),
  m("divw",   "0000001 ..... ..... 100 ..... 0111011", "R", "rd, rs1, rs2", divisionW(true, false)),
  m("divuw",  "0000001 ..... ..... 101 ..... 0111011", "R", "rd, rs1, rs2", divisionW(false, false)),
  m("remw",   "0000001 ..... ..... 110 ..... 0111011", "R", "rd, rs1, rs2", divisionW(true, true)),
  m("remuw",  "0000001 ..... ..... 111 ..... 0111011", "R", "rd, rs1, rs2", divisionW(false, true)),
];
