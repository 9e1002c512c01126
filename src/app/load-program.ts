/**
 * Runs a bundled program with the code that V8 made of it before, so that it need not be parsed again.
 *
 *   FILE.cjs, FILE.cjs.cache (made by the build; another version of V8 does not take it) -> runs
 *
 * Node's modules come by `require`: an import of one touches everything in it, which draws in streams and more.
 */
import type * as nodeFs from "node:fs";
import { createRequire } from "node:module";
import type * as nodeVm from "node:vm";

const HEAD = "(function (require, module, exports, __filename) {";
const TAIL = "\n})";

type Program = (require: NodeJS.Require, module: object, exports: object, filename: string) => void;

/** Runs `dist/programs/NAME.cjs` to its end before this returns; `url` is that of a file in `dist/`. */
export function loadProgram(url: string, name: string): void {
  const require = createRequire(url);
  const file = require.resolve(`./programs/${name}.cjs`);
  const module = { exports: {} };
  compileProgram(require, file).run(require, module, module.exports, file);
}

/** `usesCache` is false when there is none that V8 takes. `require` need only know Node's modules. */
export function compileProgram(
  require: NodeJS.Require,
  file: string,
): { readonly run: Program; readonly usesCache: boolean } {
  const { readFileSync } = require("node:fs") as typeof nodeFs;
  const { Script } = require("node:vm") as typeof nodeVm;
  const readCache = (): Buffer | undefined => {
    try {
      return readFileSync(`${file}.cache`);
    } catch {
      return undefined;
    }
  };
  const script = new Script(HEAD + readFileSync(file, "utf8") + TAIL, {
    filename: file,
    columnOffset: -HEAD.length,
    cachedData: readCache(),
  });
  return { run: script.runInThisContext() as Program, usesCache: script.cachedDataRejected === false };
}
