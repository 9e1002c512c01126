/**
 * JSON as the monitor keeps it: integers and other numbers are different things, as QMP's types are.
 */

/** A bigint is an integer of 64 bits, signed or not; a number is anything else. Objects have no prototype. */
export type JsonValue = null | boolean | bigint | number | string | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [key: string]: JsonValue };

export function isJsonObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
