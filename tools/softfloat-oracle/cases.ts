/**
 * Cases for the floating-point oracles: every pair and triple of edge values, then random ones weighted towards
 * where implementations differ (cancellation, exact halves, the edges of the exponent range, integer boundaries).
 *
 * A case is one 32-byte request as oracle.c reads it.
 */

import { FloatFormatIndex, type FloatFormatName, FloatOp, type FloatOpName } from "#cpu/softfloat/dispatch.ts";

export const REQUEST_BYTES = 32;
const REQUEST_WORDS = REQUEST_BYTES / 4;

/** A batch of requests, seen as words for writing and as bigints for reading. */
export class CaseBatch {
  readonly capacity: number;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly values: BigUint64Array;
  count = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.bytes = new Uint8Array(capacity * REQUEST_BYTES);
    this.words = new Uint32Array(this.bytes.buffer);
    this.values = new BigUint64Array(this.bytes.buffer);
  }

  op(index: number): number {
    return (this.words[index * REQUEST_WORDS] as number) & 0xff;
  }
  format(index: number): number {
    return ((this.words[index * REQUEST_WORDS] as number) >> 8) & 0xff;
  }
  rounding(index: number): number {
    return ((this.words[index * REQUEST_WORDS] as number) >> 16) & 0xff;
  }
  /** Operand 0 to 2. */
  operand(index: number, which: number): bigint {
    return this.values[index * 4 + 1 + which] as bigint;
  }
  /**
   * The register that holds operand 0 to 2. A narrow one is boxed, unless the case has it that it is not: then the
   * operand is the canonical NaN.
   */
  register(index: number, which: number): bigint {
    const value = this.operand(index, which);
    const format = this.format(index);
    if (format === FloatFormatIndex.f64 || isFromInteger(this.op(index))) return value;
    const shift = format === FloatFormatIndex.f32 ? 32n : 16n;
    const badlyBoxed = (this.words[index * REQUEST_WORDS] as number) >>> 24;
    const box = -1n << shift;
    // One bit of the box is clear.
    const hole = badlyBoxed & (1 << which) ? 1n << (shift + BigInt(index % (64 - Number(shift)))) : 0n;
    return BigInt.asUintN(64, (box ^ hole) | value);
  }
}

const isFromInteger = (op: number): boolean => op >= FloatOp.from_i32 && op <= FloatOp.from_u64;

/** Fills batches; leaves `count` below the capacity only in the last one. */
export type CaseSource = { next(batch: CaseBatch): void };

/** Another source's cases, some operands of which are not boxed in their registers, and so the canonical NaN. */
export class BadlyBoxedCases implements CaseSource {
  readonly #source: CaseSource;
  readonly #random: () => number;

  constructor(source: CaseSource, seed: number) {
    this.#source = source;
    this.#random = randomWords(seed);
  }

  next(batch: CaseBatch): void {
    this.#source.next(batch);
    for (let index = 0; index < batch.count; index++) {
      const format = batch.format(index);
      if (format === FloatFormatIndex.f64 || isFromInteger(batch.op(index)) || this.#random() % 16 !== 0) continue;
      const which = this.#random() % 8;
      batch.words[index * REQUEST_WORDS] = (batch.words[index * REQUEST_WORDS] as number) | (which << 24);
      for (let operand = 0; operand < 3; operand++) {
        if (which & (1 << operand)) {
          batch.values[index * 4 + 1 + operand] = format === FloatFormatIndex.f32 ? 0x7fc00000n : 0x7e00n;
        }
      }
    }
  }
}

type Layout = {
  readonly name: FloatFormatName;
  readonly index: FloatFormatIndex;
  readonly width: number;
  readonly fractionBits: number;
  readonly bias: number;
  readonly maxExponent: number;
};

const LAYOUTS: readonly Layout[] = [
  { name: "f16", index: FloatFormatIndex.f16, width: 16, fractionBits: 10, bias: 15, maxExponent: 31 },
  { name: "f32", index: FloatFormatIndex.f32, width: 32, fractionBits: 23, bias: 127, maxExponent: 255 },
  { name: "f64", index: FloatFormatIndex.f64, width: 64, fractionBits: 52, bias: 1023, maxExponent: 2047 },
];

type Operation = {
  readonly name: FloatOpName;
  readonly op: FloatOp;
  readonly layout: Layout;
  readonly operands: number;
};

const TERNARY = new Set<FloatOpName>(["fmadd", "fmsub", "fnmsub", "fnmadd"]);
const BINARY = new Set<FloatOpName>([
  "add",
  "sub",
  "mul",
  "div",
  "min",
  "max",
  "minm",
  "maxm",
  "eq",
  "lt",
  "le",
  "ltq",
  "leq",
]);
const ROUNDING_MODES = 5;

function operands(name: FloatOpName): number {
  if (TERNARY.has(name)) return 3;
  return BINARY.has(name) ? 2 : 1;
}

/** Every operation in every format that has it. */
export const OPERATIONS: readonly Operation[] = LAYOUTS.flatMap((layout) =>
  (Object.keys(FloatOp) as FloatOpName[])
    .filter((name) => name !== `to_${layout.name}` && (name !== "cvtmod_w" || layout.name === "f64"))
    .map((name) => ({ name, op: FloatOp[name], layout, operands: operands(name) })),
);

/** Values at which something changes, positive and negative. */
function edgeValues(layout: Layout): bigint[] {
  const f = BigInt(layout.fractionBits);
  const one = BigInt(layout.bias) << f;
  const infinity = BigInt(layout.maxExponent) << f;
  const normal = 1n << f;
  const quiet = 1n << (f - 1n);
  // biome-ignore format: a table
  const magnitudes = [
    0n, 1n, 2n, 3n, quiet, normal - 1n, normal, normal + 1n, 2n * normal - 1n, 2n * normal, one - normal, one - 1n, one,
    one + 1n, one | quiet, one + normal, infinity - normal, infinity - 2n, infinity - 1n, infinity, infinity | quiet,
    infinity | 1n, infinity | quiet | 1n, infinity | (normal - 1n),
  ];
  // Powers of two at the ends of the integer types and of the significand, with their neighbours and halves.
  for (const exponent of [7, 8, 15, 16, 31, 32, 63, 64, 83, 84, layout.fractionBits - 1, layout.fractionBits]) {
    const biased = exponent + layout.bias;
    if (biased >= layout.maxExponent) continue;
    const power = BigInt(biased) << f;
    magnitudes.push(power - 2n, power - 1n, power, power + 1n);
    if (exponent < layout.fractionBits) magnitudes.push(power | (1n << (f - BigInt(exponent) - 1n)));
  }
  return withSigns(magnitudes, BigInt(layout.width - 1));
}

/** Few enough for every triple. */
function edgeValuesForTriples(layout: Layout): bigint[] {
  const f = BigInt(layout.fractionBits);
  const one = BigInt(layout.bias) << f;
  const infinity = BigInt(layout.maxExponent) << f;
  const quiet = 1n << (f - 1n);
  const magnitudes = [
    0n,
    1n,
    (1n << f) - 1n,
    1n << f,
    one,
    one + 1n,
    infinity - 1n,
    infinity,
    infinity | quiet,
    infinity | 1n,
  ];
  return withSigns(magnitudes, BigInt(layout.width - 1));
}

function withSigns(magnitudes: bigint[], signShift: bigint): bigint[] {
  const unique = [...new Set(magnitudes)];
  return [...unique, ...unique.map((value) => value | (1n << signShift))];
}

/** Ends of the integer types, and integers that lie halfway between two floats. */
const EDGE_INTEGERS: readonly bigint[] = (() => {
  const values: bigint[] = [0n, 1n, 2n, 3n];
  for (const bits of [8, 11, 12, 16, 24, 25, 31, 32, 33, 53, 54, 55, 63, 64]) {
    const power = 1n << BigInt(bits);
    values.push(power - 2n, power - 1n, power, power + 1n, power + 2n, power + 3n);
  }
  // 65504 is the largest binary16 value, 65520 the first that overflows to nearest.
  values.push(65504n, 65505n, 65519n, 65520n, 65521n);
  return [...new Set(values.flatMap((value) => [BigInt.asUintN(64, value), BigInt.asUintN(64, -value)]))];
})();

/** All edge values of all operations in all rounding modes: about 3.5 million cases. */
export class EdgeCases implements CaseSource {
  readonly #cases = EdgeCases.#all();

  next(batch: CaseBatch): void {
    batch.count = 0;
    while (batch.count < batch.capacity) {
      const next = this.#cases.next();
      if (next.done === true) return;
      const [operation, rounding, a, b, c] = next.value;
      const index = batch.count++;
      batch.values[index * 4] = BigInt(header(operation, rounding));
      batch.values[index * 4 + 1] = a;
      batch.values[index * 4 + 2] = b;
      batch.values[index * 4 + 3] = c;
    }
  }

  static *#all(): Generator<readonly [Operation, number, bigint, bigint, bigint], void> {
    for (const operation of OPERATIONS) {
      const all = operation.name.startsWith("from_") ? EDGE_INTEGERS : edgeValues(operation.layout);
      const forTriples = edgeValuesForTriples(operation.layout);
      const zero = [0n];
      for (let rounding = 0; rounding < ROUNDING_MODES; rounding++) {
        for (const a of operation.operands === 3 ? forTriples : all) {
          for (const b of operation.operands === 3 ? forTriples : operation.operands === 2 ? all : zero) {
            for (const c of operation.operands === 3 ? forTriples : zero) yield [operation, rounding, a, b, c];
          }
        }
      }
    }
  }
}

function header(operation: Operation, rounding: number): number {
  return operation.op | (operation.layout.index << 8) | (rounding << 16);
}

// Arithmetic has more to go wrong than the rest.
const WEIGHTED = OPERATIONS.flatMap((operation) =>
  operation.op <= FloatOp.fnmadd ? [operation, operation, operation] : [operation],
);

/** An endless, repeatable sequence of random cases. */
export class RandomCases implements CaseSource {
  readonly #random: () => number;
  readonly #edges = new Map(LAYOUTS.map((layout) => [layout, Uint32Array.from(edgeValues(layout).flatMap(toWords))]));
  readonly #double = new Float64Array(1);
  readonly #doubleWords = new Uint32Array(this.#double.buffer);
  readonly #single = new Float32Array(1);
  readonly #singleWords = new Uint32Array(this.#single.buffer);

  constructor(seed: number) {
    this.#random = randomWords(seed);
  }

  next(batch: CaseBatch): void {
    for (let index = 0; index < batch.capacity; index++) this.#writeCase(batch.words, index * REQUEST_WORDS);
    batch.count = batch.capacity;
  }

  #writeCase(words: Uint32Array, at: number): void {
    const operation = WEIGHTED[this.#below(WEIGHTED.length)] as Operation;
    const layout = operation.layout;
    words.fill(0, at, at + REQUEST_WORDS);
    words[at] = header(operation, this.#below(ROUNDING_MODES));
    if (operation.name.startsWith("from_")) return this.#writeInteger(words, at + 2);

    const ea = this.#exponent(layout);
    this.#writeFloat(words, at + 2, layout, ea);
    if (operation.operands === 1) return;

    const eb = this.#below(4) === 0 ? this.#exponent(layout) : this.#partner(operation, ea);
    this.#writeFloat(words, at + 4, layout, eb);
    if (operation.operands === 2) {
      // Equal operands, or equal but for the sign.
      if (this.#below(12) === 0) this.#copyOperand(words, at + 4, at + 2, layout);
      return;
    }

    const reach = 2 * layout.fractionBits + 6;
    const near = ea + eb - layout.bias + this.#below(2 * reach + 1) - reach;
    this.#writeFloat(words, at + 6, layout, this.#below(3) === 0 ? this.#exponent(layout) : near);
    if (this.#below(8) === 0) this.#writeProduct(words, at, layout);
  }

  /** An exponent for the second operand that makes the result interesting. */
  #partner(operation: Operation, ea: number): number {
    const { bias, maxExponent, fractionBits } = operation.layout;
    if (operation.op === FloatOp.div || operation.op === FloatOp.mul || operation.operands === 3) {
      // A product or quotient around the smallest subnormal, the smallest normal, one, or the largest value.
      const target = [-fractionBits, 0, bias, maxExponent][this.#below(4)] as number;
      const jitter = this.#below(9) - 4;
      return operation.op === FloatOp.div ? ea - target + bias + jitter : target - ea + bias + jitter;
    }
    const reach = fractionBits + 4;
    return ea + (this.#below(2) === 0 ? this.#below(5) - 2 : this.#below(2 * reach + 1) - reach);
  }

  #exponent(layout: Layout): number {
    const { bias, maxExponent } = layout;
    switch (this.#below(8)) {
      case 0:
        return 0;
      case 1:
        return 1 + this.#below(3);
      case 2:
        return maxExponent - this.#below(4);
      case 3:
      case 4:
        return bias - 4 + this.#below(92);
      default:
        return this.#below(maxExponent);
    }
  }

  #writeFloat(words: Uint32Array, at: number, layout: Layout, exponent: number): void {
    if (this.#below(12) === 0) {
      const edges = this.#edges.get(layout) as Uint32Array;
      const pick = 2 * this.#below(edges.length / 2);
      words[at] = edges[pick] as number;
      words[at + 1] = edges[pick + 1] as number;
      return;
    }
    const biased = Math.min(Math.max(exponent, 0), layout.maxExponent);
    const sign = this.#random() & 1;
    this.#writeFraction(words, at, layout.fractionBits);
    if (layout.fractionBits > 32) {
      words[at + 1] = (words[at + 1] as number) | (biased << (layout.fractionBits - 32)) | (sign << 31);
    } else {
      words[at] = (words[at] as number) | (biased << layout.fractionBits) | (sign << (layout.width - 1));
    }
  }

  /** Random bits, runs of ones and zeros at either end, single bits: what rounding looks at. */
  #writeFraction(words: Uint32Array, at: number, bits: number): void {
    let low = this.#random();
    let high = this.#random();
    const cut = this.#below(bits + 1);
    const lowOnes = cut >= 32 ? 0xffffffff : 2 ** cut - 1;
    const highOnes = cut > 32 ? 2 ** (cut - 32) - 1 : 0;
    switch (this.#below(8)) {
      case 0: // zeros at the end
        low &= ~lowOnes;
        high &= ~highOnes;
        break;
      case 1: // ones at the end
        low |= lowOnes;
        high |= highOnes;
        break;
      case 2: // zeros in front
        low &= lowOnes;
        high &= highOnes;
        break;
      case 3: // ones in front, zeros behind
        low = ~lowOnes;
        high = ~highOnes;
        break;
      case 4: // one bit
        low = cut < 32 ? 1 << cut : 0;
        high = cut >= 32 ? 1 << (cut - 32) : 0;
        break;
      default:
        break;
    }
    words[at] = bits >= 32 ? low : low & (2 ** bits - 1);
    words[at + 1] = bits > 32 ? high & (2 ** (bits - 32) - 1) : 0;
  }

  #writeInteger(words: Uint32Array, at: number): void {
    this.#writeFraction(words, at, 64);
    const length = this.#below(65);
    // Fewer significant bits, then perhaps negative.
    let low = length >= 32 ? (words[at] as number) : (words[at] as number) & (2 ** length - 1);
    let high = length > 32 ? (words[at + 1] as number) & (2 ** (length - 32) - 1) : 0;
    if (this.#below(2) === 0) {
      low = ~low;
      high = ~high;
    }
    words[at] = low;
    words[at + 1] = high;
  }

  #copyOperand(words: Uint32Array, to: number, from: number, layout: Layout): void {
    words[to] = words[from] as number;
    words[to + 1] = words[from + 1] as number;
    if (this.#below(2) === 0) this.#flipSign(words, to, layout);
  }

  #flipSign(words: Uint32Array, at: number, layout: Layout): void {
    const word = layout.width > 32 ? at + 1 : at;
    words[word] = (words[word] as number) ^ (1 << ((layout.width - 1) & 31));
  }

  /** Makes the addend the rounded product, of either sign: what is left is the rounding error. */
  #writeProduct(words: Uint32Array, at: number, layout: Layout): void {
    if (layout.name === "f64") {
      const a = this.#readDouble(words, at + 2);
      const b = this.#readDouble(words, at + 4);
      this.#double[0] = a * b;
      words[at + 6] = this.#doubleWords[0] as number;
      words[at + 7] = this.#doubleWords[1] as number;
    } else if (layout.name === "f32") {
      const a = this.#readSingle(words, at + 2);
      const b = this.#readSingle(words, at + 4);
      this.#single[0] = a * b;
      words[at + 6] = this.#singleWords[0] as number;
    } else {
      return;
    }
    if (this.#below(2) === 0) this.#flipSign(words, at + 6, layout);
  }

  #readDouble(words: Uint32Array, at: number): number {
    this.#doubleWords[0] = words[at] as number;
    this.#doubleWords[1] = words[at + 1] as number;
    return this.#double[0] as number;
  }

  #readSingle(words: Uint32Array, at: number): number {
    this.#singleWords[0] = words[at] as number;
    return this.#single[0] as number;
  }

  #below(limit: number): number {
    return Math.floor((this.#random() / 2 ** 32) * limit);
  }
}

function toWords(value: bigint): [number, number] {
  return [Number(value & 0xffffffffn), Number(value >> 32n)];
}

/** Unsigned 32-bit words: Marsaglia's xorshift with 128 bits of state ("Xorshift RNGs", 2003). */
function randomWords(seed: number): () => number {
  let x = seed | 0;
  let y = 362436069;
  let z = 521288629;
  let w = 88675123;
  return () => {
    const t = x ^ (x << 11);
    x = y;
    y = z;
    z = w;
    w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
    return w >>> 0;
  };
}
