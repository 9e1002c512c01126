/**
 * Fields of a declared state beyond plain integers: words that lie at a fixed place with another width than in the
 * stream, numbers that are computed, bytes that nobody uses, arrays of structures.
 */
import type { ByteReader, ByteWriter } from "#core/bytes.ts";
import type { Accessor, Field, WireField } from "#core/vmstate.ts";

type Bits = 8 | 16 | 32 | 64;

/** `at` is relative to the start of the state, and is not laid out with the other fields. */
function fixed(wire: WireField, since: number, bind: Field<unknown>["bind"]): Field<unknown> {
  return { sizeBytes: 0, alignBytes: 1, since, wire, bind };
}

function accessor(save: (out: ByteWriter) => void, load: (from: ByteReader) => void): Accessor<unknown> {
  return { get: () => undefined, set: () => {}, reset: () => {}, save, load };
}

function put(out: ByteWriter, bits: Bits, value: bigint): void {
  if (bits === 64) out.u64(BigInt.asUintN(64, value));
  else if (bits === 32) out.u32(Number(BigInt.asUintN(32, value)));
  else if (bits === 16) out.u16(Number(BigInt.asUintN(16, value)));
  else out.u8(Number(BigInt.asUintN(8, value)));
}
function take(from: ByteReader, bits: Bits): bigint {
  if (bits === 64) return from.u64();
  return BigInt(bits === 32 ? from.u32() : bits === 16 ? from.u16() : from.u8());
}

/** A number that is made when it is saved, and dealt with when it is loaded; `view` begins at the state's start. */
export function computed(
  bits: Bits,
  save: (view: DataView) => bigint,
  load: (view: DataView, value: bigint) => void,
  type = `uint${bits}`,
): Field<unknown> {
  return fixed({ type, size: bits / 8 }, 0, (memory, offset) => {
    const view = new DataView(memory, offset);
    return accessor(
      (out) => put(out, bits, save(view)),
      (from) => load(view, take(from, bits)),
    );
  });
}

/** The word of `memoryBits` at `at`, which has `bits` in the stream: the rest is 0. */
export function wordAt(at: number, bits: Bits = 64, memoryBits: 32 | 64 = 64): Field<unknown> {
  return computed(
    bits,
    (view) => (memoryBits === 64 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true))),
    (view, value) => {
      if (memoryBits === 64) view.setBigUint64(at, value, true);
      else view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
    },
  );
}

/** `count` 64-bit words from `at` on. */
export function wordsAt(at: number, count: number): Field<unknown> {
  return fixed({ type: "uint64", size: 8, array_len: count }, 0, (memory, offset) => {
    const view = new DataView(memory, offset + at, 8 * count);
    return accessor(
      (out) => {
        for (let i = 0; i < count; i++) out.u64(view.getBigUint64(8 * i, true));
      },
      (from) => {
        for (let i = 0; i < count; i++) view.setBigUint64(8 * i, from.u64(), true);
      },
    );
  });
}

/** Always saved as `value`; what is loaded does not matter. */
export function constant(bits: Bits, value: bigint, type?: string): Field<unknown> {
  return computed(
    bits,
    () => value,
    () => {},
    type,
  );
}

/** Elements that are saved as 0 and not looked at. */
export function unusedArray(count: number, bytes: 1 | 2 | 4 | 8, since = 0): Field<unknown> {
  return fixed({ type: `uint${8 * bytes}`, size: bytes, array_len: count }, since, () =>
    accessor(
      (out) => out.bytes(new Uint8Array(count * bytes)),
      (from) => void from.bytes(count * bytes),
    ),
  );
}

/** Bytes that QEMU no longer uses. */
export function unusedBytes(count: number): Field<unknown> {
  return { ...unusedArray(count, 1), wire: { type: "unused_buffer", size: count } };
}

/** `count` structures; `members(i)` are the fields of the i-th. */
export function structs(
  name: string,
  version: number,
  count: number,
  members: (index: number) => Readonly<Record<string, Field<unknown>>>,
): Field<unknown> {
  const all = Array.from({ length: count }, (_, index) => members(index));
  const fields = Object.entries(all[0] ?? {}).map(([key, field]) => ({ name: key, ...field.wire }));
  const size = fields.reduce((sum, field) => sum + field.size * (field.array_len ?? 1), 0);
  const wire = { type: "struct", size, array_len: count, struct: { vmsd_name: name, version, fields } };
  return fixed(wire, 0, (memory, offset) => {
    const bound = all.flatMap((one) => Object.values(one).map((field) => field.bind(memory, offset)));
    return accessor(
      (out) => {
        for (const one of bound) one.save(out);
      },
      (from) => {
        for (const one of bound) one.load(from);
      },
    );
  });
}
