/**
 * For the build, in a process of its own: adds its optimised code to the stored runtime that this V8 would use.
 * The last argument is the folder of the runtimes.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setEngineFlags } from "#app/engine-flags.ts";
import { compileOptimized } from "#app/optimized-code.ts";
import { codeName, storedName } from "#app/stored-runtimes.ts";
import { probeEngineFeatures } from "#cpu/engine/features.ts";

const folder = process.argv.at(-1) as string;
// V8 takes code only under the flags under which it was made.
setEngineFlags();
const name = storedName(probeEngineFeatures());
const code = compileOptimized(readFileSync(join(folder, `${name}.wasm`)));
const file = join(folder, codeName(name));
writeFileSync(`${file}.new`, code);
renameSync(`${file}.new`, file);
