/**
 * Scalar operations that WebAssembly has only as vector instructions, and those that are faster so: a value goes from
 * one floating-point register to another without a detour through an integer one.
 *
 * Spec: WebAssembly core 2.0, "Vector Instructions"; relaxed-SIMD proposal, "Relaxed fused multiply-add".
 */
import { type Code, F64, type ValueType } from "#cpu/wasm/code.ts";

/** Emits x * y + z, or -(x * y) + z when `negated`. */
export type EmitMultiplyAdd = (
  code: Code,
  type: ValueType,
  negated: boolean,
  operands: readonly (() => void)[],
) => void;

/** Opcodes after the prefix 0xfd. */
const SIMD = {
  const: 0x0c,
  f32: { splat: 0x13, extractLane: 0x1f, replaceLane: 0x20, madd: 0x105, nmadd: 0x106 },
  f64: { splat: 0x14, extractLane: 0x21, madd: 0x107, nmadd: 0x108 },
} as const;
const ONES: Uint8Array = new Uint8Array(16).fill(0xff);

/** Emits `x * y + z`, or `-(x * y) + z`, rounded once; for an engine with `fusedMultiplyAdd`. */
export const emitFusedMultiplyAdd: EmitMultiplyAdd = (code, type, negated, operands) => {
  const { splat, extractLane, madd, nmadd } = type === F64 ? SIMD.f64 : SIMD.f32;
  for (const operand of operands) {
    operand();
    code.simd(splat);
  }
  code.simd(negated ? nmadd : madd);
  code.simd(extractLane);
  code.byte(0);
};

/** The f64 on the stack becomes the f32 in its low half. */
export function emitLowF32(code: Code): void {
  code.simd(SIMD.f64.splat);
  code.simd(SIMD.f32.extractLane);
  code.byte(0);
}

/** Emits the f64 that has the operand in its low half and ones above. */
export function emitBoxF32(code: Code, operand: () => void): void {
  code.simd(SIMD.const);
  code.append(ONES);
  operand();
  code.simd(SIMD.f32.replaceLane);
  code.byte(0);
  code.simd(SIMD.f64.extractLane);
  code.byte(0);
}
