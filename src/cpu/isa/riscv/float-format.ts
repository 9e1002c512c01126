/**
 * The formats, and how their values lie in the registers.
 *
 * A register is an f64. A narrower value stands in its low bits below ones ("boxed"); any other content counts as the
 * canonical NaN (Unprivileged 21.2).
 */
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, F32, F64, type Operand } from "#cpu/ir/ir.ts";
import type { ExtensionName } from "#cpu/isa/riscv/extensions.ts";
import { FloatFormatIndex } from "#cpu/softfloat/dispatch.ts";

export type Format = {
  readonly letter: "s" | "d" | "h";
  readonly fmt: string;
  readonly bits: 16 | 32 | 64;
  readonly index: number;
  readonly canonicalNan: bigint;
  readonly extension: ExtensionName;
  /** Smallest normal number. */
  readonly smallest: number;
};
/** A format that WebAssembly computes in. */
export type NativeFormat = Format & {
  readonly letter: "s" | "d";
  readonly type: typeof F32 | typeof F64;
  /** The quiet bit of a NaN. */
  readonly quietBit: bigint;
};
// biome-ignore format: a table
export const S: NativeFormat = { letter: "s", fmt: "00", bits: 32, index: FloatFormatIndex.f32, canonicalNan: 0x7fc00000n, extension: "f", smallest: 2 ** -126, type: F32, quietBit: 1n << 22n };
// biome-ignore format: a table
export const D: NativeFormat = { letter: "d", fmt: "01", bits: 64, index: FloatFormatIndex.f64, canonicalNan: 0x7ff8000000000000n, extension: "d", smallest: 2 ** -1022, type: F64, quietBit: 1n << 51n };
// biome-ignore format: a table
export const H: Format = { letter: "h", fmt: "10", bits: 16, index: FloatFormatIndex.f16, canonicalNan: 0x7e00n, extension: "zfh", smallest: 2 ** -14 };

/** The bits of a value in a register, i64; the canonical NaN for one that is not boxed. */
export function getBits(b: Builder, format: Format, reg: Operand): Expr {
  const raw = b.let(b.convert("bits64", b.getFReg(reg)));
  if (format.bits === 64) return raw;
  const boxed = b.eq(b.shrU(raw, b.i64(format.bits)), b.i64((1n << BigInt(64 - format.bits)) - 1n));
  return b.let(b.select(boxed, b.and(raw, b.i64((1n << BigInt(format.bits)) - 1n)), b.i64(format.canonicalNan)));
}
export function setBits(b: Builder, format: Format, reg: Operand, bits: Expr): void {
  const boxed = format.bits === 64 ? bits : b.or(bits, b.i64(-1n << BigInt(format.bits)));
  b.setFReg(reg, b.convert("asF64", boxed));
}
export function setNative(b: Builder, format: NativeFormat, reg: Operand, value: Expr): void {
  if (format === D) b.setFReg(reg, value);
  else b.setFReg(reg, b.convert("boxF32", value));
}

/** A register as an operand of the fast path: whole, as i64 where narrow, and its value if that is boxed. */
export type Source = { readonly raw: Expr; readonly wide: Expr | undefined; readonly value: Expr };

export function source(b: Builder, format: NativeFormat, reg: Operand): Source {
  const raw = b.let(b.getFReg(reg));
  if (format === D) return { raw, wide: undefined, value: raw };
  const wide = b.let(b.convert("bits64", raw));
  return { raw, wide, value: b.let(b.convert("lowF32", raw)) };
}
/** Not 0 when an operand's `value` is not right, because it is not boxed. Undefined when that cannot be. */
export function badlyBoxed(b: Builder, sources: readonly Source[]): Expr | undefined {
  const wides = sources.flatMap(({ wide }) => wide ?? []);
  if (wides.length === 0) return undefined;
  return b.ltU(
    wides.reduce((all, one) => b.and(all, one)),
    b.i64(0xffffffff00000000n),
  );
}

/** In a routine: the value of a whole register. */
export function unbox(b: Builder, format: NativeFormat, raw: Expr): Expr {
  if (format === D) return raw;
  const wide = b.let(b.convert("bits64", raw));
  const boxed = b.geU(wide, b.i64(0xffffffff00000000n));
  return b.let(b.convert("asF32", b.select(boxed, b.wrap(wide), b.i32(Number(S.canonicalNan)))));
}
/** Bits of a native value as i64. */
export const bitsOf = (b: Builder, value: Expr): Expr =>
  value.type === F64 ? b.convert("bits64", value) : b.extU(b.convert("bits32", value));
/** The native value with these bits. */
export const valueOf = (b: Builder, format: NativeFormat, bits: Expr): Expr =>
  format === D ? b.convert("asF64", bits) : b.convert("asF32", b.wrap(bits));
export const constant = (b: Builder, format: NativeFormat, value: number): Expr =>
  format === D ? b.f64(value) : b.f32(value);
