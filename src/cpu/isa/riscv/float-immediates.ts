/**
 * The constants of fli.
 *
 * Spec: RISC-V Unprivileged 20240411, table 25.1 (Zfa).
 */
import { D, type Format, S } from "#cpu/isa/riscv/float-format.ts";

/** By the rs1 field; entries 1 (the smallest normal number) and 31 (NaN) are each format's own. */
export const FLI_VALUES: readonly number[] = [
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
/** Bits of the constant in a format. */
export function fliBits(format: Format, index: number): bigint {
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
