/** Helpers on non-negative bigints: powers of two, shifts by a number, bit length, integer square root. */

// Fused multiply-add of binary128 needs shifts up to about 460; making a bigint from a number for each shift costs
// more than the shift itself.
const TABLE_SIZE = 512;
const SHIFTS: readonly bigint[] = Array.from({ length: TABLE_SIZE }, (_, n) => BigInt(n));
const POWERS: readonly bigint[] = SHIFTS.map((n) => 1n << n);

/** 2^n, n >= 0. */
export function pow2(n: number): bigint {
  return POWERS[n] ?? 1n << BigInt(n);
}

/** value * 2^n, n >= 0. */
export function shiftLeft(value: bigint, n: number): bigint {
  return value << (SHIFTS[n] ?? BigInt(n));
}

/** floor(value / 2^n), n >= 0. */
export function shiftRight(value: bigint, n: number): bigint {
  return value >> (SHIFTS[n] ?? BigInt(n));
}

const asDouble = new Float64Array(1);
const asWords = new Int32Array(asDouble.buffer);

/** Bits up to and with the leading one; 0 for 0. `value` is below 2^1023. */
export function bitLength(value: bigint): number {
  if (value === 0n) return 0;
  asDouble[0] = Number(value);
  const high = asWords[1] as number;
  const length = (high >> 20) - 1022;
  // The conversion rounds, so a power of two may really be a run of ones one bit shorter.
  const isPowerOfTwo = (high & 0xfffff) === 0 && asWords[0] === 0;
  return isPowerOfTwo && length > 53 && value < pow2(length - 1) ? length - 1 : length;
}

/** floor(sqrt(value)). `value` is below 2^1023. */
export function squareRoot(value: bigint): bigint {
  if (value === 0n) return 0n;
  // Newton's step from any positive estimate lands at or above the root, and from there only descends to it.
  const estimate = BigInt(Math.floor(Math.sqrt(Number(value))));
  let root = (estimate + value / estimate) >> 1n;
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}
