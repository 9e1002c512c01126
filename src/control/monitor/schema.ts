/**
 * Types of QMP: what a command takes and gives, said once. From them come the check of a client's arguments, the
 * TypeScript types of the code that runs, `query-qmp-schema` and the documentation.
 */
import type { JsonValue } from "#control/monitor/json/json-value.ts";
import type { Writable } from "#control/monitor/json/json-writer.ts";

export type Schema =
  | { readonly kind: "str" | "bool" | "number" | "any" | "null" }
  /** An integer that code sees as a number; `int64` one that it sees exactly, as a bigint. */
  | { readonly kind: "int"; readonly lowest: bigint; readonly highest: bigint; readonly type: string }
  | { readonly kind: "int64" }
  | { readonly kind: "enum"; readonly name: string; readonly values: readonly string[] }
  | { readonly kind: "array"; readonly of: Schema }
  | ObjectSchema;

export type ObjectSchema = {
  readonly kind: "object";
  /** For documentation. */
  readonly name: string;
  readonly members: Members;
  /** Further members by the value of the member `tag`, which is an enumeration. */
  readonly variants?: { readonly tag: string; readonly cases: Readonly<Record<string, Members>> };
};

export type Optional<S extends Schema = Schema> = { readonly kind: "optional"; readonly of: S };
export type Members = { readonly [name: string]: Schema | Optional };

/** What code gets of a client's value. */
export type ValueOf<S> =
  S extends Optional<infer T>
    ? ValueOf<T> | undefined
    : S extends { readonly kind: "str" }
      ? string
      : S extends { readonly kind: "bool" }
        ? boolean
        : S extends { readonly kind: "int" | "number" }
          ? number
          : S extends { readonly kind: "int64" }
            ? bigint
            : S extends { readonly kind: "enum"; readonly values: readonly (infer V)[] }
              ? V
              : S extends { readonly kind: "array"; readonly of: infer T }
                ? readonly ValueOf<T>[]
                : S extends { readonly kind: "object"; readonly members: infer M }
                  ? ArgumentsOf<M>
                  : JsonValue;
/** Members of variants are there, too; their types are the variant's. */
export type ArgumentsOf<M> = { readonly [K in keyof M]: ValueOf<M[K]> };

/** What code gives for a client. */
export type ReplyOf<S> =
  S extends Optional<infer T>
    ? ReplyOf<T> | undefined
    : S extends { readonly kind: "int" | "int64" }
      ? number | bigint
      : S extends { readonly kind: "array"; readonly of: infer T }
        ? readonly ReplyOf<T>[]
        : S extends { readonly kind: "object"; readonly members: infer M; readonly variants: object }
          ? ReplyMembers<M> & { readonly [key: string]: Writable | undefined }
          : S extends { readonly kind: "object"; readonly members: infer M }
            ? ReplyMembers<M>
            : S extends { readonly kind: "any" | "null" }
              ? Writable
              : ValueOf<S>;
type OptionalKeys<M> = { [K in keyof M]: M[K] extends Optional ? K : never }[keyof M];
export type ReplyMembers<M> = { readonly [K in Exclude<keyof M, OptionalKeys<M>>]: ReplyOf<M[K]> } & {
  readonly [K in OptionalKeys<M>]?: ReplyOf<M[K]>;
};

export const str = { kind: "str" } as const;
export const bool = { kind: "bool" } as const;
export const any = { kind: "any" } as const;
export const int64 = { kind: "int64" } as const;

const INT = { kind: "int", lowest: -(1n << 63n), highest: (1n << 63n) - 1n, type: "int" } as const;
/** An integer; exact up to 2^53. */
export const int: Schema & { readonly kind: "int" } = INT;

export const array = <const S extends Schema>(of: S): { readonly kind: "array"; readonly of: S } => ({
  kind: "array",
  of,
});
export const optional = <const S extends Schema>(of: S): Optional<S> => ({ kind: "optional", of });
export const enumeration = <const V extends string>(
  name: string,
  values: readonly V[],
): { readonly kind: "enum"; readonly name: string; readonly values: readonly V[] } => ({ kind: "enum", name, values });
export const object = <const M extends Members>(
  name: string,
  members: M,
): { readonly kind: "object"; readonly name: string; readonly members: M } => ({ kind: "object", name, members });
/** An object with further members by the value of `tag`. */
export const union = <const M extends Members, const C extends Readonly<Record<string, Members>>>(
  name: string,
  members: M,
  tag: keyof M & string,
  cases: C,
): {
  readonly kind: "object";
  readonly name: string;
  readonly members: M;
  readonly variants: { readonly tag: string; readonly cases: C };
} => ({ kind: "object", name, members, variants: { tag, cases } });
