/** The tree of objects, and the types that there are. */
import { hmpCommand, type MonitorModule, qmpCommand } from "#control/monitor/command.ts";
import type { MonitorContext, TypeInfo } from "#control/monitor/context.ts";
import { writeJson } from "#control/monitor/json/json-writer.ts";
import type { JsonValue } from "#control/monitor/json/json-value.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { findNode, getProperty, listProperties, type QomNode, setProperty } from "#control/monitor/qom/qom-node.ts";
import { qomTree } from "#control/monitor/qom/qom-tree.ts";
import { any, array, bool, object, optional, type ReplyOf, str } from "#control/monitor/schema.ts";

const PROPERTY_INFO = object("ObjectPropertyInfo", {
  name: str,
  type: str,
  description: optional(str),
  "default-value": optional(any),
});

/** True when `type` is `wanted` or comes from it. */
function derivesFrom(types: readonly TypeInfo[], type: TypeInfo | undefined, wanted: string): boolean {
  for (let at = type; at; at = types.find(({ name }) => name === at?.parent)) if (at.name === wanted) return true;
  return false;
}

function typeNamed({ host }: MonitorContext, name: string): TypeInfo | undefined {
  return host.types.find((type) => type.name === name);
}

function describeProperties({ properties }: TypeInfo): ReplyOf<typeof PROPERTY_INFO>[] {
  return properties.map(({ name, type, description, defaultValue }) => ({
    name,
    ...(description !== undefined && { description }),
    ...(defaultValue !== undefined && { "default-value": defaultValue }),
    type,
  }));
}

function describeTree(name: string, of: QomNode, indent: string): string {
  const children = Object.entries(of.children)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([child, node]) => describeTree(child, node, `${indent}  `));
  return `${indent}/${name} (${of.type})\n${children.join("")}`;
}

/** What a person types: a number, on, off, or a string. */
function typedValue(text: string): JsonValue {
  if (/^-?[0-9]{1,18}$/.test(text)) return BigInt(text);
  if (/^(?:on|true|yes)$/.test(text)) return true;
  return /^(?:off|false|no)$/.test(text) ? false : text;
}

export const QOM: MonitorModule = {
  title: "The tree of objects",
  commands: [
    qmpCommand({
      name: "qom-list",
      help: "Properties and children of an object.",
      args: { path: str },
      returns: array(PROPERTY_INFO),
      run: (context, { path }) => listProperties(findNode(qomTree(context), path)),
    }),
    qmpCommand({
      name: "qom-get",
      help: "The value of a property.",
      args: { path: str, property: str },
      returns: any,
      run: (context, { path, property }) => getProperty(findNode(qomTree(context), path), path, property),
    }),
    qmpCommand({
      name: "qom-set",
      help: "Sets a property.",
      args: { path: str, property: str, value: any },
      run: (context, { path, property, value }) => setProperty(findNode(qomTree(context), path), property, value),
    }),
    qmpCommand({
      name: "qom-list-types",
      help: "The types that there are.",
      args: { implements: optional(str), abstract: optional(bool) },
      returns: array(object("ObjectTypeInfo", { name: str, abstract: optional(bool), parent: optional(str) })),
      run: ({ host }, args) =>
        host.types
          .filter((type) => args.implements === undefined || derivesFrom(host.types, type, args.implements))
          .filter(({ isAbstract }) => !isAbstract || args.abstract === true)
          .map(({ name, parent, isAbstract }) => ({
            name,
            ...(isAbstract && { abstract: true }),
            ...(parent !== undefined && { parent }),
          })),
    }),
    qmpCommand({
      name: "device-list-properties",
      help: "The properties of a device's type.",
      args: { typename: str },
      returns: array(PROPERTY_INFO),
      run(context, { typename }) {
        const type = typeNamed(context, typename);
        if (!type) throw new QmpError(`Device '${typename}' not found`, "DeviceNotFound");
        if (!derivesFrom(context.host.types, type, "device") || type.isAbstract) {
          throw new QmpError("Parameter 'typename' expects a non-abstract device type");
        }
        return describeProperties(type);
      },
    }),
    qmpCommand({
      name: "qom-list-properties",
      help: "The properties of a type. Of one that does not exist there are none: clients do not expect an error.",
      args: { typename: str },
      returns: array(PROPERTY_INFO),
      run(context, { typename }) {
        const type = typeNamed(context, typename);
        return type ? describeProperties(type) : [];
      },
    }),
  ],
  hmp: [
    hmpCommand({
      name: "qom-list",
      parameters: [{ name: "path", kind: "word", isOptional: true }],
      help: "properties and children of an object",
      run(context, args) {
        const path = args.text("path");
        if (path === undefined) return "/\n";
        return listProperties(findNode(qomTree(context), path))
          .map(({ name, type }) => `${name} (${type})\n`)
          .join("");
      },
    }),
    hmpCommand({
      name: "qom-get",
      parameters: [
        { name: "path", kind: "word" },
        { name: "property", kind: "word" },
      ],
      help: "the value of a property",
      run(context, args) {
        const path = args.text("path") ?? "";
        return `${writeJson(getProperty(findNode(qomTree(context), path), path, args.text("property") ?? ""), true)}\n`;
      },
    }),
    hmpCommand({
      name: "qom-set",
      parameters: [
        { name: "path", kind: "word" },
        { name: "property", kind: "word" },
        { name: "value", kind: "rest" },
      ],
      help: "sets a property",
      run(context, args) {
        const of = findNode(qomTree(context), args.text("path") ?? "");
        setProperty(of, args.text("property") ?? "", typedValue(args.text("value")?.trim() ?? ""));
      },
    }),
  ],
  info: [
    hmpCommand({
      name: "qom-tree",
      parameters: [{ name: "path", kind: "word", isOptional: true }],
      help: "the tree of objects, from the machine or the path on",
      run(context, args) {
        const path = args.text("path") ?? "/machine";
        const name = path.split("/").findLast((part) => part !== "") ?? "";
        return describeTree(name, findNode(qomTree(context), path), "");
      },
    }),
  ],
};
