/** Damaged files: valid ones with a few changes that a reader may fall over. */
import * as fc from "fast-check";

/** Numbers on which bounds checks go wrong. */
const EDGES = [
  0n,
  1n,
  2n,
  3n,
  7n,
  8n,
  0x7fn,
  0x80n,
  0xffn,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  1n << 48n,
].concat([(1n << 53n) - 1n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n]);

type Edit =
  | { readonly kind: "bytes"; readonly at: number; readonly bytes: Uint8Array }
  | {
      readonly kind: "number";
      readonly at: number;
      readonly width: 2 | 4 | 8;
      readonly value: bigint;
      readonly big: boolean;
    }
  | { readonly kind: "cut"; readonly at: number }
  | { readonly kind: "remove"; readonly at: number; readonly lengthBytes: number }
  | { readonly kind: "repeat"; readonly at: number; readonly lengthBytes: number; readonly times: number };

/** A place as a number below 1 for one anywhere in the file, above for an offset: most of what decides is at the start. */
const place = fc.oneof(
  fc.integer({ min: 1, max: 63 }),
  fc.integer({ min: 1, max: 511 }),
  fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
);
const value = fc.oneof(fc.constantFrom(...EDGES), fc.bigInt(0n, 4096n), fc.bigInt(0n, (1n << 64n) - 1n));
const edit: fc.Arbitrary<Edit> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("bytes"),
      at: place,
      bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("number"),
      at: place,
      width: fc.constantFrom(2, 4, 8),
      value,
      big: fc.boolean(),
    }),
  },
  fc.record({ kind: fc.constant("cut"), at: place }),
  fc.record({ kind: fc.constant("remove"), at: place, lengthBytes: fc.integer({ min: 1, max: 64 }) }),
  fc.record({
    kind: fc.constant("repeat"),
    at: place,
    lengthBytes: fc.integer({ min: 1, max: 64 }),
    times: fc.integer({ min: 1, max: 50 }),
  }),
);

/** One of `seeds` with up to six changes; none is possible, too. */
export function damaged(...seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.constantFrom(...seeds), fc.array(edit, { maxLength: 6 }))
    .map(([seed, edits]) => edits.reduce(apply, new Uint8Array(seed)));
}

/** Damaged files, and now and then bytes without any form. */
export function damagedOrRandom(...seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  return fc.oneof(
    { weight: 12, arbitrary: damaged(...seeds) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 256 }) },
  );
}

function apply(bytes: Uint8Array, one: Edit): Uint8Array {
  const at = Math.min(one.at < 1 ? Math.floor(one.at * bytes.length) : one.at, bytes.length);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (one.kind) {
    case "bytes":
      return joined(before, one.bytes, after.subarray(one.bytes.length));
    case "number": {
      const view = new DataView(new ArrayBuffer(8));
      view.setBigUint64(0, BigInt.asUintN(8 * one.width, one.value), !one.big);
      const number = new Uint8Array(view.buffer).subarray(one.big ? 8 - one.width : 0, one.big ? 8 : one.width);
      return joined(before, number, after.subarray(one.width));
    }
    case "cut":
      return before;
    case "remove":
      return joined(before, after.subarray(one.lengthBytes));
    default:
      return joined(before, ...Array.from({ length: one.times }, () => after.subarray(0, one.lengthBytes)), after);
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** `text` with a few characters put in, taken out or doubled. */
export function damagedText(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const change = fc.tuple(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.integer({ min: 0, max: 4 }),
    fc.oneof(
      fc.constantFrom("", ",", "=", ",,", ".", "{", "}", '"', "\\", "[", "0", "-", "\0", "é", "\ud800"),
      fc.string({ maxLength: 3 }),
    ),
  );
  return fc.tuple(text, fc.array(change, { maxLength: 4 })).map(([start, changes]) =>
    changes.reduce((current, [where, removed, added]) => {
      const at = Math.floor(where * current.length);
      return current.slice(0, at) + added + current.slice(at + removed);
    }, start),
  );
}
