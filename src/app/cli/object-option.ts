/**
 * `-object type,id=...`: things that devices and the machine refer to.
 */

import type { ObjectConfig } from "#machine/config.ts";
import type { Draft, Print } from "./draft.ts";
import { parseStructured, type Value } from "./key-values.ts";
import { OptionError } from "./option-error.ts";
import {
  checkProperty,
  describeProperties,
  type PropertyRow,
  requireIdentifier,
  type Scalar,
  showValue,
} from "./properties.ts";

type ObjectRow = {
  readonly type: string;
  readonly properties: readonly PropertyRow[];
  readonly required: readonly string[];
};

const THREAD_NUMBERS = [
  "aio-max-batch",
  "poll-grow",
  "poll-max-ns",
  "poll-shrink",
  "thread-pool-max",
  "thread-pool-min",
];

export const OBJECTS: readonly ObjectRow[] = [
  {
    type: "iothread",
    properties: THREAD_NUMBERS.map((name) => ({ name, type: "int64", help: "accepted; has no effect here" })),
    required: [],
  },
  {
    type: "memory-backend-ram",
    properties: [
      { name: "size", type: "size", help: "bytes; must be the machine's memory size" },
      { name: "dump", type: "bool", help: "accepted; has no effect here" },
      { name: "merge", type: "bool", help: "accepted; has no effect here" },
      { name: "prealloc", type: "bool", help: "accepted; has no effect here" },
      { name: "prealloc-threads", type: "uint32", help: "accepted; has no effect here" },
      { name: "reserve", type: "bool", help: "accepted; has no effect here" },
      { name: "share", type: "bool", help: "accepted; has no effect here" },
      { name: "x-use-canonical-path-for-ramblock-id", type: "bool", help: "accepted; has no effect here" },
    ],
    required: ["size"],
  },
  { type: "rng-builtin", properties: [], required: [] },
  {
    type: "rng-random",
    properties: [{ name: "filename", type: "str", help: "file to read random bytes from; /dev/urandom" }],
    required: [],
  },
  {
    type: "secret",
    properties: [
      { name: "data", type: "str", help: "the secret itself" },
      { name: "file", type: "str", help: "file that holds the secret" },
      { name: "format", type: ["raw", "base64"], help: "how data or file is encoded" },
      { name: "iv", type: "str", help: "initialisation vector, when encrypted" },
      { name: "keyid", type: "str", help: "secret that decrypts this one" },
    ],
    required: [],
  },
];

/** Text of `-object help`, or of `-object TYPE,help`. Throws `OptionError` for an unknown type. */
export function objectHelp(text: string): Print {
  const type = text.split(",")[0]?.replace(/^qom-type=/, "") ?? "";
  if (type === "help" || type === "?") {
    return {
      text: `List of user creatable objects:\n${OBJECTS.map((row) => `  ${row.type}\n`).join("")}`,
      exitCode: 0,
    };
  }
  const { properties } = requireType(type);
  if (properties.length === 0) return { text: `There are no options for ${type}.\n`, exitCode: 0 };
  return { text: `${type} options:\n${describeProperties(properties)}`, exitCode: 0 };
}

/** Reads one `-object`. Throws `OptionError`. */
export function readObject(draft: Draft, text: string): ObjectConfig {
  const { map, isJson } = parseStructured(text, "qom-type");
  const type = map.get("qom-type");
  if (type === undefined) throw new OptionError("missing-parameter", "Parameter 'qom-type' is missing");
  const row = requireType(type);
  const id = map.get("id");
  if (typeof id !== "string") throw new OptionError("missing-parameter", "Parameter 'id' is missing");
  requireIdentifier(id);
  const properties: Record<string, Scalar> = {};
  for (const [key, value] of map) {
    if (key === "qom-type" || key === "id") continue;
    const property = row.properties.find((candidate) => candidate.name === key);
    if (!property) throw new OptionError("unknown-name", `Invalid parameter '${key}'`);
    properties[key] = checkProperty(property, value, isJson);
  }
  for (const name of row.required) {
    if (!(name in properties)) throw new OptionError("missing-parameter", `Parameter '${name}' is missing`);
  }
  if (type === "secret" && "data" in properties === "file" in properties) {
    throw new OptionError("missing-parameter", "Either 'file' or 'data' must be provided, and not both");
  }
  if (draft.objects.some(({ value }) => value.id === id)) {
    throw new OptionError("duplicate", `Duplicate ID '${id}' for object`);
  }
  return { type: row.type, id, properties };
}

function requireType(type: Value): ObjectRow {
  const row = OBJECTS.find((candidate) => candidate.type === type);
  if (!row) throw new OptionError("unknown-name", `Parameter 'qom-type' does not accept value '${showValue(type)}'`);
  return row;
}
