/**
 * Builds the bytes of a WebAssembly module.
 * Spec: WebAssembly core 2.0, section 5.5 "Modules"; the branch-hinting proposal for "metadata.code.branch_hint".
 */
import { Code, type ValueType } from "#cpu/wasm/code.ts";

export type FunctionType = { readonly params: readonly ValueType[]; readonly results: readonly ValueType[] };

export type ModuleImport =
  | { readonly kind: "function"; readonly name: string; readonly type: FunctionType }
  | { readonly kind: "memory"; readonly name: string; readonly maximumPages: number }
  | { readonly kind: "table"; readonly name: string; readonly minimum: number };

/** A function's code without its locals header and with its closing `end`. */
export type FunctionBody = {
  readonly name: string;
  readonly type: FunctionType;
  /** Types of the locals after the parameters. */
  readonly locals: readonly ValueType[];
  readonly code: Uint8Array;
  /** Places of `if` and `br_if` opcodes in `code` with the branch that is likely (1: taken). Ascending. */
  readonly hints?: readonly { readonly at: number; readonly likely: 0 | 1 }[];
};

export type ModuleParts = {
  readonly imports: readonly ModuleImport[];
  readonly functions: readonly FunctionBody[];
  /** Names of the functions that are exported under their names. */
  readonly exports: readonly string[];
  /** Further types that the code's `call_indirect` uses; indices come first, in this order. */
  readonly types?: readonly FunctionType[];
};

const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
/** The name under which every import is found. */
export const IMPORT_MODULE = "t";

/** Returns the module's bytes. Function indices are the imports' in their order, then the functions'. */
export function encodeModule(parts: ModuleParts): Uint8Array<ArrayBuffer> {
  const types: FunctionType[] = [...(parts.types ?? [])];
  const typeIndex = (type: FunctionType): number => {
    const known = types.findIndex((t) => sameType(t, type));
    return known >= 0 ? known : types.push(type) - 1;
  };
  const importedFunctions = parts.imports.filter((i) => i.kind === "function").length;
  for (const i of parts.imports) if (i.kind === "function") typeIndex(i.type);
  for (const f of parts.functions) typeIndex(f.type);

  const out = new Code(4096);
  for (const byte of MAGIC) out.byte(byte);
  const section = (id: number, fill: (body: Code) => void): void => {
    const body = new Code(1024);
    fill(body);
    out.byte(id);
    out.unsigned(body.length);
    out.append(body);
  };

  section(1, (s) => {
    s.unsigned(types.length);
    for (const type of types) {
      s.byte(0x60);
      for (const list of [type.params, type.results]) {
        s.unsigned(list.length);
        for (const valueType of list) s.byte(valueType);
      }
    }
  });
  section(2, (s) => {
    s.unsigned(parts.imports.length);
    for (const i of parts.imports) {
      s.text(IMPORT_MODULE);
      s.text(i.name);
      switch (i.kind) {
        case "function":
          s.byte(0);
          s.unsigned(typeIndex(i.type));
          break;
        case "table":
          s.byte(1);
          s.byte(0x70);
          s.byte(0);
          s.unsigned(i.minimum);
          break;
        case "memory":
          s.byte(2);
          s.byte(3); // shared, with a maximum
          s.unsigned(1);
          s.unsigned(i.maximumPages);
      }
    }
  });
  section(3, (s) => {
    s.unsigned(parts.functions.length);
    for (const f of parts.functions) s.unsigned(typeIndex(f.type));
  });
  section(7, (s) => {
    s.unsigned(parts.exports.length);
    for (const name of parts.exports) {
      s.text(name);
      s.byte(0);
      s.unsigned(importedFunctions + parts.functions.findIndex((f) => f.name === name));
    }
  });
  const headers = parts.functions.map((f) => localsHeader(f.locals));
  if (parts.functions.some((f) => f.hints?.length)) {
    section(0, (s) => branchHints(s, parts.functions, headers, importedFunctions));
  }
  section(10, (s) => {
    s.unsigned(parts.functions.length);
    parts.functions.forEach((f, i) => {
      const header = headers[i] as Code;
      s.unsigned(header.length + f.code.length);
      s.append(header);
      s.append(f.code);
    });
  });
  section(0, (s) => functionNames(s, parts.functions, importedFunctions));
  return out.finish();
}

/** The names that profilers and stack traces show (core 2.0, appendix "Custom Sections", 7.4.1). */
function functionNames(s: Code, functions: readonly FunctionBody[], firstIndex: number): void {
  s.text("name");
  const names = new Code(64);
  names.unsigned(functions.length);
  functions.forEach((f, i) => {
    names.unsigned(firstIndex + i);
    names.text(f.name);
  });
  s.byte(1);
  s.unsigned(names.length);
  s.append(names);
}

function branchHints(s: Code, functions: readonly FunctionBody[], headers: Code[], firstIndex: number): void {
  s.text("metadata.code.branch_hint");
  s.unsigned(functions.filter((f) => f.hints?.length).length);
  functions.forEach((f, i) => {
    if (!f.hints?.length) return;
    s.unsigned(firstIndex + i);
    s.unsigned(f.hints.length);
    for (const hint of f.hints) {
      s.unsigned((headers[i] as Code).length + hint.at);
      s.unsigned(1);
      s.byte(hint.likely);
    }
  });
}

function localsHeader(locals: readonly ValueType[]): Code {
  const runs: { type: ValueType; count: number }[] = [];
  for (const type of locals) {
    const last = runs.at(-1);
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  const header = new Code(64);
  header.unsigned(runs.length);
  for (const run of runs) {
    header.unsigned(run.count);
    header.byte(run.type);
  }
  return header;
}

function sameType(a: FunctionType, b: FunctionType): boolean {
  const key = (t: FunctionType): string => `${t.params.join()}>${t.results.join()}`;
  return key(a) === key(b);
}
