/**
 * Bundles the programs with esbuild:
 *
 *     src/app/cli/tinamou-system-riscv64.ts -> dist/tinamou-system-riscv64.js    the command
 *     src/app/api/index.ts                  -> dist/index.js                     the npm API
 *     src/app/workers/*.ts                  -> dist/workers/*.js                 the threads, started from either
 *
 * `node tools/build.mjs` builds always; `buildIfNeeded` when a source was changed, added or removed since.
 */
import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createProgress } from "./support/progress.mjs";

const COMMAND = "tinamou-system-riscv64";
const STAMP = "dist/.sources";

/**
 * @param {string} root the repository
 * @param {import("./support/progress.mjs").Log} log
 */
export async function buildIfNeeded(root, log) {
  const built = await readFile(join(root, STAMP), "utf8").catch(() => "");
  if (built !== (await fingerprint(root))) await build(root, log);
}

/** Builds into `dist/`; what a source left there that is gone is removed. */
export async function build(root, log) {
  log.step("Building");
  // Before the build: a source that is changed while it runs is built again the next time.
  const sources = await fingerprint(root);
  await rm(join(root, "dist"), { recursive: true, force: true });
  await mkdir(join(root, "dist"));
  const { build: bundle } = await import("esbuild");
  const result = await bundle({
    absWorkingDir: root,
    entryPoints: await entryPoints(root),
    outdir: "dist",
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: true,
    logLevel: "silent",
    metafile: true,
  }).catch((error) => {
    const [first] = error.errors ?? [];
    const where = first?.location ? `${first.location.file}:${first.location.line}: ` : "";
    throw new Error(`the build failed: ${where}${first?.text ?? error.message}`, { cause: error });
  });
  await chmod(join(root, "dist", `${COMMAND}.js`), 0o755);
  await writeFile(join(root, STAMP), sources);
  const outputs = Object.keys(result.metafile.outputs).filter((name) => name.endsWith(".js"));
  log.done(`${outputs.length} files in dist`);
}

async function entryPoints(root) {
  const workers = (await readdir(join(root, "src/app/workers"))).filter(
    (name) => name.endsWith(".ts") && !name.endsWith(".test.ts"),
  );
  return [
    { in: `src/app/cli/${COMMAND}.ts`, out: COMMAND },
    { in: "src/app/api/index.ts", out: "index" },
    ...workers.map((name) => ({ in: `src/app/workers/${name}`, out: `workers/${basename(name, ".ts")}` })),
  ];
}

/** Changes when a file that the build reads is changed, added or removed. */
async function fingerprint(root) {
  const files = (await readdir(join(root, "src"), { recursive: true }))
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => join("src", name));
  files.push("package.json", "package-lock.json", "tools/build.mjs");
  const hash = createHash("sha256");
  for (const file of files.toSorted()) {
    const info = await stat(join(root, file));
    hash.update(`${file}\0${info.size}\0${info.mtimeMs}\n`);
  }
  return hash.digest("hex");
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const log = createProgress();
  try {
    await build(fileURLToPath(new URL("..", import.meta.url)), log);
  } catch (error) {
    log.fail(error.message);
    process.exitCode = 1;
  }
}
