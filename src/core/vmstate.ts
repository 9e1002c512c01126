/**
 * State declared once. From a schema come the type, the place in shared memory, reset, save and load.
 *
 * A device's state lies in shared memory (see `StateArena`), so that a device object may be made on
 * every thread around the same state; whoever touches it holds the device's lock.
 * On the wire it is QEMU's vmstate: fields in order, big-endian, then subsections.
 *
 * Spec: QEMU docs/devel/migration/main, "VMState".
 */
import type { ByteReader, ByteWriter } from "#core/bytes.ts";
import { oneLine } from "#core/one-line.ts";

/** One field: its size and alignment in shared memory, and how it goes over the wire. */
export type Field<T> = {
  readonly sizeBytes: number;
  readonly alignBytes: number;
  /** First section version that has the field. */
  readonly since: number;
  /** What the stream's description of itself says of it. */
  readonly wire: WireField;
  /** Returns the accessor of the field at `offset`; `get` of an array field gives a live view. */
  bind(memory: ArrayBufferLike, offset: number): Accessor<T>;
};
/** A field as it stands in the stream: QEMU's type name, bytes of one element, and how many elements (absent: one). */
export type WireField = {
  readonly type: string;
  readonly size: number;
  readonly array_len?: number;
  readonly struct?: {
    readonly vmsd_name: string;
    readonly version: number;
    readonly fields: readonly NamedWireField[];
  };
};
export type NamedWireField = { readonly name: string } & WireField;
export type SectionDescription = {
  readonly vmsd_name: string;
  readonly version: number;
  readonly fields: readonly NamedWireField[];
  readonly subsections?: readonly SectionDescription[];
};
export type Accessor<T> = {
  get(): T;
  set(value: T): void;
  reset(): void;
  save(out: ByteWriter): void;
  load(from: ByteReader): void;
};
type Accessors = ReadonlyMap<string, Accessor<unknown>>;
export type Fields = { readonly [name: string]: Field<unknown> };
export type StateOf<F extends Fields> = { -readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

type Scalar<T> = {
  bytes: 1 | 2 | 4 | 8;
  read(view: DataView, at: number): T;
  write(view: DataView, at: number, value: T): void;
  put(out: ByteWriter, value: T): void;
  take(from: ByteReader): T;
};

function scalar<T>(kind: Scalar<T>, initial: T, since: number): Field<T> {
  return {
    sizeBytes: kind.bytes,
    alignBytes: kind.bytes,
    since,
    wire: { type: `uint${8 * kind.bytes}`, size: kind.bytes },
    bind(memory, offset) {
      const view = new DataView(memory, offset, kind.bytes);
      const set = (value: T): void => kind.write(view, 0, value);
      return {
        get: () => kind.read(view, 0),
        set,
        reset: () => set(initial),
        save: (out) => kind.put(out, kind.read(view, 0)),
        load: (from) => set(kind.take(from)),
      };
    },
  };
}

const U8: Scalar<number> = {
  bytes: 1,
  read: (v, at) => v.getUint8(at),
  write: (v, at, x) => v.setUint8(at, x),
  put: (o, x) => o.u8(x),
  take: (r) => r.u8(),
};
const U16: Scalar<number> = {
  bytes: 2,
  read: (v, at) => v.getUint16(at, true),
  write: (v, at, x) => v.setUint16(at, x, true),
  put: (o, x) => o.u16(x),
  take: (r) => r.u16(),
};
const U32: Scalar<number> = {
  bytes: 4,
  read: (v, at) => v.getUint32(at, true),
  write: (v, at, x) => v.setUint32(at, x, true),
  put: (o, x) => o.u32(x),
  take: (r) => r.u32(),
};
const U64: Scalar<bigint> = {
  bytes: 8,
  read: (v, at) => v.getBigUint64(at, true),
  write: (v, at, x) => v.setBigUint64(at, x, true),
  put: (o, x) => o.u64(x),
  take: (r) => r.u64(),
};
export const u8 = (initial = 0, since = 0): Field<number> => scalar(U8, initial, since);
export const u16 = (initial = 0, since = 0): Field<number> => scalar(U16, initial, since);
export const u32 = (initial = 0, since = 0): Field<number> => scalar(U32, initial, since);
export const u64 = (initial = 0n, since = 0): Field<bigint> => scalar(U64, initial, since);

/** An array field whose value is a live typed array over the shared memory. Reset fills it with 0. */
export function u8Array(length: number, since = 0): Field<Uint8Array> {
  return arrayField(
    length,
    1,
    since,
    (m, o) => new Uint8Array(m, o, length),
    (out, live, i) => out.u8(live[i] ?? 0),
    (from, live, i) => {
      live[i] = from.u8();
    },
  );
}
export function u32Array(length: number, since = 0): Field<Uint32Array> {
  return arrayField(
    length,
    4,
    since,
    (m, o) => new Uint32Array(m, o, length),
    (out, live, i) => out.u32(live[i] ?? 0),
    (from, live, i) => {
      live[i] = from.u32();
    },
  );
}
export function u64Array(length: number, since = 0): Field<BigUint64Array> {
  return arrayField(
    length,
    8,
    since,
    (m, o) => new BigUint64Array(m, o, length),
    (out, live, i) => out.u64(live[i] ?? 0n),
    (from, live, i) => {
      live[i] = from.u64();
    },
  );
}

function arrayField<A extends { set(source: A): void }>(
  length: number,
  elementBytes: number,
  since: number,
  make: (memory: ArrayBufferLike, offset: number) => A,
  put: (out: ByteWriter, live: A, i: number) => void,
  take: (from: ByteReader, live: A, i: number) => void,
): Field<A> {
  return {
    sizeBytes: length * elementBytes,
    alignBytes: elementBytes,
    since,
    wire: { type: `uint${8 * elementBytes}`, size: elementBytes, array_len: length },
    bind(memory, offset) {
      const live = make(memory, offset);
      return {
        get: () => live,
        set: (value) => live.set(value),
        reset: () => new Uint8Array(memory, offset, length * elementBytes).fill(0),
        save: (out) => {
          for (let i = 0; i < length; i++) put(out, live, i);
        },
        load: (from) => {
          for (let i = 0; i < length; i++) take(from, live, i);
        },
      };
    },
  };
}

/** A bound state: the fields as plain properties over shared memory. */
export type State<F extends Fields> = StateOf<F>;

/** A part of a section that is sent only when `needed`. */
export type Subsection<F extends Fields> = {
  readonly name: string;
  readonly version: number;
  readonly fields: readonly (keyof F & string)[];
  needed(state: StateOf<F>): boolean;
};

/** A declared state; see {@link vmstate}. */
export class VmState<F extends Fields> {
  readonly name: string;
  readonly version: number;
  readonly minimumVersion: number;
  readonly fields: F;
  readonly subsections: readonly Subsection<F>[];
  /** Bytes of shared memory a bound state takes, a multiple of 8. */
  readonly sizeBytes: number;
  readonly #offsets = new Map<string, number>();
  readonly #inSubsection: ReadonlySet<string>;
  /** By memory and offset. Binding takes longer than saving, which a machine that stands waits for. */
  readonly #bound = new WeakMap<ArrayBufferLike, Map<number, Accessors>>();

  constructor(name: string, version: number, fields: F, options: VmStateOptions<F>) {
    this.name = name;
    this.version = version;
    this.minimumVersion = options.minimumVersion ?? version;
    this.fields = fields;
    this.subsections = options.subsections ?? [];
    this.#inSubsection = new Set(this.subsections.flatMap((s) => s.fields));
    let at = 0;
    for (const [key, field] of Object.entries(fields)) {
      at = Math.ceil(at / field.alignBytes) * field.alignBytes;
      this.#offsets.set(key, at);
      at += field.sizeBytes;
    }
    this.sizeBytes = Math.ceil(at / 8) * 8;
  }

  /** Makes the state object over `memory` at `offset` (a multiple of 8). It is not reset. */
  bind(memory: ArrayBufferLike, offset = 0): State<F> {
    const state = {} as State<F>;
    for (const [key, accessor] of this.#accessors(memory, offset)) {
      Object.defineProperty(state, key, {
        enumerable: true,
        get: () => accessor.get(),
        set(value) {
          accessor.set(value);
        },
      });
    }
    return state;
  }

  /** Sets every field to its initial value. */
  reset(memory: ArrayBufferLike, offset = 0): void {
    for (const [, accessor] of this.#accessors(memory, offset)) accessor.reset();
  }

  /** Writes the fields, then the needed subsections, as a section's body. */
  save(memory: ArrayBufferLike, offset: number, out: ByteWriter): void {
    const accessors = this.#accessors(memory, offset);
    for (const [key, accessor] of accessors) if (!this.#inSubsection.has(key)) accessor.save(out);
    if (this.subsections.length === 0) return;
    const state = this.bind(memory, offset);
    for (const subsection of this.subsections) {
      if (!subsection.needed(state)) continue;
      out.u8(SUBSECTION);
      out.shortString(subsection.name);
      out.u32(subsection.version);
      for (const key of subsection.fields) accessors.get(key)?.save(out);
    }
  }

  /**
   * Reads a section's body of `version` from the front of what is left. Fields newer than it keep their reset values.
   * Throws {@link StateError} for a version that is not supported or an unknown subsection, `TruncatedError` for a short body.
   */
  load(memory: ArrayBufferLike, offset: number, from: ByteReader, version: number): void {
    if (version < this.minimumVersion || version > this.version) {
      throw new StateError(
        `section '${this.name}' has version ${version}; this machine loads ${this.minimumVersion} to ${this.version}`,
      );
    }
    this.reset(memory, offset);
    const accessors = this.#accessors(memory, offset);
    for (const [key, accessor] of accessors) {
      const field = this.fields[key];
      if (field && field.since <= version && !this.#inSubsection.has(key)) accessor.load(from);
    }
    const seen = new Set<string>();
    while (from.left > 0 && from.peek() === SUBSECTION) {
      from.u8();
      const name = from.shortString();
      const version = from.u32();
      const subsection = this.subsections.find((s) => s.name === name && s.version === version);
      if (!subsection || seen.has(name)) {
        throw new StateError(
          `section '${this.name}' carries an unknown or second subsection '${name}' version ${version}`,
        );
      }
      seen.add(name);
      for (const key of subsection.fields) accessors.get(key)?.load(from);
    }
  }

  /** The fields and the subsections that would be sent now. */
  describe(memory: ArrayBufferLike, offset: number): SectionDescription {
    const wire = (name: string): NamedWireField => ({ name, ...(this.fields[name] as Field<unknown>).wire });
    const state = this.bind(memory, offset);
    const subsections = this.subsections
      .filter((subsection) => subsection.needed(state))
      .map(({ name, version, fields }) => ({ vmsd_name: name, version, fields: fields.map(wire) }));
    return {
      vmsd_name: this.name,
      version: this.version,
      fields: Object.keys(this.fields)
        .filter((key) => !this.#inSubsection.has(key))
        .map(wire),
      ...(subsections.length > 0 && { subsections }),
    };
  }

  /** In the order of the fields. */
  #accessors(memory: ArrayBufferLike, offset: number): Accessors {
    let ofMemory = this.#bound.get(memory);
    if (!ofMemory) this.#bound.set(memory, (ofMemory = new Map()));
    let accessors = ofMemory.get(offset);
    if (!accessors) ofMemory.set(offset, (accessors = this.#bind(memory, offset)));
    return accessors;
  }
  #bind(memory: ArrayBufferLike, offset: number): Accessors {
    const bind = ([key, field]: [string, Field<unknown>]): [string, Accessor<unknown>] => [
      key,
      field.bind(memory, offset + (this.#offsets.get(key) ?? 0)),
    ];
    return new Map(Object.entries(this.fields).map(bind));
  }
}

const SUBSECTION = 5;

/** A section that cannot be loaded. The message is one line, whatever names the stream has. */
export class StateError extends Error {
  readonly code = "bad-state";
  constructor(message: string) {
    super(oneLine(message));
  }
}

export type VmStateOptions<F extends Fields> = {
  readonly minimumVersion?: number;
  readonly subsections?: readonly Subsection<F>[];
};

/** Declares a state named and versioned as QEMU's section is. */
export function vmstate<F extends Fields>(
  name: string,
  version: number,
  fields: F,
  options: VmStateOptions<F> = {},
): VmState<F> {
  return new VmState(name, version, fields, options);
}
