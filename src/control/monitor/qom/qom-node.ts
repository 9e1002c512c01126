/** A node of the tree of objects that `qom-list` and its like show. */
import type { JsonValue } from "#control/monitor/json/json-value.ts";
import type { Writable } from "#control/monitor/json/json-writer.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";

export type QomProperty = {
  readonly type: string;
  readonly description?: string;
  get(): Writable;
  /** Absent for what cannot be set. Throws `QmpError`. */
  set?(value: JsonValue): void;
};

export type QomNode = {
  readonly type: string;
  readonly properties: Readonly<Record<string, QomProperty>>;
  readonly children: Readonly<Record<string, QomNode>>;
};

export function node(
  type: string,
  children: Readonly<Record<string, QomNode>> = {},
  properties: Readonly<Record<string, QomProperty>> = {},
): QomNode {
  return { type, children, properties: { type: { type: "string", get: () => type }, ...properties } };
}

/** A property whose value does not change. */
export function fixed(type: string, value: Writable, description?: string): QomProperty {
  return { type, get: () => value, ...(description === undefined ? {} : { description }) };
}

/** The node at `path`, which begins at the root. Throws {@link QmpError}. */
export function findNode(root: QomNode, path: string): QomNode {
  let found: QomNode | undefined = path.startsWith("/") ? root : undefined;
  for (const part of path.split("/").filter((name) => name !== "")) {
    found = found && Object.hasOwn(found.children, part) ? found.children[part] : undefined;
  }
  // Without a slash in front a name is looked for everywhere, as in QEMU.
  if (!path.startsWith("/") && path !== "") found = search(root, path.split("/"));
  if (!found) throw new QmpError(`Device '${path}' not found`, "DeviceNotFound");
  return found;
}

function search(root: QomNode, [first = "", ...rest]: readonly string[]): QomNode | undefined {
  for (const [name, child] of Object.entries(root.children)) {
    if (name === first) {
      let found: QomNode | undefined = child;
      for (const part of rest) found = found?.children[part];
      if (found) return found;
    }
    const deeper = search(child, [first, ...rest]);
    if (deeper) return deeper;
  }
  return undefined;
}

/** Its properties and children as `qom-list` shows them. */
export function listProperties(of: QomNode): { readonly name: string; readonly type: string }[] {
  return [
    ...Object.entries(of.properties).map(([name, { type }]) => ({ name, type })),
    ...Object.entries(of.children).map(([name, child]) => ({ name, type: `child<${child.type}>` })),
  ];
}

/** The value of a property; that of a child is its path. Throws {@link QmpError}. */
export function getProperty(of: QomNode, path: string, name: string): Writable {
  if (Object.hasOwn(of.children, name)) return `${path.replace(/\/$/, "")}/${name}`;
  return requireProperty(of, name).get();
}

/** Throws {@link QmpError}. */
export function setProperty(of: QomNode, name: string, value: JsonValue): void {
  const property = requireProperty(of, name);
  if (!property.set) throw new QmpError(`Property '${of.type}.${name}' is not writable`);
  property.set(value);
}

function requireProperty(of: QomNode, name: string): QomProperty {
  const property = Object.hasOwn(of.properties, name) ? of.properties[name] : undefined;
  if (!property) throw new QmpError(`Property '${of.type}.${name}' not found`);
  return property;
}
