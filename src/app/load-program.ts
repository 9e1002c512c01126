/**
 * Runs a bundled program with the code that V8 made of it before, so that it need not be parsed again.
 *
 *   FILE.cjs, FILE.cjs.cache (made by the build; another version of V8 does not take it) -> runs
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Script } from "node:vm";

const HEAD = "(function (require, module, exports, __filename) {";
const TAIL = "\n})";

/** Runs `file`, a CommonJS file's full name, to its end before this returns. */
export function loadProgram(file: string): void {
  const module = { exports: {} };
  const run = programScript(file).runInThisContext() as (...args: unknown[]) => void;
  run(createRequire(file), module, module.exports, file);
}

/** A function of (require, module, exports, __filename). */
export function programScript(file: string): Script {
  return new Script(HEAD + readFileSync(file, "utf8") + TAIL, {
    filename: file,
    columnOffset: -HEAD.length,
    cachedData: readCache(`${file}.cache`),
  });
}

function readCache(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
