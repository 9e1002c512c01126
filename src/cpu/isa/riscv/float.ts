/**
 * F, D, Zfh and Zfa.
 *
 * Each operation has a fast path in WebAssembly where the result and the flags are certain to be right: rounding to
 * nearest with NX already set and a normal result, or an exact case. Everything else goes to `softfloat/`, exact.
 *
 * Spec: RISC-V Unprivileged 20240411, chapters 20 to 22 (F, D), 24 (Zfh), 25 (Zfa).
 */
import { type Routine, routine } from "#cpu/engine/routine.ts";
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, F32, F64, I32, I64, type Operand } from "#cpu/ir/ir.ts";
import { type InstructionRow, type Meaning, type Operands, rowsOf } from "#cpu/isa/riscv/row.ts";
import type { ExtensionName } from "#cpu/isa/riscv/extensions.ts";
import { FloatFormatIndex, FloatOp, type FloatOpName } from "#cpu/softfloat/dispatch.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";

/** A format: its letter, `fmt` field, width; `native` when WebAssembly computes in it. */
type Format = {
  readonly letter: "s" | "d" | "h";
  readonly fmt: string;
  readonly bits: 16 | 32 | 64;
  readonly index: number;
  readonly canonicalNan: bigint;
  readonly extension: ExtensionName;
  /** Smallest normal and largest finite number. */
  readonly smallest: number;
  readonly largest: number;
};
// biome-ignore format: a table
const S: Format = { letter: "s", fmt: "00", bits: 32, index: FloatFormatIndex.f32, canonicalNan: 0x7fc00000n, extension: "f", smallest: 2 ** -126, largest: (2 - 2 ** -23) * 2 ** 127 };
// biome-ignore format: a table
const D: Format = { letter: "d", fmt: "01", bits: 64, index: FloatFormatIndex.f64, canonicalNan: 0x7ff8000000000000n, extension: "d", smallest: 2 ** -1022, largest: Number.MAX_VALUE };
// biome-ignore format: a table
const H: Format = { letter: "h", fmt: "10", bits: 16, index: FloatFormatIndex.f16, canonicalNan: 0x7e00n, extension: "zfh", smallest: 2 ** -14, largest: 65504 };

const RTZ = 1;
const DYNAMIC = 7;
/** The rounding mode field of operations that round nothing. */
const NO_ROUNDING = 0;

/** The raw bits of a register in the format, i64; a badly boxed one is the canonical NaN (21.2). */
function unbox(b: Builder, format: Format, reg: Operand): Expr {
  const raw = b.let(b.convert("bits64", b.getFReg(reg)));
  if (format.bits === 64) return raw;
  const boxed = b.eq(b.shrU(raw, b.i64(format.bits)), b.i64((1n << BigInt(64 - format.bits)) - 1n));
  return b.let(b.select(boxed, b.and(raw, b.i64((1n << BigInt(format.bits)) - 1n)), b.i64(format.canonicalNan)));
}
function setBits(b: Builder, format: Format, reg: Operand, bits: Expr): void {
  const boxed = format.bits === 64 ? bits : b.or(bits, b.i64(-1n << BigInt(format.bits)));
  b.setFReg(reg, b.convert("asF64", boxed));
}
/** The value of raw bits in a native format. */
const toNative = (b: Builder, format: Format, bits: Expr): Expr =>
  format === D ? b.convert("asF64", bits) : b.convert("asF32", b.wrap(bits));
const fromNative = (b: Builder, value: Expr): Expr =>
  value.type === F64 ? b.convert("bits64", value) : b.extU(b.convert("bits32", value));
const constant = (b: Builder, format: Format, value: number): Expr => (format === D ? b.f64(value) : b.f32(value));

const isNormal = (b: Builder, format: Format, value: Expr): Expr => {
  const magnitude = b.let(b.abs(value));
  return b.and(
    b.ge(magnitude, constant(b, format, format.smallest)),
    b.le(magnitude, constant(b, format, format.largest)),
  );
};

/** 1 when rounding mode `rm` is to nearest and NX is set already: only the value is left to get right. */
function fastRounding(b: Builder, rm: Operand): Expr {
  if (typeof rm === "number") return b.load(I32, b.cpu(), VCPU.fpFast + rm, 1);
  return b.load(I32, b.add(b.cpu(), b.imm32(rm)), VCPU.fpFast, 1);
}

/** A rounding mode that frm must give is legal, or the instruction is not; for paths that do not round (20.2). */
function requireRounding(b: Builder, rm: Operand): void {
  if (typeof rm === "number" && rm !== DYNAMIC) return;
  const invalid = b.gtU(b.get(I32, VCPU.frm), b.i32(4));
  b.unlikely(b.and(b.eq(b.imm32(rm), b.i32(DYNAMIC)), invalid), () => {
    b.effect("recordIllegal", [b.cpu(), b.pc()]);
    b.checkTrap();
  });
}

/** The exact operation in TypeScript; result bits as i64. `rm` undefined: the operation rounds nothing. */
function slow(b: Builder, op: FloatOpName, format: Format, rm: Operand | undefined, args: readonly Expr[]): Expr {
  const zero = b.i64(0);
  const mode = b.variable(b.i32(NO_ROUNDING));
  if (rm !== undefined) {
    b.assign(mode, b.imm32(rm));
    b.if(b.eq(mode, b.i32(DYNAMIC)), () => b.assign(mode, b.get(I32, VCPU.frm)));
    b.if(b.gtU(mode, b.i32(4)), () => {
      b.effect("recordIllegal", [b.cpu(), b.pc()]);
      b.checkTrap();
    });
  }
  const operation = b.i32(FloatOp[op] | (format.index << 8));
  return b.call("floatSlow", I64, [b.cpu(), operation, mode, args[0] ?? zero, args[1] ?? zero, args[2] ?? zero]);
}

/** Hands an operation to TypeScript through the helper words. */
const floatSlow = routine("floatSlow", [I32, I32, I64, I64, I64], I64, (b, operation, mode, x, y, z) => {
  b.set(VCPU.helperA, x);
  b.set(VCPU.helperB, y);
  b.set(VCPU.helperC, z);
  b.effect("floatHelper", [b.cpu(), operation, mode]);
  b.return(b.get(I64, VCPU.helperResult));
});

type Native = (b: Builder, x: Expr, y: Expr) => Expr;

/** fd := op(fs1[, fs2]) with rounding. */
const arithmetic =
  (format: Format, op: FloatOpName, native: Native, operands: 1 | 2): Meaning =>
  (b, o) => {
    b.requireFloat();
    const x = unbox(b, format, o.rs1);
    const y = operands === 2 ? unbox(b, format, o.rs2) : x;
    if (format === H) {
      setBits(b, format, o.rd, slow(b, op, format, o.rm, [x, y]));
      return;
    }
    const result = b.variable(native(b, toNative(b, format, x), toNative(b, format, y)));
    b.unlikely(b.eqz(b.and(fastRounding(b, o.rm), isNormal(b, format, result))), () =>
      b.assign(result, toNative(b, format, slow(b, op, format, o.rm, [x, y]))),
    );
    setBits(b, format, o.rd, fromNative(b, result));
  };

/** Signs of the product and of the addend, for the four forms. */
const FMA = {
  fmadd: { product: 1, addend: 1 },
  fmsub: { product: 1, addend: -1 },
  fnmsub: { product: -1, addend: 1 },
  fnmadd: { product: -1, addend: -1 },
} as const;

const multiplyAdd =
  (format: Format, op: keyof typeof FMA): Meaning =>
  (b, o) => {
    b.requireFloat();
    const x = unbox(b, format, o.rs1);
    const y = unbox(b, format, o.rs2);
    const z = unbox(b, format, o.rs3);
    if (format === H) {
      setBits(b, format, o.rd, slow(b, op, format, o.rm, [x, y, z]));
      return;
    }
    const signed = (value: Expr, sign: number): Expr => (sign < 0 ? b.neg(value) : value);
    const type = format === D ? F64 : F32;
    // The routine answers NaN where it cannot be sure.
    const result = b.variable(
      b.call(format === D ? "fmaF64" : "fmaF32", type, [
        b.cpu(),
        signed(toNative(b, format, x), FMA[op].product),
        toNative(b, format, y),
        signed(toNative(b, format, z), FMA[op].addend),
      ]),
    );
    b.unlikely(b.eqz(b.and(fastRounding(b, o.rm), isNormal(b, format, result))), () =>
      b.assign(result, toNative(b, format, slow(b, op, format, o.rm, [x, y, z]))),
    );
    setBits(b, format, o.rd, fromNative(b, result));
  };

/** Sum and its rounding error, both exact (Knuth's TwoSum). */
function twoSum(b: Builder, x: Expr, y: Expr): { sum: Expr; error: Expr } {
  const sum = b.let(b.add(x, y));
  const yRounded = b.let(b.sub(sum, x));
  const xRounded = b.sub(sum, yRounded);
  const error = b.let(b.add(b.sub(x, xRounded), b.sub(y, yRounded)));
  return { sum, error };
}
/** `sum` with its last bit set when it is inexact (round to odd), so that the next rounding is the only one. */
function roundToOdd(b: Builder, sum: Expr, error: Expr): Expr {
  const bits = b.variable(b.convert("bits64", sum));
  b.if(b.and(b.lt(b.f64(0), b.abs(error)), b.eqz(b.and(b.wrap(bits), b.i32(1)))), () => {
    // The odd neighbour on the side of the error: away from zero when both have one sign.
    const away = b.geS(b.xor(b.convert("bits64", error), bits), b.i64(0));
    b.assign(bits, b.select(away, b.add(bits, b.i64(1)), b.sub(bits, b.i64(1))));
  });
  return b.convert("asF64", bits);
}
const NAN = Number.NaN;

/**
 * x*y+z rounded once, or NaN outside the range where the transformations are exact.
 * After Boldo and Melquiond, "Emulation of FMA and correctly rounded sums" (2008).
 */
const fmaF64 = routine("fmaF64", [F64, F64, F64], F64, (b, x, y, z) => {
  const inRange = (v: Expr): Expr => {
    const magnitude = b.let(b.abs(v));
    return b.and(b.ge(magnitude, b.f64(2 ** -400)), b.le(magnitude, b.f64(2 ** 400)));
  };
  const addendFine = b.or(inRange(z), b.eq(z, b.f64(0)));
  b.if(b.eqz(b.and(b.and(inRange(x), inRange(y)), addendFine)), () => b.return(b.f64(NAN)));
  const SPLITTER = 2 ** 27 + 1;
  const split = (v: Expr): { high: Expr; low: Expr } => {
    const scaled = b.let(b.mul(v, b.f64(SPLITTER)));
    const high = b.let(b.sub(scaled, b.sub(scaled, v)));
    return { high, low: b.let(b.sub(v, high)) };
  };
  const product = b.let(b.mul(x, y));
  const sx = split(x);
  const sy = split(y);
  const crossed = b.add(b.mul(sx.high, sy.low), b.mul(sx.low, sy.high));
  const productError = b.let(b.add(b.mul(sx.low, sy.low), b.add(b.sub(b.mul(sx.high, sy.high), product), crossed)));
  const t = twoSum(b, z, productError);
  const v = twoSum(b, product, t.sum);
  const w = twoSum(b, t.error, v.error);
  b.return(b.add(v.sum, roundToOdd(b, w.sum, w.error)));
});

/** The same for binary32: the product is exact in binary64, and one rounding to odd keeps the last one right. */
const fmaF32 = routine("fmaF32", [F32, F32, F32], F32, (b, x, y, z) => {
  const product = b.let(b.mul(b.convert("promote", x), b.convert("promote", y)));
  const s = twoSum(b, product, b.let(b.convert("promote", z)));
  b.return(b.convert("demote", roundToOdd(b, s.sum, s.error)));
});

/** Sign injection: magnitude of fs1 with a sign made from both. */
const signInjection =
  (format: Format, sign: (b: Builder, x: Expr, y: Expr) => Expr): Meaning =>
  (b, o) => {
    b.requireFloat();
    const mask = 1n << BigInt(format.bits - 1);
    const x = unbox(b, format, o.rs1);
    const y = unbox(b, format, o.rs2);
    setBits(b, format, o.rd, b.or(b.and(x, b.i64(mask - 1n)), b.and(sign(b, x, y), b.i64(mask))));
  };

const ordered = (b: Builder, x: Expr, y: Expr): Expr => b.and(b.eq(x, x), b.eq(y, y));

const minMax =
  (format: Format, op: FloatOpName, native: Native): Meaning =>
  (b, o) => {
    b.requireFloat();
    const x = unbox(b, format, o.rs1);
    const y = unbox(b, format, o.rs2);
    if (format === H) {
      setBits(b, format, o.rd, slow(b, op, format, undefined, [x, y]));
      return;
    }
    const xn = b.let(toNative(b, format, x));
    const yn = b.let(toNative(b, format, y));
    const result = b.variable(native(b, xn, yn));
    b.unlikely(b.eqz(ordered(b, xn, yn)), () =>
      b.assign(result, toNative(b, format, slow(b, op, format, undefined, [x, y]))),
    );
    setBits(b, format, o.rd, fromNative(b, result));
  };

const compare =
  (format: Format, op: FloatOpName, native: Native): Meaning =>
  (b, o) => {
    b.requireFloat();
    const x = unbox(b, format, o.rs1);
    const y = unbox(b, format, o.rs2);
    if (format === H) {
      b.setReg(o.rd, slow(b, op, format, undefined, [x, y]));
      return;
    }
    const xn = b.let(toNative(b, format, x));
    const yn = b.let(toNative(b, format, y));
    const result = b.variable(b.extU(native(b, xn, yn)));
    b.unlikely(b.eqz(ordered(b, xn, yn)), () => b.assign(result, slow(b, op, format, undefined, [x, y])));
    b.setReg(o.rd, result);
  };

const classify =
  (format: Format): Meaning =>
  (b, o) => {
    b.requireFloat();
    b.setReg(o.rd, slow(b, "class", format, undefined, [unbox(b, format, o.rs1)]));
  };

/** Integer kinds of the conversions, by the rs2 field. */
// biome-ignore format: a table
const INTEGERS = [
  { suffix: "w",  rs2: "00000", op: "cvt_i32", from: "from_i32", below: -(2 ** 31) - 1, above: 2 ** 31, truncate: "I32S" },
  { suffix: "wu", rs2: "00001", op: "cvt_u32", from: "from_u32", below: -1,             above: 2 ** 32, truncate: "I32U" },
  { suffix: "l",  rs2: "00010", op: "cvt_i64", from: "from_i64", below: -(2 ** 63),     above: 2 ** 63, truncate: "I64S" },
  { suffix: "lu", rs2: "00011", op: "cvt_u64", from: "from_u64", below: -1,             above: 2 ** 64, truncate: "I64U" },
] as const;
type IntegerKind = (typeof INTEGERS)[number];
const TRUNCATE = {
  I32S: "i32FromF64S",
  I32U: "i32FromF64U",
  I64S: "i64FromF64S",
  I64U: "i64FromF64U",
} as const;

/** A C cast: towards zero. Exact for integral values in any mode, and with NX set when truncating. */
const toInteger =
  (format: Format, kind: IntegerKind): Meaning =>
  (b, o) => {
    b.requireFloat();
    const x = unbox(b, format, o.rs1);
    if (format === H) {
      b.setReg(o.rd, slow(b, kind.op, format, o.rm, [x]));
      return;
    }
    requireRounding(b, o.rm);
    const native = toNative(b, format, x);
    const value = b.let(native.type === F32 ? b.convert("promote", native) : native);
    const truncated = b.let(b.trunc(value));
    const inRange = b.and(b.lt(b.f64(kind.below), value), b.lt(value, b.f64(kind.above)));
    const truncating = b.and(b.eq(b.imm32(o.rm), b.i32(RTZ)), b.load(I32, b.cpu(), VCPU.fpFast, 1));
    const certain = b.and(inRange, b.or(b.eq(truncated, value), truncating));
    const result = b.variable(b.i64(0));
    const integer = b.convert(TRUNCATE[kind.truncate], value);
    b.assign(result, integer.type === I32 ? b.extS(integer) : integer);
    b.unlikely(b.eqz(certain), () => b.assign(result, slow(b, kind.op, format, o.rm, [x])));
    b.setReg(o.rd, result);
  };

const fromInteger =
  (format: Format, kind: IntegerKind): Meaning =>
  (b, o) => {
    b.requireFloat();
    const x = b.let(b.getReg(o.rs1));
    if (format === H) {
      setBits(b, format, o.rd, slow(b, kind.from, format, o.rm, [x]));
      return;
    }
    requireRounding(b, o.rm);
    const isWord = kind.suffix[0] === "w";
    const signed = kind.suffix.length === 1;
    const value = b.let(isWord ? (signed ? b.ext32S(x) : b.and(x, b.i64(0xffffffff))) : x);
    const name = format === D ? (signed ? "f64FromI64S" : "f64FromI64U") : signed ? "f32FromI64S" : "f32FromI64U";
    const result = b.variable(b.convert(name, value));
    if (!(isWord && format === D)) {
      // Exact when the magnitude fits in the significand.
      const limit = format === D ? 2n ** 53n : 2n ** 24n;
      const fits = b.leU(b.add(value, b.i64(signed ? limit : 0n)), b.i64(signed ? 2n * limit : limit));
      b.unlikely(b.eqz(b.or(fits, fastRounding(b, o.rm))), () =>
        b.assign(result, toNative(b, format, slow(b, kind.from, format, o.rm, [x]))),
      );
    }
    setBits(b, format, o.rd, fromNative(b, result));
  };

const convertFormat =
  (to: Format, from: Format): Meaning =>
  (b, o) => {
    b.requireFloat();
    const x = unbox(b, from, o.rs1);
    const op = to === D ? "to_f64" : to === S ? "to_f32" : "to_f16";
    if (from === H || to === H) {
      setBits(b, to, o.rd, slow(b, op, from, o.rm, [x]));
      return;
    }
    requireRounding(b, o.rm);
    const value = b.let(toNative(b, from, x));
    const result = b.variable(b.convert(to === D ? "promote" : "demote", value));
    const exact = to === D ? b.eq(value, value) : b.and(fastRounding(b, o.rm), isNormal(b, to, result));
    b.unlikely(b.eqz(exact), () => b.assign(result, toNative(b, to, slow(b, op, from, o.rm, [x]))));
    setBits(b, to, o.rd, fromNative(b, result));
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

/** Zfa: table 25.1, the constants of fli by the rs1 field; undefined entries are set below by format. */
const FLI_VALUES: readonly number[] = [
  -1,
  0,
  2 ** -16,
  2 ** -15,
  2 ** -8,
  2 ** -7,
  0.0625,
  0.125,
  0.25,
  0.3125,
  0.375,
  0.4375,
  0.5,
  0.625,
  0.75,
  0.875,
  1,
  1.25,
  1.5,
  1.75,
  2,
  2.5,
  3,
  4,
  8,
  16,
  128,
  256,
  2 ** 15,
  2 ** 16,
  Number.POSITIVE_INFINITY,
  Number.NaN,
];
function fliBits(format: Format, index: number): bigint {
  if (index === 31) return format.canonicalNan;
  const value = index === 1 ? format.smallest : (FLI_VALUES[index] as number);
  const view = new DataView(new ArrayBuffer(8));
  if (format === D) {
    view.setFloat64(0, value);
    return view.getBigUint64(0);
  }
  if (format === S) {
    view.setFloat32(0, value);
    return BigInt(view.getUint32(0));
  }
  return halfBits(value);
}
/** binary16 bits of a value of the table; what does not fit is what rounding to nearest gives. */
function halfBits(value: number): bigint {
  const sign = value < 0 ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude > 65504) return BigInt(sign | 0x7c00);
  if (magnitude < 2 ** -14) return BigInt(sign | Math.round(magnitude / 2 ** -24));
  const exponent = Math.floor(Math.log2(magnitude));
  return BigInt(sign | ((exponent + 15) << 10) | Math.round((magnitude / 2 ** exponent - 1) * 1024));
}
const loadImmediate =
  (format: Format, index: number): Meaning =>
  (b, o) => {
    b.requireFloat();
    setBits(b, format, o.rd, b.i64(fliBits(format, index)));
  };
const alwaysSlow =
  (format: Format, op: FloatOpName): Meaning =>
  (b, o) => {
    b.requireFloat();
    setBits(b, format, o.rd, slow(b, op, format, o.rm, [unbox(b, format, o.rs1)]));
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
  const rounded = (name: string, funct5: string, op: FloatOpName, native: Native): InstructionRow =>
    row(n(name), `${funct5} ${f.fmt} ..... ..... ... ..... ${OP_FP}`, "FR", RRR, arithmetic(f, op, native, 2));
  const fixed = (name: string, funct5: string, funct3: string, operands: string, meaning: Meaning): InstructionRow =>
    row(n(name), `${funct5} ${f.fmt} ..... ..... ${funct3} ..... ${OP_FP}`, "R", operands, meaning);
  const fused = (op: keyof typeof FMA, opcode: string): InstructionRow =>
    row(n(op), `..... ${f.fmt} ..... ..... ... ..... ${opcode}`, "FR4", "fd, fs1, fs2, fs3", multiplyAdd(f, op));
  const width = f === D ? "011" : f === S ? "010" : "001";
  return [
    row(`fl${f === D ? "d" : f === S ? "w" : "h"}`, `............ ..... ${width} ..... 0000111`, "I", "fd, imm(rs1)", load(f)),
    row(`fs${f === D ? "d" : f === S ? "w" : "h"}`, `....... ..... ..... ${width} ..... 0100111`, "S", "fs2, imm(rs1)", store(f)),
    rounded("fadd", "00000", "add", (b, x, y) => b.add(x, y)),
    rounded("fsub", "00001", "sub", (b, x, y) => b.sub(x, y)),
    rounded("fmul", "00010", "mul", (b, x, y) => b.mul(x, y)),
    rounded("fdiv", "00011", "div", (b, x, y) => b.div(x, y)),
    row(n("fsqrt"), `01011 ${f.fmt} 00000 ..... ... ..... ${OP_FP}`, "FR", "fd, fs1", arithmetic(f, "sqrt", (b, x) => b.sqrt(x), 1)),
    fused("fmadd", "1000011"),
    fused("fmsub", "1000111"),
    fused("fnmsub", "1001011"),
    fused("fnmadd", "1001111"),
    fixed("fsgnj",  "00100", "000", RRR, signInjection(f, (_b, _x, y) => y)),
    fixed("fsgnjn", "00100", "001", RRR, signInjection(f, (b, _x, y) => b.xor(y, b.i64(-1)))),
    fixed("fsgnjx", "00100", "010", RRR, signInjection(f, (b, x, y) => b.xor(x, y))),
    fixed("fmin",   "00101", "000", RRR, minMax(f, "min", (b, x, y) => b.min(x, y))),
    fixed("fmax",   "00101", "001", RRR, minMax(f, "max", (b, x, y) => b.max(x, y))),
    fixed("feq",    "10100", "010", "rd, fs1, fs2", compare(f, "eq", (b, x, y) => b.eq(x, y))),
    fixed("flt",    "10100", "001", "rd, fs1, fs2", compare(f, "lt", (b, x, y) => b.lt(x, y))),
    fixed("fle",    "10100", "000", "rd, fs1, fs2", compare(f, "le", (b, x, y) => b.le(x, y))),
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
function zfaRows(f: Format): InstructionRow[] {
  const row = rowsOf("zfa");
  const n = (name: string): string => `${name}.${f.letter}`;
  return [
    ...FLI_VALUES.map((_, index) =>
      row(n("fli"), `11110 ${f.fmt} 00001 ${index.toString(2).padStart(5, "0")} 000 ..... ${OP_FP}`, "R", "fd", loadImmediate(f, index))),
    row(n("fminm"),    `00101 ${f.fmt} ..... ..... 010 ..... ${OP_FP}`, "R", RRR, zfaPair(f, "minm")),
    row(n("fmaxm"),    `00101 ${f.fmt} ..... ..... 011 ..... ${OP_FP}`, "R", RRR, zfaPair(f, "maxm")),
    row(n("fround"),   `01000 ${f.fmt} 00100 ..... ... ..... ${OP_FP}`, "FR", "fd, fs1", alwaysSlow(f, "round")),
    row(n("froundnx"), `01000 ${f.fmt} 00101 ..... ... ..... ${OP_FP}`, "FR", "fd, fs1", alwaysSlow(f, "roundnx")),
    row(n("fltq"),     `10100 ${f.fmt} ..... ..... 101 ..... ${OP_FP}`, "R", "rd, fs1, fs2", compare(f, "ltq", (b, x, y) => b.lt(x, y))),
    row(n("fleq"),     `10100 ${f.fmt} ..... ..... 100 ..... ${OP_FP}`, "R", "rd, fs1, fs2", compare(f, "leq", (b, x, y) => b.le(x, y))),
  ];
}
function zfaPair(format: Format, op: FloatOpName): Meaning {
  return (b, o: Operands) => {
    b.requireFloat();
    setBits(b, format, o.rd, slow(b, op, format, undefined, [unbox(b, format, o.rs1), unbox(b, format, o.rs2)]));
  };
}
const modularConvert: Meaning = (b, o) => {
  b.requireFloat();
  b.setReg(o.rd, slow(b, "cvtmod_w", D, undefined, [unbox(b, D, o.rs1)]));
};

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

export const FLOAT_ROUTINES: readonly Routine[] = [floatSlow, fmaF64, fmaF32];
