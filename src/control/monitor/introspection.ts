/**
 * The table as `query-qmp-schema` shows it: a list of types that refer to each other by name, with equal types once.
 *
 * Names of builtin types and of lists of them are their own; the others are numbers, since their names are no part of
 * the interface. Spec: QEMU's qapi/introspect.json.
 */
import type { QmpCommand, QmpEvent } from "#control/monitor/command.ts";
import type { Writable } from "#control/monitor/json/json-writer.ts";
import { type Members, object, type ObjectSchema, type Schema } from "#control/monitor/schema.ts";

type Entry = { readonly [key: string]: Writable };

const BUILTINS: Readonly<Record<string, string>> = {
  str: "string",
  int: "int",
  number: "number",
  bool: "boolean",
  null: "null",
  any: "value",
};

/** All entries: commands, events, then the types that they use. */
export function describeSchema(commands: Iterable<QmpCommand>, events: Iterable<QmpEvent>): readonly Entry[] {
  const types = new Types();
  const nothing = object("", {});
  const entries: Entry[] = [];
  for (const { name, takes, returns, oob, features } of commands) {
    entries.push({
      name,
      "ret-type": types.nameOf(returns ?? nothing),
      "meta-type": "command",
      "arg-type": types.nameOf(takes),
      ...(oob && { "allow-oob": true }),
      ...(features && { features }),
    });
  }
  for (const { name, data } of events) {
    entries.push({ name, "meta-type": "event", "arg-type": types.nameOf(data) });
  }
  return [...entries, ...types.entries];
}

class Types {
  readonly entries: Entry[] = [];
  readonly #names = new Map<string, string>();
  #next = 0;

  nameOf(schema: Schema): string {
    switch (schema.kind) {
      case "array": {
        const element = this.nameOf(schema.of);
        return this.#named(`[${element}]`, { "element-type": element, "meta-type": "array" });
      }
      case "enum": {
        const members = schema.values.map((name) => ({ name }));
        return this.#numbered({ members, "meta-type": "enum", values: schema.values });
      }
      case "object":
        return this.#numbered(this.#object(schema));
      default: {
        const name = schema.kind === "int64" ? "int" : schema.kind;
        return this.#named(name, { "json-type": BUILTINS[name] ?? "value", "meta-type": "builtin" });
      }
    }
  }

  #object({ members, variants }: ObjectSchema): Omit<Entry, "name"> {
    const entry = { members: this.#members(members), "meta-type": "object" };
    if (!variants) return entry;
    const cases = Object.entries(variants.cases).map(([name, more]) => ({
      case: name,
      type: this.nameOf(object("", more)),
    }));
    return { ...entry, tag: variants.tag, variants: cases };
  }

  #members(members: Members): Writable {
    return Object.entries(members).map(([name, member]) =>
      member.kind === "optional"
        ? { name, default: null, type: this.nameOf(member.of) }
        : { name, type: this.nameOf(member) },
    );
  }

  #numbered(entry: Omit<Entry, "name">): string {
    const key = JSON.stringify(entry);
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const name = String(this.#next++);
    this.#names.set(key, name);
    this.entries.push({ name, ...entry });
    return name;
  }

  #named(name: string, entry: Omit<Entry, "name">): string {
    if (!this.#names.has(name)) {
      this.#names.set(name, name);
      this.entries.push({ name, ...entry });
    }
    return name;
  }
}
