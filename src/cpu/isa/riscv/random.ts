/**
 * Random numbers for tests: a small generator with a seed, and operand values that are more interesting than uniform
 * ones (powers of two, runs of ones, NaNs, subnormals).
 */

/** A generator of 32-bit numbers (sfc32); the same seed gives the same sequence everywhere. */
export class Random {
  #a: number;
  #b: number;
  #c = 0x9e3779b9;
  #counter = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    for (let i = 0; i < 12; i++) this.u32();
  }

  u32(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }
  /** 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor((this.u32() / 2 ** 32) * limit);
  }
  /** `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }
  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }
}

const mask64 = (value: bigint): bigint => BigInt.asUintN(64, value);

/** A value for an integer register. */
export function randomInteger(random: Random): bigint {
  switch (random.below(8)) {
    case 0:
      return mask64(BigInt(random.between(-3, 3)));
    case 1:
      return mask64((1n << BigInt(random.below(64))) + BigInt(random.between(-1, 1)));
    case 2:
      return mask64(-(1n << BigInt(random.below(64))) + BigInt(random.between(-1, 1)));
    case 3:
      return mask64(BigInt(random.u32() | 0));
    case 4:
      return random.u64() >> BigInt(random.below(64));
    case 5:
      return random.u64() & random.u64() & random.u64();
    default:
      return random.u64();
  }
}

type FloatShape = { readonly exponentBits: number; readonly fractionBits: number };
const F64_SHAPE: FloatShape = { exponentBits: 11, fractionBits: 52 };
const F32_SHAPE: FloatShape = { exponentBits: 8, fractionBits: 23 };
const F16_SHAPE: FloatShape = { exponentBits: 5, fractionBits: 10 };

function randomFloatBits(random: Random, { exponentBits, fractionBits }: FloatShape): bigint {
  const maxExponent = (1 << exponentBits) - 1;
  const bias = maxExponent >> 1;
  const exponents = [
    0,
    1,
    2,
    maxExponent,
    maxExponent - 1,
    bias,
    bias + 1,
    bias - 1,
    bias + fractionBits,
    bias - fractionBits,
  ];
  const exponent = random.oneIn(2)
    ? random.pick(exponents)
    : random.oneIn(2)
      ? random.between(Math.max(0, bias - 70), Math.min(maxExponent, bias + 70))
      : random.below(maxExponent + 1);
  const ones = (1n << BigInt(fractionBits)) - 1n;
  const uniform = random.u64() & ones;
  const fraction = [
    uniform,
    uniform,
    0n,
    1n,
    ones,
    ones ^ 1n,
    1n << BigInt(fractionBits - 1),
    uniform & random.u64() & random.u64(),
  ];
  const sign = BigInt(random.below(2));
  return (((sign << BigInt(exponentBits)) | BigInt(exponent)) << BigInt(fractionBits)) | random.pick(fraction);
}

/** The 64 bits of a floating-point register: a double, or a boxed (now and then badly boxed) single or half. */
export function randomFloat(random: Random): bigint {
  switch (random.below(9)) {
    case 0:
      return random.u64();
    case 1:
      return randomFloatBits(random, F16_SHAPE) | (0xffff_ffff_ffffn << 16n);
    case 2:
    case 3:
    case 4:
    case 5:
      return randomFloatBits(random, F32_SHAPE) | (0xffff_ffffn << 32n);
    default:
      return randomFloatBits(random, F64_SHAPE);
  }
}
