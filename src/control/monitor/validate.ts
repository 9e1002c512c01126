/**
 * A client's value against its schema. Errors are QEMU's sentences, which clients show and some match.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "#control/monitor/json/json-value.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import type { Members, ObjectSchema, Schema } from "#control/monitor/schema.ts";

/** The arguments of a command as its code takes them. Throws {@link QmpError}. */
export function readArguments(schema: ObjectSchema, given: JsonObject): Record<string, unknown> {
  return readObject(schema, given, "");
}

function readObject(schema: ObjectSchema, given: JsonObject, path: string): Record<string, unknown> {
  const { variants } = schema;
  const result = readMembers(schema.members, given, path);
  let { members } = schema;
  if (variants) {
    const more = variants.cases[String(result[variants.tag])] ?? {};
    Object.assign(result, readMembers(more, given, path));
    members = { ...members, ...more };
  }
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(members, name)) throw new QmpError(`Parameter '${path}${name}' is unexpected`);
  }
  return result;
}

function readMembers(members: Members, given: JsonObject, path: string): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(members)) {
    const value = given[name];
    if (value !== undefined) {
      result[name] = readValue(member.kind === "optional" ? member.of : member, value, path + name);
    } else if (member.kind !== "optional") throw new QmpError(`Parameter '${path}${name}' is missing`);
  }
  return result;
}

function readValue(schema: Schema, value: JsonValue, path: string): unknown {
  switch (schema.kind) {
    case "str":
      return typeof value === "string" ? value : wrongType(path, "string");
    case "bool":
      return typeof value === "boolean" ? value : wrongType(path, "boolean");
    case "number":
      return typeof value === "number" || typeof value === "bigint" ? Number(value) : wrongType(path, "number");
    case "null":
      return value === null ? null : wrongType(path, "null");
    case "any":
      return value;
    case "int":
      if (typeof value !== "bigint") return wrongType(path, "integer");
      if (value < schema.lowest || value > schema.highest)
        return wrongType(path, schema.type === "int" ? "integer" : schema.type);
      return Number(value);
    case "int64":
      return typeof value === "bigint" ? value : wrongType(path, "integer");
    case "enum":
      if (typeof value !== "string") return wrongType(path, "string");
      if (!schema.values.includes(value)) throw new QmpError(`Parameter '${path}' does not accept value '${value}'`);
      return value;
    case "array":
      if (!Array.isArray(value)) return wrongType(path, "array");
      return (value as readonly JsonValue[]).map((item, index) => readValue(schema.of, item, `${path}[${index}]`));
    default:
      return isJsonObject(value) ? readObject(schema, value, `${path}.`) : wrongType(path, "object");
  }
}

function wrongType(path: string, expected: string): never {
  throw new QmpError(`Invalid parameter type for '${path}', expected: ${expected}`);
}
