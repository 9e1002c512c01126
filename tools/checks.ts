/** The checks of `npm run check`: what each runs, in the order of their start. */
import path from "node:path";
import { fileURLToPath } from "node:url";

export type Check = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
};

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Packages' own starters, found in our node_modules whatever folder they check. */
const bin = (name: string): string => path.join(ROOT, "node_modules", ".bin", name);

export const CHECKS = [
  { name: "unit tests", command: bin("vitest"), args: ["run", "--project", "unit", "--reporter=dot"] },
  { name: "types", command: bin("tsc"), args: ["-b", "--pretty", "false"] },
  { name: "lint", command: bin("oxlint"), args: ["--format=unix"] },
  { name: "format", command: bin("biome"), args: ["format", "--reporter=summary", "--colors=off"] },
  { name: "layers", command: bin("tsx"), args: [path.join(ROOT, "tools/check-layers.ts")] },
  { name: "dead code", command: bin("knip"), args: ["--no-progress", "--no-config-hints"] },
] as const satisfies readonly Check[];

export type CheckName = (typeof CHECKS)[number]["name"];
