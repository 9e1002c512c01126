/**
 * RV64A: load-reserved, store-conditional and read-modify-write. All are sequentially consistent here, whatever aq and rl say.
 * A reservation is an address and the value read there; the conditional store compares and swaps that value.
 * Spec: RISC-V Unprivileged 20240411, chapter 13.
 */
import { entryAddress } from "#cpu/engine/softmmu.ts";
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, I32, I64 } from "#cpu/ir/ir.ts";
import { type InstructionRow, type Meaning, type Operands, rowsOf } from "#cpu/isa/riscv/row.ts";
import { TLB, VCPU } from "#cpu/vcpu/layout.ts";

const NO_RESERVATION = -1;

/** Host address of the word at rs1, by the TLB if it is there, or leaves with a fault. */
function hostAddress(b: Builder, routine: "probeRead" | "probeWrite", address: Expr, width: 4 | 8): Expr {
  const va = b.let(address);
  const entry = b.let(entryAddress(b, va));
  const host = b.variable(b.add(b.load(I32, entry, TLB.addend), b.wrap(va)));
  // The low bits must be clear as well: a misaligned access takes the slow path.
  const tag = b.load(I64, entry, routine === "probeRead" ? TLB.readTag : TLB.writeTag);
  b.unlikely(b.ne(tag, b.and(va, b.i64(-4096 | (width - 1)))), () => {
    b.assign(host, b.call(routine, I32, [b.cpu(), va, b.i32(width)]));
    b.checkTrap();
  });
  return host;
}
const widen = (b: Builder, value: Expr): Expr => (value.type === I32 ? b.extS(value) : value);
const narrow = (b: Builder, value: Expr, width: 4 | 8): Expr => (width === 4 ? b.wrap(value) : value);

const loadReserved =
  (width: 4 | 8): Meaning =>
  (b, o) => {
    const address = b.let(b.getReg(o.rs1));
    const host = hostAddress(b, "probeRead", address, width);
    const value = b.let(widen(b, b.atomicLoad(width, host)));
    b.set(VCPU.reservedAddress, address);
    b.set(VCPU.reservedValue, value);
    b.setReg(o.rd, value);
  };

const storeConditional =
  (width: 4 | 8): Meaning =>
  (b, o) => {
    const address = b.let(b.getReg(o.rs1));
    const host = hostAddress(b, "probeWrite", address, width);
    const failed = b.variable(b.i32(1));
    b.if(b.eq(b.get(I64, VCPU.reservedAddress), address), () => {
      const expected = b.let(narrow(b, b.get(I64, VCPU.reservedValue), width));
      const old = b.rmw("compareExchange", width, host, narrow(b, b.getReg(o.rs2), width), expected);
      b.assign(failed, b.ne(old, expected));
    });
    b.set(VCPU.reservedAddress, b.i64(NO_RESERVATION));
    b.setReg(o.rd, b.extU(failed));
  };

const amo =
  (name: "add" | "and" | "or" | "xor" | "exchange", width: 4 | 8): Meaning =>
  (b, o) => {
    const host = hostAddress(b, "probeWrite", b.getReg(o.rs1), width);
    b.setReg(o.rd, widen(b, b.rmw(name, width, host, narrow(b, b.getReg(o.rs2), width))));
  };

/** Minimum and maximum have no WebAssembly counterpart: compare and swap until nobody came between. */
const amoPick =
  (keepsOld: (b: Builder, old: Expr, operand: Expr) => Expr, width: 4 | 8): Meaning =>
  (b, o: Operands) => {
    const host = hostAddress(b, "probeWrite", b.getReg(o.rs1), width);
    const operand = b.let(narrow(b, b.getReg(o.rs2), width));
    const old = b.variable(width === 4 ? b.i32(0) : b.i64(0));
    b.loop((again) => {
      b.assign(old, b.atomicLoad(width, host));
      const next = b.select(keepsOld(b, old, operand), old, operand);
      b.if(b.ne(b.rmw("compareExchange", width, host, next, old), old), () => b.continue(again));
    });
    b.setReg(o.rd, widen(b, old));
  };

const a = rowsOf("a");

const both = (
  name: string,
  funct5: string,
  operands: string,
  meaning: (width: 4 | 8) => Meaning,
  rs2 = ".....",
): readonly InstructionRow[] => [
  a(`${name}.w`, `${funct5} . . ${rs2} ..... 010 ..... 0101111`, "R", operands, meaning(4)),
  a(`${name}.d`, `${funct5} . . ${rs2} ..... 011 ..... 0101111`, "R", operands, meaning(8)),
];

const RMW_OPERANDS = "rd, rs2, (rs1)";

// biome-ignore format: a table
export const RV64A: readonly InstructionRow[] = [
  ...both("lr",      "00010", "rd, (rs1)", loadReserved, "00000"),
  ...both("sc",      "00011", RMW_OPERANDS, storeConditional),
  ...both("amoswap", "00001", RMW_OPERANDS, (w) => amo("exchange", w)),
  ...both("amoadd",  "00000", RMW_OPERANDS, (w) => amo("add", w)),
  ...both("amoxor",  "00100", RMW_OPERANDS, (w) => amo("xor", w)),
  ...both("amoand",  "01100", RMW_OPERANDS, (w) => amo("and", w)),
  ...both("amoor",   "01000", RMW_OPERANDS, (w) => amo("or", w)),
  ...both("amomin",  "10000", RMW_OPERANDS, (w) => amoPick((b, x, y) => b.ltS(x, y), w)),
  ...both("amomax",  "10100", RMW_OPERANDS, (w) => amoPick((b, x, y) => b.gtS(x, y), w)),
  ...both("amominu", "11000", RMW_OPERANDS, (w) => amoPick((b, x, y) => b.ltU(x, y), w)),
  ...both("amomaxu", "11100", RMW_OPERANDS, (w) => amoPick((b, x, y) => b.gtU(x, y), w)),
];
