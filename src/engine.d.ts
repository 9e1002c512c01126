/**
 * Names that every JavaScript engine has beside ECMAScript's own, for the layers that know neither Node nor a DOM.
 * Part of every project through tsconfig.base.json. Anything else from the host comes in through an interface
 * (core/host.ts), so `process`, `document`, `performance`, `setTimeout` and `console` stay undeclared there.
 *
 * Spec: WebAssembly JavaScript Interface 2.0, with threads (shared memories); WHATWG Encoding 7 and 8.
 */

/** A view over shared memory is refused by the engines. */
type BufferSource = ArrayBuffer | ArrayBufferView<ArrayBuffer>;

declare namespace WebAssembly {
  type ValueType = "i32" | "i64" | "f32" | "f64" | "v128" | "funcref" | "externref";
  /** What an import or export may be. `Function` is an exported wasm function or a JavaScript function to import. */
  type ImportValue = Function | Global | Memory | Table | number | bigint;
  type ExportValue = ImportValue;
  type Imports = Record<string, Record<string, ImportValue>>;
  /** `any`, as in lib.dom: the caller states what its own module exports. */
  type Exports = Record<string, any>;
  type ExternalKind = "function" | "global" | "memory" | "table" | "tag";
  type ModuleImportDescriptor = { module: string; name: string; kind: ExternalKind };
  type ModuleExportDescriptor = { name: string; kind: ExternalKind };

  class Module {
    constructor(bytes: BufferSource);
    static imports(module: Module): ModuleImportDescriptor[];
    static exports(module: Module): ModuleExportDescriptor[];
    static customSections(module: Module, name: string): ArrayBuffer[];
  }

  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Exports;
  }

  type MemoryDescriptor = { initial: number; maximum?: number; shared?: boolean };
  class Memory {
    constructor(descriptor: MemoryDescriptor);
    /** A SharedArrayBuffer when the memory is shared. */
    readonly buffer: ArrayBuffer | SharedArrayBuffer;
    /** Returns the old size in pages of 64 KiB. */
    grow(deltaPages: number): number;
  }

  type TableDescriptor = { element: "anyfunc" | "externref"; initial: number; maximum?: number };
  class Table {
    constructor(descriptor: TableDescriptor, value?: unknown);
    readonly length: number;
    get(index: number): any;
    set(index: number, value?: unknown): void;
    grow(delta: number, value?: unknown): number;
  }

  type GlobalDescriptor = { value: ValueType; mutable?: boolean };
  class Global {
    constructor(descriptor: GlobalDescriptor, value?: unknown);
    value: any;
    valueOf(): any;
  }

  class CompileError extends Error {}
  class LinkError extends Error {}
  class RuntimeError extends Error {}

  function validate(bytes: BufferSource): boolean;
  function compile(bytes: BufferSource): Promise<Module>;
  function instantiate(module: Module, imports?: Imports): Promise<Instance>;
  function instantiate(bytes: BufferSource, imports?: Imports): Promise<{ module: Module; instance: Instance }>;
}

interface TextEncoder {
  readonly encoding: string;
  encode(text?: string): Uint8Array<ArrayBuffer>;
  encodeInto(text: string, into: Uint8Array): { read: number; written: number };
}
declare var TextEncoder: { prototype: TextEncoder; new (): TextEncoder };

interface TextDecoder {
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  decode(bytes?: ArrayBufferLike | ArrayBufferView, options?: { stream?: boolean }): string;
}
declare var TextDecoder: {
  prototype: TextDecoder;
  new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): TextDecoder;
};
