/**
 * Checks the direction of imports under `src/` and prints each violation; exits 1 if there is one.
 * The allowed directions are the `references` of each layer's tsconfig.json, which the compiler reads too.
 *
 *   node_modules/.bin/tsx tools/check-layers.ts [ROOT]
 *
 * Rules:
 * - layer: a file imports only its own layer and the layers that its tsconfig.json refers to;
 * - relative: a relative path stays inside its layer (other layers are imported through `#layer/...`);
 * - device: a device (a file or folder directly under hw/devices/) does not import another device;
 * - host: only platform/ and app/ import Node's modules;
 * - package: an imported package is one of package.json's `dependencies`; one of its `optionalDependencies` is imported
 *   lazily, in platform/ or app/, for it may be absent;
 * - cycle: files do not import each other's values in a circle (type-only imports may).
 * Tests are exempt from all but `cycle`: they are a project of their own that sees every layer.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseSync } from "oxc-parser";

export type Rule = "layer" | "relative" | "device" | "host" | "package" | "cycle" | "layout";
/** `file` is relative to the root. */
export type Violation = { readonly rule: Rule; readonly file: string; readonly message: string };

type Import = { readonly specifier: string; readonly typeOnly: boolean; readonly lazy: boolean };
type Source = { readonly file: string; readonly layer: string; readonly imports: readonly Import[] };
/** The layers that a layer may import, itself not included. */
type Layers = ReadonlyMap<string, ReadonlySet<string>>;
type Packages = { readonly needed: ReadonlySet<string>; readonly optional: ReadonlySet<string> };

const HOST_LAYERS = new Set(["platform", "app"]);

/** Returns every violation under `root/src`. Throws when there is nothing to check, so that it cannot pass by seeing nothing. */
export function checkLayers(root: string): Violation[] {
  const layers = readLayers(root);
  const packages = readDependencies(root);
  const sources = [...layers.keys()].flatMap((layer) => readSources(root, layer));
  if (sources.length === 0) throw new Error(`no source files under ${path.join(root, "src")}`);
  const violations = strayFolders(root, layers);
  for (const source of sources) {
    if (isTest(source.file)) continue;
    for (const imported of source.imports) {
      const violation = judge(source, imported, layers, packages);
      if (violation) violations.push({ file: source.file, ...violation });
    }
  }
  return [...violations, ...findCycles(sources)];
}

function readLayers(root: string): Layers {
  const layers = new Map<string, Set<string>>();
  for (const { path: reference } of readReferences(path.join(root, "tsconfig.json"))) {
    if (!reference.startsWith("src/")) continue;
    const folder = path.join(root, reference);
    const allowed = readReferences(path.join(folder, "tsconfig.json")).map((to) => path.basename(to.path));
    layers.set(path.basename(reference), new Set(allowed));
  }
  return layers;
}

function readReferences(tsconfig: string): { path: string }[] {
  const config = JSON.parse(readFileSync(tsconfig, "utf8")) as { references?: { path: string }[] };
  return config.references ?? [];
}

function readDependencies(root: string): Packages {
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync(path.join(root, "package.json"), "utf8"),
  ) as Record<string, Record<string, string> | undefined>;
  return {
    needed: new Set(Object.keys(dependencies ?? {})),
    optional: new Set(Object.keys(optionalDependencies ?? {})),
  };
}

/** Folders under `src/` that the root tsconfig.json does not refer to: nothing would check them. */
function strayFolders(root: string, layers: Layers): Violation[] {
  return readdirSync(path.join(root, "src"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !layers.has(entry.name))
    .map(({ name }) => ({
      rule: "layout",
      file: `src/${name}`,
      message: "is not a layer: give it a tsconfig.json and a reference in the root tsconfig.json",
    }));
}

function readSources(root: string, layer: string): Source[] {
  const folder = path.join(root, "src", layer);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
    .map((name) => ({
      file: path.posix.join("src", layer, name),
      layer,
      imports: readImports(path.join(folder, name)),
    }));
}

function readImports(fileName: string): Import[] {
  const text = readFileSync(fileName, "utf8");
  const { module } = parseSync(fileName, text);
  // With verbatimModuleSyntax `import { type A }` still loads the module; only `import type` does not.
  const typeOnly = (start: number): boolean => /^(import|export)\s+type\b/.test(text.slice(start, start + 40));
  const imports: Import[] = module.staticImports.map((statement) => ({
    specifier: statement.moduleRequest.value,
    typeOnly: typeOnly(statement.start),
    lazy: false,
  }));
  for (const statement of module.staticExports) {
    const from = statement.entries[0]?.moduleRequest?.value;
    if (from) imports.push({ specifier: from, typeOnly: typeOnly(statement.start), lazy: false });
  }
  for (const { moduleRequest } of module.dynamicImports) {
    const literal = /^["'`]([^"'`$]+)["'`]$/.exec(text.slice(moduleRequest.start, moduleRequest.end));
    if (literal?.[1]) imports.push({ specifier: literal[1], typeOnly: false, lazy: true });
  }
  return imports;
}

function judge(
  source: Source,
  imported: Import,
  layers: Layers,
  packages: Packages,
): Omit<Violation, "file"> | undefined {
  const { specifier } = imported;
  const target = resolve(source.file, specifier);
  if (target === undefined) return judgePackage(source.layer, imported, packages);
  const layer = target.split("/")[1] ?? "";
  if (specifier.startsWith(".") && layer !== source.layer) {
    return { rule: "relative", message: `imports ${specifier}, which leaves its layer; write #${target.slice(4)}` };
  }
  if (layer !== source.layer && !layers.get(source.layer)?.has(layer)) {
    const allowed = [...(layers.get(source.layer) ?? [])].join(", ") || "no other layer";
    return { rule: "layer", message: `imports ${specifier}; ${source.layer} may import ${allowed}` };
  }
  const [from, to] = [deviceOf(source.file), deviceOf(target)];
  if (from && to && from !== to) {
    return { rule: "device", message: `imports the device ${to}; devices meet on the bus or the board only` };
  }
  return undefined;
}

function judgePackage(
  layer: string,
  { specifier, lazy, typeOnly }: Import,
  packages: Packages,
): Omit<Violation, "file"> | undefined {
  if (specifier.startsWith("node:") || builtinModules.includes(specifier)) {
    if (HOST_LAYERS.has(layer)) return undefined;
    const message = `imports ${specifier}; only ${[...HOST_LAYERS].join(" and ")} know Node (see core/host.ts)`;
    return { rule: "host", message };
  }
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  if (packages.needed.has(name)) return undefined;
  if (packages.optional.has(name)) {
    if (HOST_LAYERS.has(layer) && (lazy || typeOnly)) return undefined;
    return { rule: "package", message: `imports ${specifier}, which may be absent: import() it in platform or app` };
  }
  return { rule: "package", message: `imports ${specifier}, which is not in package.json's dependencies` };
}

/** The imported file relative to the root, or undefined for Node's modules and packages. */
function resolve(file: string, specifier: string): string | undefined {
  if (specifier.startsWith("#")) return `src/${specifier.slice(1)}`;
  if (specifier.startsWith(".")) return path.posix.join(path.posix.dirname(file), specifier);
  return undefined;
}

/** "uart" for src/hw/devices/uart.ts and everything under src/hw/devices/uart/; undefined outside the devices. */
function deviceOf(file: string): string | undefined {
  return /^src\/hw\/devices\/([^/]+?)(?:\.ts)?(?:\/|$)/.exec(file)?.[1];
}

function isTest(file: string): boolean {
  return file.endsWith(".test.ts");
}

/** Reports each circle of value imports once, at its first file in alphabetical order. */
function findCycles(sources: readonly Source[]): Violation[] {
  const edges = new Map<string, string[]>();
  for (const { file, imports } of sources) {
    const targets = imports.filter((i) => !i.typeOnly && !i.lazy).map((i) => resolve(file, i.specifier));
    edges.set(
      file,
      targets.filter((target) => target !== undefined),
    );
  }
  const seen = new Set<string>();
  const violations: Violation[] = [];
  for (const start of [...edges.keys()].sort()) {
    const cycle = shortestCycle(start, edges);
    if (!cycle || cycle.some((file) => seen.has(file))) continue;
    for (const file of cycle) seen.add(file);
    violations.push({ rule: "cycle", file: start, message: `is in a circle: ${[...cycle, start].join(" -> ")}` });
  }
  return violations;
}

/** Breadth-first from `start` back to it. */
function shortestCycle(start: string, edges: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    for (const next of edges.get(file) ?? []) {
      if (next === start) return trace(file, cameFrom);
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, file);
      queue.push(next);
    }
  }
  return undefined;
}

function trace(last: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const files = [last];
  for (let file = cameFrom.get(last); file !== undefined; file = cameFrom.get(file)) files.unshift(file);
  return files;
}

function main(): void {
  const violations = checkLayers(process.argv[2] ?? ".");
  for (const { rule, file, message } of violations) console.log(`${file}: ${message} [${rule}]`);
  if (violations.length > 0) process.exitCode = 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main();
