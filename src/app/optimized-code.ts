/**
 * A module's optimised code as V8 keeps it in files: made once at build time, taken at the start.
 *
 *   build: compileOptimized(bytes) -> bytes of code;   start: readOptimized(code, bytes) -> module whose functions are optimised
 *
 * Without it V8 runs the interpreter at a fraction of its speed until a thread has optimised it, which is most of that
 * thread's first second on a busy host. V8 offers this to embedders only; scripts reach it by the runtime functions that
 * its own tests call. What it reads must be its own: V8 itself compares version, processor and flags, and `readOptimized`
 * is to be given nothing else than what `compileOptimized` gave, whole.
 */
import { setFlagsFromString } from "node:v8";
import { REGION_SLOTS } from "#cpu/engine/runtime-options.ts";

const NATIVES_FLAG = "allow-natives-syntax";

/** Calls one of V8's runtime functions. Throws where V8 has none of that name, or lets no code be made of strings. */
function callRuntime(name: string, ...args: readonly unknown[]): unknown {
  const names = args.map((_, i) => `a${i}`);
  // The flag is needed while the function is parsed, which for its body is when it is called first.
  setFlagsFromString(`--${NATIVES_FLAG}`);
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- a syntax of V8's alone, which no bundler or type checker knows
    return new Function(...names, `return %${name}(${names.join()})`)(...args);
  } finally {
    setFlagsFromString(`--no-${NATIVES_FLAG}`);
  }
}

/**
 * The code of all exported functions, optimised. V8 ends the process when it cannot do it, so call it in one of its own.
 * Thread: any, with no other in the process: flags are changed.
 */
export function compileOptimized(bytes: Uint8Array<ArrayBuffer>): Uint8Array {
  const module = new WebAssembly.Module(bytes);
  const { exports } = new WebAssembly.Instance(module, emptyImports(module));
  for (const value of Object.values(exports)) callRuntime("WasmTierUpFunction", value);
  return new Uint8Array(callRuntime("SerializeWasmModule", module) as ArrayBuffer);
}

/** The module of `bytes` with its `code`; undefined when this V8 does not take it. */
export function readOptimized(
  code: Uint8Array<ArrayBuffer>,
  bytes: Uint8Array<ArrayBuffer>,
): WebAssembly.Module | undefined {
  try {
    const module = callRuntime("DeserializeWasmModule", code.slice().buffer, bytes);
    return module instanceof WebAssembly.Module ? module : undefined;
  } catch {
    return undefined;
  }
}

/** Something of the right kind for each import; nothing of it is called. */
function emptyImports(module: WebAssembly.Module): WebAssembly.Imports {
  const imports: WebAssembly.Imports = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    imports[from] = { ...imports[from], [name]: emptyImport(kind) };
  }
  return imports;
}

function emptyImport(kind: WebAssembly.ModuleImportDescriptor["kind"]): WebAssembly.ImportValue {
  if (kind === "memory") return new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  if (kind === "table") return new WebAssembly.Table({ element: "anyfunc", initial: REGION_SLOTS.first });
  return () => 0;
}
