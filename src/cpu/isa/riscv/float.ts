/**
 * The instructions of F, D, Zfh and Zfa.
 *
 * An instruction computes in WebAssembly, looks whether that is all there is to do (`float-flags.ts`), and otherwise
 * calls the routine that does it in full (`float-routines.ts`). binary16 is left to TypeScript.
 *
 * Spec: RISC-V Unprivileged 20240411, chapters 20 to 22 (F, D), 24 (Zfh), 25 (Zfa).
 */
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, F64, I64, type Operand } from "#cpu/ir/ir.ts";
import { FLI_VALUES, fliBits } from "#cpu/isa/riscv/float-immediates.ts";
import {
  isNearestAndSticky,
  isPlain,
  isSticky,
  mayBeIllegal,
  Plain,
  requireRounding,
  Rounding,
} from "#cpu/isa/riscv/float-flags.ts";
import {
  badlyBoxed,
  constant,
  D,
  type Format,
  getBits,
  H,
  type NativeFormat,
  S,
  setBits,
  setNative,
  type Source,
  source,
} from "#cpu/isa/riscv/float-format.ts";
import { FMA, type FmaName } from "#cpu/isa/riscv/float-arithmetic.ts";
import { type ComparisonName, COMPARISONS, type ExtremumName, EXTREMA } from "#cpu/isa/riscv/float-comparisons.ts";
import { type IntegerKind, integerOf, INTEGERS } from "#cpu/isa/riscv/float-conversions.ts";
import { exactly } from "#cpu/isa/riscv/float-special.ts";
import { type InstructionRow, type Meaning, rowsOf } from "#cpu/isa/riscv/row.ts";
import type { FloatOpName } from "#cpu/softfloat/dispatch.ts";

const isNative = (format: Format): format is NativeFormat => format !== H;

/** 1 where the fast path cannot be right: an operand is not boxed, or `isPlain` is 0. */
function isHard(b: Builder, sources: readonly Source[], isEasy: Expr): Expr {
  const bad = badlyBoxed(b, sources);
  return bad ? b.or(bad, b.eqz(isEasy)) : b.eqz(isEasy);
}

/** Calls a routine that rounds; leaves when it has recorded a trap. */
function callRounding(
  b: Builder,
  name: string,
  type: Expr["type"],
  rm: Operand,
  operands: readonly Expr[],
  to: Expr,
): void {
  b.assign(to, b.call(name, type, [b.cpu(), b.pc(), b.imm32(rm), ...operands]));
  if (mayBeIllegal(rm)) b.checkTrap();
}

/** The operation in TypeScript; bits of the result. `rm` is 0 for one that rounds nothing. */
function inSoftware(b: Builder, op: FloatOpName, format: Format, rm: Operand, bits: readonly Expr[]): Expr {
  const result = b.let(exactly(b, op, format, b.pc(), b.imm32(rm), bits));
  if (mayBeIllegal(rm)) b.checkTrap();
  return result;
}
const NO_ROUNDING = 0;

type ArithmeticName = "fadd" | "fsub" | "fmul" | "fdiv" | "fsqrt";
/** By name: how it is computed, which results are plain, how many operands, its name in `softfloat/`. */
// biome-ignore format: a table
const ARITHMETIC: Readonly<Record<ArithmeticName, { native: (b: Builder, x: Expr, y: Expr) => Expr; plain: Plain; operands: 1 | 2; op: FloatOpName }>> = {
  fadd:  { native: (b, x, y) => b.add(x, y), plain: Plain.Finite, operands: 2, op: "add" },
  fsub:  { native: (b, x, y) => b.sub(x, y), plain: Plain.Finite, operands: 2, op: "sub" },
  fmul:  { native: (b, x, y) => b.mul(x, y), plain: Plain.Normal, operands: 2, op: "mul" },
  fdiv:  { native: (b, x, y) => b.div(x, y), plain: Plain.Normal, operands: 2, op: "div" },
  fsqrt: { native: (b, x) => b.sqrt(x),      plain: Plain.Finite, operands: 1, op: "sqrt" },
};

/** fd := op(fs1[, fs2]) with rounding. */
const arithmetic =
  (format: Format, name: ArithmeticName): Meaning =>
  (b, o) => {
    const { native, plain, operands, op } = ARITHMETIC[name];
    const registers = operands === 2 ? [o.rs1, o.rs2] : [o.rs1];
    b.requireFloat();
    if (!isNative(format)) {
      const bits = registers.map((register) => getBits(b, format, register));
      setBits(b, format, o.rd, inSoftware(b, op, format, o.rm, bits));
      return;
    }
    const sources = registers.map((register) => source(b, format, register));
    const [x, y = x] = sources as [Source, Source?];
    const result = b.variable(native(b, x.value, y.value));
    const raws = sources.map(({ raw }) => raw);
    b.unlikely(isHard(b, sources, isPlain(b, o.rm, plain, result)), () =>
      callRounding(b, `${name}.${format.letter}`, format.type, o.rm, raws, result),
    );
    setNative(b, format, o.rd, result);
  };

const multiplyAdd =
  (format: Format, name: FmaName): Meaning =>
  (b, o) => {
    const registers = [o.rs1, o.rs2, o.rs3];
    b.requireFloat();
    if (!isNative(format)) {
      const bits = registers.map((register) => getBits(b, format, register));
      setBits(b, format, o.rd, inSoftware(b, name, format, o.rm, bits));
      return;
    }
    const { negatesProduct, negatesAddend } = FMA[name];
    const sources = registers.map((register) => source(b, format, register));
    const [x, y, z] = sources as [Source, Source, Source];
    const addend = negatesAddend ? b.neg(z.value) : z.value;
    const result = b.variable(b.fusedMultiplyAdd(x.value, y.value, addend, negatesProduct));
    const raws = sources.map(({ raw }) => raw);
    b.unlikely(isHard(b, sources, isPlain(b, o.rm, Plain.Normal, result)), () =>
      callRounding(b, `${name}.${format.letter}`, format.type, o.rm, raws, result),
    );
    setNative(b, format, o.rd, result);
  };

/** Sign injection: magnitude of fs1 with a sign made from both. */
type SignName = "fsgnj" | "fsgnjn" | "fsgnjx";
const signInjection =
  (format: Format, name: SignName): Meaning =>
  (b, o) => {
    b.requireFloat();
    if (format === D) {
      b.setFReg(o.rd, doubleSign(b, name, o.rs1, o.rs2));
      return;
    }
    const mask = 1n << BigInt(format.bits - 1);
    const x = getBits(b, format, o.rs1);
    const y = getBits(b, format, o.rs2);
    const sign = name === "fsgnj" ? y : name === "fsgnjn" ? b.xor(y, b.i64(-1)) : b.xor(x, y);
    setBits(b, format, o.rd, b.or(b.and(x, b.i64(mask - 1n)), b.and(sign, b.i64(mask))));
  };
/** The pseudo-instructions fmv, fneg and fabs have one register twice. */
function doubleSign(b: Builder, name: SignName, rs1: Operand, rs2: Operand): Expr {
  const isOne = typeof rs1 === "number" && rs1 === rs2;
  const x = b.let(b.getFReg(rs1));
  if (isOne) return name === "fsgnj" ? x : name === "fsgnjn" ? b.neg(x) : b.abs(x);
  const y = b.let(b.getFReg(rs2));
  if (name === "fsgnj") return b.copysign(x, y);
  if (name === "fsgnjn") return b.copysign(x, b.neg(y));
  const sign = b.and(b.convert("bits64", y), b.i64(-(2n ** 63n)));
  return b.convert("asF64", b.xor(b.convert("bits64", x), sign));
}

/** 1 unless an operand is NaN or, which is harmless here, both are infinite. */
function areOrdered(b: Builder, x: Source, y: Source): Expr {
  const difference = b.let(b.sub(x.value, y.value));
  return b.eq(difference, difference);
}

const extremum =
  (format: Format, name: ExtremumName): Meaning =>
  (b, o) => {
    b.requireFloat();
    if (!isNative(format)) {
      const op = { fmin: "min", fmax: "max", fminm: "minm", fmaxm: "maxm" } as const;
      const bits = [o.rs1, o.rs2].map((register) => getBits(b, format, register));
      setBits(b, format, o.rd, inSoftware(b, op[name], format, NO_ROUNDING, bits));
      return;
    }
    const x = source(b, format, o.rs1);
    const y = source(b, format, o.rs2);
    const result = b.variable(EXTREMA[name].native(b, x.value, y.value));
    b.unlikely(isHard(b, [x, y], areOrdered(b, x, y)), () =>
      b.assign(result, b.call(`${name}.${format.letter}`, format.type, [b.cpu(), x.raw, y.raw])),
    );
    setNative(b, format, o.rd, result);
  };

const comparison =
  (format: Format, name: ComparisonName): Meaning =>
  (b, o) => {
    b.requireFloat();
    if (!isNative(format)) {
      const op = { feq: "eq", flt: "lt", fle: "le", fltq: "ltq", fleq: "leq" } as const;
      const bits = [o.rs1, o.rs2].map((register) => getBits(b, format, register));
      b.setReg(o.rd, inSoftware(b, op[name], format, NO_ROUNDING, bits));
      return;
    }
    const x = source(b, format, o.rs1);
    const y = source(b, format, o.rs2);
    const result = b.variable(b.extU(COMPARISONS[name].native(b, x.value, y.value)));
    b.unlikely(isHard(b, [x, y], areOrdered(b, x, y)), () =>
      b.assign(result, b.call(`${name}.${format.letter}`, I64, [b.cpu(), x.raw, y.raw])),
    );
    b.setReg(o.rd, result);
  };

const classify =
  (format: Format): Meaning =>
  (b, o) => {
    b.requireFloat();
    if (isNative(format)) b.setReg(o.rd, b.call(`fclass.${format.letter}`, I64, [b.cpu(), b.getFReg(o.rs1)]));
    else b.setReg(o.rd, inSoftware(b, "class", format, NO_ROUNDING, [getBits(b, format, o.rs1)]));
  };

/** In line: values that are integral, and truncation (a C cast) with NX set. */
const toInteger =
  (format: Format, kind: IntegerKind): Meaning =>
  (b, o) => {
    b.requireFloat();
    if (!isNative(format)) {
      b.setReg(o.rd, inSoftware(b, kind.op, format, o.rm, [getBits(b, format, o.rs1)]));
      return;
    }
    const x = source(b, format, o.rs1);
    const value = format === D ? x.value : b.let(b.convert("promote", x.value));
    const integer = b.convert(kind.truncate, value);
    const result = b.variable(kind.isWord ? b.extS(integer) : integer);
    const isInRange = kind.isSigned
      ? b.lt(b.abs(value), b.f64(kind.above))
      : b.and(b.lt(b.f64(-1), value), b.lt(value, b.f64(kind.above)));
    const isIntegral = b.eq(b.trunc(value), value);
    const isEasy = b.and(isInRange, b.or(isIntegral, isTruncationSticky(b, o.rm)));
    requireRounding(b, o.rm);
    b.unlikely(isHard(b, [x], isEasy), () =>
      callRounding(b, `fcvt.${kind.suffix}.${format.letter}`, I64, o.rm, [x.raw], result),
    );
    b.setReg(o.rd, result);
  };
/** 1 when the mode is towards zero and NX is set. */
function isTruncationSticky(b: Builder, rm: Operand): Expr {
  if (typeof rm === "number" && rm !== Rounding.TowardsZero) return b.i32(0);
  const isSet = b.ne(isSticky(b), b.i32(0));
  return typeof rm === "number" ? isSet : b.and(b.eq(b.imm32(rm), b.i32(Rounding.TowardsZero)), isSet);
}

/** In line: magnitudes that fit in the significand, and rounding to nearest with NX set. */
const fromInteger =
  (format: Format, kind: IntegerKind): Meaning =>
  (b, o) => {
    b.requireFloat();
    const register = b.let(b.getReg(o.rs1));
    if (!isNative(format)) {
      setBits(b, format, o.rd, inSoftware(b, kind.from, format, o.rm, [register]));
      return;
    }
    requireRounding(b, o.rm);
    const value = b.let(integerOf(b, kind, register));
    const { isSigned } = kind;
    const conversion =
      format === D ? (isSigned ? "f64FromI64S" : "f64FromI64U") : isSigned ? "f32FromI64S" : "f32FromI64U";
    const result = b.variable(b.convert(conversion, value));
    if (format === S || !kind.isWord) {
      const limit = format === D ? 2n ** 53n : 2n ** 24n;
      const fits = b.leU(b.add(value, b.i64(isSigned ? limit : 0n)), b.i64(isSigned ? 2n * limit : limit));
      b.unlikely(b.eqz(b.or(fits, isNearestAndSticky(b, o.rm))), () =>
        callRounding(b, `fcvt.${format.letter}.${kind.suffix}`, format.type, o.rm, [register], result),
      );
    }
    setNative(b, format, o.rd, result);
  };

const convertFormat =
  (to: Format, from: Format): Meaning =>
  (b, o) => {
    b.requireFloat();
    if (!isNative(to) || !isNative(from)) {
      const op = to === D ? "to_f64" : to === S ? "to_f32" : "to_f16";
      setBits(b, to, o.rd, inSoftware(b, op, from, o.rm, [getBits(b, from, o.rs1)]));
      return;
    }
    const x = source(b, from, o.rs1);
    if (to === D) {
      requireRounding(b, o.rm);
      const result = b.variable(b.convert("promote", x.value));
      b.unlikely(isHard(b, [x], b.eq(result, result)), () =>
        b.assign(result, b.call("fcvt.d.s", F64, [b.cpu(), x.raw])),
      );
      setNative(b, D, o.rd, result);
      return;
    }
    const result = b.variable(b.convert("demote", x.value));
    b.unlikely(isHard(b, [x], isPlain(b, o.rm, Plain.Normal, result)), () =>
      callRounding(b, "fcvt.s.d", to.type, o.rm, [x.raw], result),
    );
    setNative(b, to, o.rd, result);
  };

/** Raw bits to an integer register, sign-extended. */
const moveToInteger =
  (format: Format): Meaning =>
  (b, o) => {
    b.requireFloat();
    const raw = b.convert("bits64", b.getFReg(o.rs1));
    b.setReg(o.rd, format === D ? raw : format === S ? b.ext32S(raw) : b.ext16S(raw));
  };
const moveFromInteger =
  (format: Format): Meaning =>
  (b, o) => {
    b.requireFloat();
    const mask = (1n << BigInt(format.bits)) - 1n;
    const value = b.getReg(o.rs1);
    setBits(b, format, o.rd, format === D ? value : b.and(value, b.i64(mask)));
  };

const loadImmediate =
  (format: Format, index: number): Meaning =>
  (b, o) => {
    b.requireFloat();
    setBits(b, format, o.rd, b.i64(fliBits(format, index)));
  };
const roundToIntegral =
  (format: NativeFormat, name: "fround" | "froundnx"): Meaning =>
  (b, o) => {
    b.requireFloat();
    const result = b.variable(constant(b, format, 0));
    callRounding(b, `${name}.${format.letter}`, format.type, o.rm, [b.getFReg(o.rs1)], result);
    setNative(b, format, o.rd, result);
  };
const modularConvert: Meaning = (b, o) => {
  b.requireFloat();
  b.setReg(o.rd, b.call("fcvtmod.w.d", I64, [b.cpu(), b.getFReg(o.rs1)]));
};

const load =
  (format: Format): Meaning =>
  (b, o) => {
    b.requireFloat();
    const address = b.add(b.getReg(o.rs1), b.imm(o.imm));
    if (format === D) b.setFReg(o.rd, b.guestLoadF64(address));
    else setBits(b, format, o.rd, b.guestLoad(address, format === S ? 4 : 2, false));
  };
const store =
  (format: Format): Meaning =>
  (b, o) => {
    b.requireFloat();
    const address = b.add(b.getReg(o.rs1), b.imm(o.imm));
    if (format === D) b.guestStore(address, 8, b.getFReg(o.rs2));
    else b.guestStore(address, format === S ? 4 : 2, b.convert("bits64", b.getFReg(o.rs2)));
  };

const RRR = "fd, fs1, fs2";
const OP_FP = "1010011";

// biome-ignore format: a table
function formatRows(f: Format): InstructionRow[] {
  const row = rowsOf(f.extension);
  const n = (name: string): string => `${name}.${f.letter}`;
  const rounded = (name: ArithmeticName, funct5: string): InstructionRow =>
    row(n(name), `${funct5} ${f.fmt} ..... ..... ... ..... ${OP_FP}`, "FR", RRR, arithmetic(f, name));
  const fixed = (name: string, funct5: string, funct3: string, operands: string, meaning: Meaning): InstructionRow =>
    row(n(name), `${funct5} ${f.fmt} ..... ..... ${funct3} ..... ${OP_FP}`, "R", operands, meaning);
  const fused = (op: FmaName, opcode: string): InstructionRow =>
    row(n(op), `..... ${f.fmt} ..... ..... ... ..... ${opcode}`, "FR4", "fd, fs1, fs2, fs3", multiplyAdd(f, op));
  const width = f === D ? "011" : f === S ? "010" : "001";
  return [
    row(`fl${f === D ? "d" : f === S ? "w" : "h"}`, `............ ..... ${width} ..... 0000111`, "I", "fd, imm(rs1)", load(f)),
    row(`fs${f === D ? "d" : f === S ? "w" : "h"}`, `....... ..... ..... ${width} ..... 0100111`, "S", "fs2, imm(rs1)", store(f)),
    rounded("fadd", "00000"),
    rounded("fsub", "00001"),
    rounded("fmul", "00010"),
    rounded("fdiv", "00011"),
    row(n("fsqrt"), `01011 ${f.fmt} 00000 ..... ... ..... ${OP_FP}`, "FR", "fd, fs1", arithmetic(f, "fsqrt")),
    fused("fmadd", "1000011"),
    fused("fmsub", "1000111"),
    fused("fnmsub", "1001011"),
    fused("fnmadd", "1001111"),
    fixed("fsgnj",  "00100", "000", RRR, signInjection(f, "fsgnj")),
    fixed("fsgnjn", "00100", "001", RRR, signInjection(f, "fsgnjn")),
    fixed("fsgnjx", "00100", "010", RRR, signInjection(f, "fsgnjx")),
    fixed("fmin",   "00101", "000", RRR, extremum(f, "fmin")),
    fixed("fmax",   "00101", "001", RRR, extremum(f, "fmax")),
    fixed("feq",    "10100", "010", "rd, fs1, fs2", comparison(f, "feq")),
    fixed("flt",    "10100", "001", "rd, fs1, fs2", comparison(f, "flt")),
    fixed("fle",    "10100", "000", "rd, fs1, fs2", comparison(f, "fle")),
    row(n("fclass"), `11100 ${f.fmt} 00000 ..... 001 ..... ${OP_FP}`, "R", "rd, fs1", classify(f)),
    row(`fmv.x.${f === S ? "w" : f.letter}`, `11100 ${f.fmt} 00000 ..... 000 ..... ${OP_FP}`, "R", "rd, fs1", moveToInteger(f)),
    row(`fmv.${f === S ? "w" : f.letter}.x`, `11110 ${f.fmt} 00000 ..... 000 ..... ${OP_FP}`, "R", "fd, rs1", moveFromInteger(f)),
    ...INTEGERS.flatMap((kind) => [
      row(`fcvt.${kind.suffix}.${f.letter}`, `11000 ${f.fmt} ${kind.rs2} ..... ... ..... ${OP_FP}`, "FR", "rd, fs1", toInteger(f, kind)),
      row(`fcvt.${f.letter}.${kind.suffix}`, `11010 ${f.fmt} ${kind.rs2} ..... ... ..... ${OP_FP}`, "FR", "fd, rs1", fromInteger(f, kind)),
    ]),
  ];
}

/** fcvt between formats: the source's fmt stands in rs2. */
function conversionRow(to: Format, from: Format): InstructionRow {
  const extension = to === H || from === H ? "zfh" : "d";
  const pattern = `01000 ${to.fmt} 000${from.fmt} ..... ... ..... ${OP_FP}`;
  return rowsOf(extension)(`fcvt.${to.letter}.${from.letter}`, pattern, "FR", "fd, fs1", convertFormat(to, from));
}

// biome-ignore format: a table
function zfaRows(f: NativeFormat): InstructionRow[] {
  const row = rowsOf("zfa");
  const n = (name: string): string => `${name}.${f.letter}`;
  return [
    ...FLI_VALUES.map((_, index) =>
      row(n("fli"), `11110 ${f.fmt} 00001 ${index.toString(2).padStart(5, "0")} 000 ..... ${OP_FP}`, "R", "fd", loadImmediate(f, index))),
    row(n("fminm"),    `00101 ${f.fmt} ..... ..... 010 ..... ${OP_FP}`, "R", RRR, extremum(f, "fminm")),
    row(n("fmaxm"),    `00101 ${f.fmt} ..... ..... 011 ..... ${OP_FP}`, "R", RRR, extremum(f, "fmaxm")),
    row(n("fround"),   `01000 ${f.fmt} 00100 ..... ... ..... ${OP_FP}`, "FR", "fd, fs1", roundToIntegral(f, "fround")),
    row(n("froundnx"), `01000 ${f.fmt} 00101 ..... ... ..... ${OP_FP}`, "FR", "fd, fs1", roundToIntegral(f, "froundnx")),
    row(n("fltq"),     `10100 ${f.fmt} ..... ..... 101 ..... ${OP_FP}`, "R", "rd, fs1, fs2", comparison(f, "fltq")),
    row(n("fleq"),     `10100 ${f.fmt} ..... ..... 100 ..... ${OP_FP}`, "R", "rd, fs1, fs2", comparison(f, "fleq")),
  ];
}
export const FLOAT: readonly InstructionRow[] = [
  ...formatRows(S),
  ...formatRows(D),
  ...formatRows(H),
  conversionRow(S, D),
  conversionRow(D, S),
  conversionRow(H, S),
  conversionRow(S, H),
  conversionRow(H, D),
  conversionRow(D, H),
  ...zfaRows(S),
  ...zfaRows(D),
  rowsOf("zfa")("fcvtmod.w.d", `11000 01 01000 ..... 001 ..... ${OP_FP}`, "R", "rd, fs1", modularConvert),
];
