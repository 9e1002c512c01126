/**
 * Zba, Zbb, Zbc, Zbs, and the cache block instructions Zicbom, Zicboz (Zicbop's are hints: they decode as ori to x0).
 * Spec: RISC-V Unprivileged 20240411, chapters 28 (B) and 19 (CMO).
 */
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, I32, I64 } from "#cpu/ir/ir.ts";
import { MENVCFG, Privilege } from "#cpu/isa/riscv/constants.ts";
import { type InstructionRow, type Meaning, rowsOf } from "#cpu/isa/riscv/row.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";

type Binary = (b: Builder, x: Expr, y: Expr) => Expr;
type Unary = (b: Builder, x: Expr) => Expr;

const rr =
  (f: Binary): Meaning =>
  (b, o) =>
    b.setReg(o.rd, f(b, b.let(b.getReg(o.rs1)), b.let(b.getReg(o.rs2))));
const ri =
  (f: Binary): Meaning =>
  (b, o) =>
    b.setReg(o.rd, f(b, b.let(b.getReg(o.rs1)), b.imm(o.imm)));
const r =
  (f: Unary): Meaning =>
  (b, o) =>
    b.setReg(o.rd, f(b, b.let(b.getReg(o.rs1))));
const low = (b: Builder, x: Expr): Expr => b.and(x, b.i64(0xffffffff));
const not = (b: Builder, x: Expr): Expr => b.xor(x, b.i64(-1));
const bit = (b: Builder, y: Expr): Expr => b.shl(b.i64(1), y);
const shiftAdd =
  (amount: number): Binary =>
  (b, x, y) =>
    b.add(b.shl(x, b.i64(amount)), y);
const shiftAddUnsigned =
  (amount: number): Binary =>
  (b, x, y) =>
    b.add(b.shl(low(b, x), b.i64(amount)), y);

/** Every byte that is not 0 becomes 0xff: carry into bit 7 from the low seven bits, or bit 7 itself. */
const orCombine: Unary = (b, x) => {
  const low7 = b.i64(0x7f7f7f7f7f7f7f7fn);
  const nonZero = b.let(b.and(b.or(b.add(b.and(x, low7), low7), x), b.i64(0x8080808080808080n)));
  return b.or(nonZero, b.sub(nonZero, b.shrU(nonZero, b.i64(7))));
};
const byteSwap: Unary = (b, x) => {
  const swap = (v: Expr, mask: bigint, by: number): Expr =>
    b.let(b.or(b.and(b.shrU(v, b.i64(by)), b.i64(mask)), b.shl(b.and(v, b.i64(mask)), b.i64(by))));
  const halves = swap(swap(x, 0x00ff00ff00ff00ffn, 8), 0x0000ffff0000ffffn, 16);
  return b.rotl(halves, b.i64(32));
};

/** Carry-less product: bit by bit over the operand y; `take` says where each shifted x goes. */
const carryless =
  (shift: (b: Builder, x: Expr, i: Expr) => Expr, first: number): Binary =>
  (b, x, y) => {
    const result = b.variable(b.i64(0));
    const i = b.variable(b.i64(first));
    b.loop((next) => {
      const chosen = b.sub(b.i64(0), b.and(b.shrU(y, i), b.i64(1)));
      b.assign(result, b.xor(result, b.and(shift(b, x, i), chosen)));
      b.assign(i, b.add(i, b.i64(1)));
      b.if(b.ltU(i, b.i64(64)), () => b.continue(next));
    });
    return result;
  };
const clmul = carryless((b, x, i) => b.shl(x, i), 0);
const clmulh = carryless((b, x, i) => b.shrU(x, b.sub(b.i64(64), i)), 1);
const clmulr = carryless((b, x, i) => b.shrU(x, b.sub(b.i64(63), i)), 0);

/** Runs `body` when menvcfg and senvcfg allow the cache block instruction below machine mode; else it is illegal. */
function whenAllowed(b: Builder, mask: bigint, body: () => void): void {
  const privilege = b.let(b.get(I32, VCPU.privilege));
  const off = (offset: number): Expr => b.eqz(b.and(b.get(I64, offset), b.i64(mask)));
  const refused = b.or(
    b.and(b.ne(privilege, b.i32(Privilege.Machine)), off(VCPU.menvcfg)),
    b.and(b.eq(privilege, b.i32(Privilege.User)), off(VCPU.senvcfg)),
  );
  b.if(refused, () => {
    b.effect("recordIllegal", [b.cpu(), b.pc()]);
    b.checkTrap();
  });
  body();
}
const BLOCK_BYTES = 64;
const blockAddress = (b: Builder, rs1: Expr): Expr => b.let(b.and(rs1, b.i64(-BLOCK_BYTES)));
/** Caches are coherent here: only the permission is checked. A block operation needs read or write permission. */
const cacheManage =
  (mask: bigint): Meaning =>
  (b, o) =>
    whenAllowed(b, mask, () => {
      b.drop(b.call("probeRead", I32, [b.cpu(), blockAddress(b, b.getReg(o.rs1)), b.i32(8)]));
      b.checkTrap();
    });
const cacheZero: Meaning = (b, o) =>
  whenAllowed(b, MENVCFG.CBZE, () => {
    const host = b.let(b.call("probeWrite", I32, [b.cpu(), blockAddress(b, b.getReg(o.rs1)), b.i32(8)]));
    b.checkTrap();
    for (let at = 0; at < BLOCK_BYTES; at += 8) b.store(host, at, b.i64(0));
  });

const zba = rowsOf("zba");
const zbb = rowsOf("zbb");
const zbc = rowsOf("zbc");
const zbs = rowsOf("zbs");
const wordOp =
  (f: Binary): Meaning =>
  (b, o) =>
    b.setReg(o.rd, b.extS(f(b, b.wrap(b.getReg(o.rs1)), b.wrap(b.getReg(o.rs2)))));

// biome-ignore format: a table
export const RV64B: readonly InstructionRow[] = [
  zba("add.uw",    "0000100 ..... ..... 000 ..... 0111011", "R", "rd, rs1, rs2", rr((b, x, y) => b.add(low(b, x), y))),
  zba("sh1add",    "0010000 ..... ..... 010 ..... 0110011", "R", "rd, rs1, rs2", rr(shiftAdd(1))),
  zba("sh2add",    "0010000 ..... ..... 100 ..... 0110011", "R", "rd, rs1, rs2", rr(shiftAdd(2))),
  zba("sh3add",    "0010000 ..... ..... 110 ..... 0110011", "R", "rd, rs1, rs2", rr(shiftAdd(3))),
  zba("sh1add.uw", "0010000 ..... ..... 010 ..... 0111011", "R", "rd, rs1, rs2", rr(shiftAddUnsigned(1))),
  zba("sh2add.uw", "0010000 ..... ..... 100 ..... 0111011", "R", "rd, rs1, rs2", rr(shiftAddUnsigned(2))),
  zba("sh3add.uw", "0010000 ..... ..... 110 ..... 0111011", "R", "rd, rs1, rs2", rr(shiftAddUnsigned(3))),
  zba("slli.uw",   "000010 ...... ..... 001 ..... 0011011", "SHIFT6", "rd, rs1, imm", ri((b, x, y) => b.shl(low(b, x), y))),

  zbb("andn",   "0100000 ..... ..... 111 ..... 0110011", "R", "rd, rs1, rs2", rr((b, x, y) => b.and(x, not(b, y)))),
  zbb("orn",    "0100000 ..... ..... 110 ..... 0110011", "R", "rd, rs1, rs2", rr((b, x, y) => b.or(x, not(b, y)))),
  zbb("xnor",   "0100000 ..... ..... 100 ..... 0110011", "R", "rd, rs1, rs2", rr((b, x, y) => b.xor(x, not(b, y)))),
  zbb("clz",    "011000000000 ..... 001 ..... 0010011", "R", "rd, rs1", r((b, x) => b.clz(x))),
  zbb("ctz",    "011000000001 ..... 001 ..... 0010011", "R", "rd, rs1", r((b, x) => b.ctz(x))),
  zbb("cpop",   "011000000010 ..... 001 ..... 0010011", "R", "rd, rs1", r((b, x) => b.popcnt(x))),
  zbb("clzw",   "011000000000 ..... 001 ..... 0011011", "R", "rd, rs1", r((b, x) => b.extU(b.clz(b.wrap(x))))),
  zbb("ctzw",   "011000000001 ..... 001 ..... 0011011", "R", "rd, rs1", r((b, x) => b.extU(b.ctz(b.wrap(x))))),
  zbb("cpopw",  "011000000010 ..... 001 ..... 0011011", "R", "rd, rs1", r((b, x) => b.extU(b.popcnt(b.wrap(x))))),
  zbb("min",    "0000101 ..... ..... 100 ..... 0110011", "R", "rd, rs1, rs2", rr((b, x, y) => b.select(b.ltS(x, y), x, y))),
  zbb("minu",   "0000101 ..... ..... 101 ..... 0110011", "R", "rd, rs1, rs2", rr((b, x, y) => b.select(b.ltU(x, y), x, y))),
  zbb("max",    "0000101 ..... ..... 110 ..... 0110011", "R", "rd, rs1, rs2", rr((b, x, y) => b.select(b.ltS(x, y), y, x))),
  zbb("maxu",   "0000101 ..... ..... 111 ..... 0110011", "R", "rd, rs1, rs2", rr((b, x, y) => b.select(b.ltU(x, y), y, x))),
  zbb("sext.b", "011000000100 ..... 001 ..... 0010011", "R", "rd, rs1", r((b, x) => b.ext8S(x))),
  zbb("sext.h", "011000000101 ..... 001 ..... 0010011", "R", "rd, rs1", r((b, x) => b.ext16S(x))),
  zbb("zext.h", "000010000000 ..... 100 ..... 0111011", "R", "rd, rs1", r((b, x) => b.and(x, b.i64(0xffff)))),
  zbb("rol",    "0110000 ..... ..... 001 ..... 0110011", "R", "rd, rs1, rs2", rr((b, x, y) => b.rotl(x, y))),
  zbb("ror",    "0110000 ..... ..... 101 ..... 0110011", "R", "rd, rs1, rs2", rr((b, x, y) => b.rotr(x, y))),
  zbb("rori",   "011000 ...... ..... 101 ..... 0010011", "SHIFT6", "rd, rs1, imm", ri((b, x, y) => b.rotr(x, y))),
  zbb("rolw",   "0110000 ..... ..... 001 ..... 0111011", "R", "rd, rs1, rs2", wordOp((b, x, y) => b.rotl(x, y))),
  zbb("rorw",   "0110000 ..... ..... 101 ..... 0111011", "R", "rd, rs1, rs2", wordOp((b, x, y) => b.rotr(x, y))),
  zbb("roriw",  "0110000 ..... ..... 101 ..... 0011011", "SHIFT5", "rd, rs1, imm", (b, o) =>
    b.setReg(o.rd, b.extS(b.rotr(b.wrap(b.getReg(o.rs1)), b.imm32(o.imm))))),
  zbb("orc.b",  "001010000111 ..... 101 ..... 0010011", "R", "rd, rs1", r(orCombine)),
  zbb("rev8",   "011010111000 ..... 101 ..... 0010011", "R", "rd, rs1", r(byteSwap)),

  zbc("clmul",  "0000101 ..... ..... 001 ..... 0110011", "R", "rd, rs1, rs2", rr(clmul)),
  zbc("clmulh", "0000101 ..... ..... 011 ..... 0110011", "R", "rd, rs1, rs2", rr(clmulh)),
  zbc("clmulr", "0000101 ..... ..... 010 ..... 0110011", "R", "rd, rs1, rs2", rr(clmulr)),

  zbs("bclr",   "0100100 ..... ..... 001 ..... 0110011", "R", "rd, rs1, rs2", rr((b, x, y) => b.and(x, not(b, bit(b, y))))),
  zbs("bclri",  "010010 ...... ..... 001 ..... 0010011", "SHIFT6", "rd, rs1, imm", ri((b, x, y) => b.and(x, not(b, bit(b, y))))),
  zbs("bext",   "0100100 ..... ..... 101 ..... 0110011", "R", "rd, rs1, rs2", rr((b, x, y) => b.and(b.shrU(x, y), b.i64(1)))),
  zbs("bexti",  "010010 ...... ..... 101 ..... 0010011", "SHIFT6", "rd, rs1, imm", ri((b, x, y) => b.and(b.shrU(x, y), b.i64(1)))),
  zbs("binv",   "0110100 ..... ..... 001 ..... 0110011", "R", "rd, rs1, rs2", rr((b, x, y) => b.xor(x, bit(b, y)))),
  zbs("binvi",  "011010 ...... ..... 001 ..... 0010011", "SHIFT6", "rd, rs1, imm", ri((b, x, y) => b.xor(x, bit(b, y)))),
  zbs("bset",   "0010100 ..... ..... 001 ..... 0110011", "R", "rd, rs1, rs2", rr((b, x, y) => b.or(x, bit(b, y)))),
  zbs("bseti",  "001010 ...... ..... 001 ..... 0010011", "SHIFT6", "rd, rs1, imm", ri((b, x, y) => b.or(x, bit(b, y)))),

  rowsOf("zicbom")("cbo.inval", "000000000000 ..... 010 00000 0001111", "R", "(rs1)", cacheManage(MENVCFG.CBIE)),
  rowsOf("zicbom")("cbo.clean", "000000000001 ..... 010 00000 0001111", "R", "(rs1)", cacheManage(MENVCFG.CBCFE)),
  rowsOf("zicbom")("cbo.flush", "000000000010 ..... 010 00000 0001111", "R", "(rs1)", cacheManage(MENVCFG.CBCFE)),
  rowsOf("zicboz")("cbo.zero",  "000000000100 ..... 010 00000 0001111", "R", "(rs1)", cacheZero),
];
