/**
 * A 7-bit format small enough for every pair of operands, against rounding as the standard words it, in doubles.
 *
 * Doubles represent all sums and products of this format exactly. Quotients and roots are rounded to 53 bits, which
 * cannot hide on which side of a value with 5 bits they lie.
 */

import { expect, test } from "vitest";
import { add, divide, multiply, multiplyAdd, sqrt, subtract } from "#cpu/softfloat/arithmetic.ts";
import { floatFormat } from "#cpu/softfloat/format.ts";
import { FLAG_INEXACT, FLAG_OVERFLOW, FLAG_UNDERFLOW, type FloatResult } from "#cpu/softfloat/round.ts";

const MINI = floatFormat("mini", 7, 3);
const PRECISION = 4;
const MIN_EXPONENT = -2;
const MAX_EXPONENT = 3;
/** Below the exponent of every result. */
const UNBOUNDED = -16;
const MODES = [0, 1, 2, 3, 4];

function toNumber(bits: number): number {
  const sign = bits & 0x40 ? -1 : 1;
  const exponent = (bits >> 3) & 7;
  const fraction = bits & 7;
  return exponent === 0 ? sign * fraction * 2 ** -5 : sign * (8 + fraction) * 2 ** (exponent - 6);
}

/** Every finite value but the zeros. */
const NUMBERS = Array.from({ length: 128 }, (_, bits) => bits).filter(
  (bits) => (bits & 0x38) !== 0x38 && (bits & 0x3f) !== 0,
);

const BITS_OF = new Map(NUMBERS.filter((bits) => bits < 0x40).map((bits) => [toNumber(bits), bits]));

function roundInteger(value: number, mode: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest === 0) return value;
  if (mode === 1) return Math.trunc(value);
  if (mode === 2) return below;
  if (mode === 3) return below + 1;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  if (mode === 0) return below % 2 === 0 ? below : below + 1;
  return value < 0 ? below : below + 1;
}

/** Rounds as if the exponent had no bounds, or none above `minExponent`. */
function roundToPrecision(value: number, mode: number, minExponent: number): number {
  let exponent = UNBOUNDED;
  while (2 ** (exponent + 1) <= Math.abs(value)) exponent++;
  const unit = 2 ** (Math.max(exponent, minExponent) - PRECISION + 1);
  return roundInteger(value / unit, mode) * unit;
}

type Rounded = { readonly value: number; readonly flags: number };

const memo = MODES.map(() => new Map<number, Rounded>());

function expected(value: number, mode: number): Rounded {
  const known = memo[mode]?.get(value);
  if (known !== undefined) return known;
  const result = roundByDefinition(value, mode);
  memo[mode]?.set(value, result);
  return result;
}

function roundByDefinition(value: number, mode: number): Rounded {
  const unbounded = roundToPrecision(value, mode, UNBOUNDED);
  const rounded = roundToPrecision(value, mode, MIN_EXPONENT);
  const largest = (2 ** PRECISION - 1) * 2 ** (MAX_EXPONENT - PRECISION + 1);
  if (Math.abs(unbounded) > largest) {
    const towardsZero = mode === 1 || (mode === 2 && value > 0) || (mode === 3 && value < 0);
    return { value: Math.sign(value) * (towardsZero ? largest : Infinity), flags: FLAG_OVERFLOW | FLAG_INEXACT };
  }
  if (rounded === value) return { value, flags: 0 };
  const isTiny = Math.abs(unbounded) < 2 ** MIN_EXPONENT;
  return { value: rounded, flags: isTiny ? FLAG_INEXACT | FLAG_UNDERFLOW : FLAG_INEXACT };
}

function toBits(value: number, sign: number): number {
  const magnitude = Math.abs(value);
  if (magnitude === Infinity) return sign | 0x38;
  return sign | (BITS_OF.get(magnitude) ?? 0);
}

/** The first disagreement, or undefined. */
function disagreement(name: string, exact: number, mode: number, got: FloatResult): string | undefined {
  // A zero sum has its own rule for the sign, tested elsewhere.
  if (exact === 0) return (got.bits & 0x3fn) === 0n && got.flags === 0 ? undefined : `${name}: not an exact zero`;
  const want = expected(exact, mode);
  const bits = toBits(want.value, exact < 0 ? 0x40 : 0);
  if (Number(got.bits) === bits && got.flags === want.flags) return undefined;
  return `${exact} by ${name} in mode ${mode}: got ${got.bits} ${got.flags}, want ${bits} ${want.flags}`;
}

test("every pair rounds as the standard says", () => {
  const wrong: string[] = [];
  for (const mode of MODES) {
    for (const a of NUMBERS) {
      const x = toNumber(a);
      for (const b of NUMBERS) {
        const y = toNumber(b);
        const [p, q] = [BigInt(a), BigInt(b)];
        const found = [
          disagreement("add", x + y, mode, add(MINI, mode, p, q)),
          disagreement("subtract", x - y, mode, subtract(MINI, mode, p, q)),
          disagreement("multiply", x * y, mode, multiply(MINI, mode, p, q)),
          disagreement("divide", x / y, mode, divide(MINI, mode, p, q)),
        ];
        for (const text of found) if (text !== undefined) wrong.push(text);
      }
      if (x > 0) {
        const text = disagreement("sqrt", Math.sqrt(x), mode, sqrt(MINI, mode, BigInt(a)));
        if (text !== undefined) wrong.push(text);
      }
    }
  }
  expect(wrong.slice(0, 10)).toEqual([]);
});

test("fused multiply-add rounds once", () => {
  const wrong: string[] = [];
  const some = NUMBERS.filter((bits) => bits % 3 === 0);
  for (const mode of MODES) {
    for (const a of NUMBERS) {
      for (const b of some) {
        for (const c of some) {
          const [x, y, z] = [toNumber(a), toNumber(b), toNumber(c)];
          const got = multiplyAdd(MINI, mode, BigInt(a), BigInt(b), BigInt(c));
          const text = disagreement("multiplyAdd", x * y + z, mode, got);
          if (text !== undefined) wrong.push(text);
        }
      }
    }
  }
  expect(wrong.slice(0, 10)).toEqual([]);
});
