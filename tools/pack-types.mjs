/**
 * Copies the declarations that `tsc -b` wrote to `build/types/` into `dist/types/` for the npm package, and turns
 * `#layer/file.ts` into relative paths, because the package ships no sources for that map to point at.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./setup.mjs";

const FROM = path.join(ROOT, "build", "types");
const TO = path.join(ROOT, "dist", "types");

for (const file of readdirSync(FROM, { recursive: true, encoding: "utf8" })) {
  if (!file.endsWith(".d.ts")) continue;
  const text = readFileSync(path.join(FROM, file), "utf8");
  mkdirSync(path.join(TO, path.dirname(file)), { recursive: true });
  writeFileSync(path.join(TO, file), relativeImports(text, path.posix.dirname(file)));
}

function relativeImports(text, folder) {
  return text.replace(/(["'])(#[^"'\n]+|\.{1,2}\/[^"'\n]+)\.ts\1/g, (_, quote, target) => {
    const inside = target.startsWith("#") ? path.posix.relative(folder, target.slice(1)) : target;
    return `${quote}${inside.startsWith(".") ? inside : `./${inside}`}.js${quote}`;
  });
}
