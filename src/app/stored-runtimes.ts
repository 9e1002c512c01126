/**
 * Runtimes that the build has generated, for what is asked for most: they are read instead of generated.
 *
 *   build: makeStoredRuntimes -> dist/runtimes/NAME.wasm, NAME.json;   start: key of what is wanted -> the one with that key
 *          compile-stored-runtime -> NAME-V8-PROCESSOR.code               -> with its code, if this V8 made it
 *
 * The build makes them from the sources that it bundles and removes older ones, so a key need not say which sources.
 */
import { readFileSync } from "node:fs";
import { distFile } from "#app/dist-files.ts";
import { readOptimized } from "#app/optimized-code.ts";
import type { EngineFeatures } from "#cpu/engine/features.ts";
import type { HandlerTable } from "#cpu/engine/interpreter.ts";
import type { CompiledRuntime } from "#cpu/engine/runtime-options.ts";
import type { RuntimeSetup } from "#machine/runtime-setup.ts";

/** Beside a stored module: what it was generated for, and its handlers. */
export type StoredDescription = { readonly key: string; readonly handlers: HandlerTable };

/** The two that are stored differ in the host's features only. */
export const storedName = (features: EngineFeatures): string => (features.fusedMultiplyAdd ? "fma" : "basic");

/** The file with the optimised code of a stored runtime, for this process's V8. */
export const codeName = (name: string): string => `${name}-${process.versions.v8}-${process.arch}.code`;

/** All that a runtime depends on, but for the sources. */
export const runtimeKey = ({ extensions, options }: RuntimeSetup): string => JSON.stringify([extensions, options]);

/** The stored runtime for `setup`; undefined when there is none, or none that can be read. */
export function readStoredRuntime(setup: RuntimeSetup): CompiledRuntime | undefined {
  const name = storedName(setup.options.features);
  const read = (file: string): Uint8Array<ArrayBuffer> => readFileSync(distFile(`runtimes/${file}`));
  try {
    const description = JSON.parse(new TextDecoder().decode(read(`${name}.json`))) as StoredDescription;
    if (description.key !== runtimeKey(setup)) return undefined;
    const bytes = read(`${name}.wasm`);
    const optimized = (): WebAssembly.Module | undefined => {
      try {
        return readOptimized(read(codeName(name)), bytes);
      } catch {
        return undefined;
      }
    };
    return { module: optimized() ?? new WebAssembly.Module(bytes), handlers: description.handlers };
  } catch {
    return undefined;
  }
}
