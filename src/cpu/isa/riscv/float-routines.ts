/**
 * The floating-point operations in full, as routines: what the instructions call when the fast path of `float.ts` is
 * not certain. Every rounding mode, every flag; what is rare and long-winded (results near the ends of binary64's
 * range, binary16) goes on to `softfloat/` in TypeScript.
 *
 *   (cpu, pc, rounding mode field, whole registers...) -> value
 *
 * A routine that rounds records a trap when the mode is not legal, and then its result means nothing.
 *
 * Spec: RISC-V Unprivileged 20240411, chapters 20 to 22 (F, D), 25 (Zfa).
 */
import type { Routine } from "#cpu/engine/routine.ts";
import { arithmeticRoutines } from "#cpu/isa/riscv/float-arithmetic.ts";
import { comparisonRoutines } from "#cpu/isa/riscv/float-comparisons.ts";
import { conversionRoutines, FORMAT_CONVERSIONS } from "#cpu/isa/riscv/float-conversions.ts";
import { EXACT_ROUTINES } from "#cpu/isa/riscv/float-exact.ts";
import { FLAG_ROUTINES } from "#cpu/isa/riscv/float-flags.ts";
import { D, type NativeFormat, S } from "#cpu/isa/riscv/float-format.ts";
import { floatExact } from "#cpu/isa/riscv/float-special.ts";

const nativeRoutines = (format: NativeFormat): Routine[] => [
  ...arithmeticRoutines(format),
  ...conversionRoutines(format),
  ...comparisonRoutines(format),
];

export const FLOAT_ROUTINES: readonly Routine[] = [
  ...FLAG_ROUTINES,
  ...EXACT_ROUTINES,
  floatExact,
  ...nativeRoutines(S),
  ...nativeRoutines(D),
  ...FORMAT_CONVERSIONS,
];
