/**
 * Runtimes that the build has generated, for what is asked for most: they are read instead of generated.
 *
 *   build: makeStoredRuntimes -> dist/runtimes/NAME.wasm, NAME.json;   start: key of what is wanted -> the one with that key
 *
 * The build makes them from the sources that it bundles and removes older ones, so a key need not say which sources.
 */
import { readFileSync } from "node:fs";
import { distFile } from "#app/dist-files.ts";
import type { HandlerTable } from "#cpu/engine/interpreter.ts";
import type { CompiledRuntime } from "#cpu/engine/runtime-options.ts";
import type { RuntimeSetup } from "#machine/runtime-setup.ts";

/** Beside a stored module: what it was generated for, and its handlers. */
export type StoredDescription = { readonly key: string; readonly handlers: HandlerTable };

/** The two that are stored differ in the host's features only. */
export const storedName = ({ options }: RuntimeSetup): string => (options.features.fusedMultiplyAdd ? "fma" : "basic");

/** All that a runtime depends on, but for the sources. */
export const runtimeKey = ({ extensions, options }: RuntimeSetup): string => JSON.stringify([extensions, options]);

/** The stored runtime for `setup`; undefined when there is none, or none that can be read. */
export function readStoredRuntime(setup: RuntimeSetup): CompiledRuntime | undefined {
  const file = (extension: string): URL => distFile(`runtimes/${storedName(setup)}.${extension}`);
  try {
    const description = JSON.parse(readFileSync(file("json"), "utf8")) as StoredDescription;
    if (description.key !== runtimeKey(setup)) return undefined;
    return { module: new WebAssembly.Module(readFileSync(file("wasm"))), handlers: description.handlers };
  } catch {
    return undefined;
  }
}
