/**
 * Flags and rounding mode, and when an instruction has nothing to do with them.
 *
 * Rounding to nearest with NX already set, a result that is a normal number raises nothing new. For each value of the
 * rounding mode field, `VCPU.fpFast` holds two u16 that say so: one result in a thousand aside, an instruction looks
 * at its result's exponent and at one of them.
 *
 *   (exponent + 1) & mask != 0   nothing to do
 *
 * The mask is 0 when NX is clear or the mode is another one. Else it lets through every finite result (sums have no
 * underflow: a subnormal sum is exact), or those of which tininess cannot be a question. The low byte is the mask for
 * binary32.
 *
 * Spec: RISC-V Unprivileged 20240411, 20.2.
 */
import { type Routine, routine } from "#cpu/engine/routine.ts";
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, F64, I32, type Operand } from "#cpu/ir/ir.ts";
import { FFLAGS } from "#cpu/isa/riscv/constants.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";

/** Offsets of the two masks in an entry of `VCPU.fpFast`. */
export const Plain = { Finite: 0, Normal: 2 } as const;
export type Plain = (typeof Plain)[keyof typeof Plain];
const ENTRY_BYTES = 4;
/** Exponents below 2047; exponents from 3 to 2046. */
const ENTRY = 0x7ff | (0x7fc << 16);

export const Rounding = { Nearest: 0, TowardsZero: 1, Down: 2, Up: 3, NearestMaxMagnitude: 4, Dynamic: 7 } as const;

/** Makes `VCPU.fpFast` what fflags and frm say. */
export function updateFast(b: Builder): void {
  const isSet = b.and(b.get(I32, VCPU.fflags), b.i32(FFLAGS.NX));
  const entry = b.let(b.and(b.sub(b.i32(0), isSet), b.i32(ENTRY)));
  b.set(VCPU.fpFast, entry);
  const isNearest = b.eqz(b.get(I32, VCPU.frm));
  b.set(VCPU.fpFast + ENTRY_BYTES * Rounding.Dynamic, b.select(isNearest, entry, b.i32(0)));
}
const fpUpdate = routine("fpUpdate", [], undefined, updateFast);

/** Sets flags, given as bits of fflags. */
export function raise(b: Builder, flags: Expr): void {
  const old = b.let(b.get(I32, VCPU.fflags));
  const all = b.let(b.or(old, flags));
  b.if(b.ne(all, old), () => {
    b.set(VCPU.fflags, all);
    updateFast(b);
  });
}

/** A mask of the rounding mode field's entry. */
function mask(b: Builder, rm: Operand, plain: Plain, widthBytes: 1 | 2): Expr {
  if (typeof rm === "number") return b.load(I32, b.cpu(), VCPU.fpFast + ENTRY_BYTES * rm + plain, widthBytes);
  return b.load(I32, b.add(b.cpu(), b.shl(b.imm32(rm), b.i32(2))), VCPU.fpFast + plain, widthBytes);
}

/** Not 0 when `result`, rounded to nearest, is the result and no flag is missing. */
export function isPlain(b: Builder, rm: Operand, plain: Plain, result: Expr): Expr {
  const isDouble = result.type === F64;
  const exponent = isDouble
    ? b.wrap(b.shrU(b.convert("bits64", result), b.i64(52)))
    : b.shrU(b.convert("bits32", result), b.i32(23));
  return b.and(b.add(exponent, b.i32(1)), mask(b, rm, plain, isDouble ? 2 : 1));
}
/** Not 0 when rounding to nearest is right and no flag is missing. */
export const isNearestAndSticky = (b: Builder, rm: Operand): Expr => mask(b, rm, Plain.Finite, 2);
/** Not 0 when NX is set. */
export const isSticky = (b: Builder): Expr => mask(b, Rounding.Nearest, Plain.Finite, 2);

/** Whether the field may ask for a mode that frm has not: then the instruction is illegal. */
export const mayBeIllegal = (rm: Operand): boolean => typeof rm !== "number" || rm === Rounding.Dynamic;

/** For an instruction that turns out to round nothing: the mode must be legal all the same. */
export function requireRounding(b: Builder, rm: Operand): void {
  if (!mayBeIllegal(rm)) return;
  const invalid = b.gtU(b.get(I32, VCPU.frm), b.i32(Rounding.NearestMaxMagnitude));
  b.unlikely(b.and(b.eq(b.imm32(rm), b.i32(Rounding.Dynamic)), invalid), () => {
    b.effect("recordIllegal", [b.cpu(), b.pc()]);
    b.checkTrap();
  });
}

/** In a routine: the mode that the field names; returns `nothing` with a trap recorded when it is not legal. */
export function roundingMode(b: Builder, pc: Expr, rm: Expr, nothing: Expr): Expr {
  const mode = b.variable(rm);
  b.if(b.eq(mode, b.i32(Rounding.Dynamic)), () => {
    b.assign(mode, b.get(I32, VCPU.frm));
    b.if(b.gtU(mode, b.i32(Rounding.NearestMaxMagnitude)), () => {
      b.effect("recordIllegal", [b.cpu(), pc]);
      b.return(nothing);
    });
  });
  return mode;
}

export const FLAG_ROUTINES: readonly Routine[] = [fpUpdate];
