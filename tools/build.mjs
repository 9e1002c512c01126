/**
 * Bundles the programs with esbuild:
 *
 *     src/app/cli/tinamou-system-riscv64.ts -> dist/tinamou-system-riscv64.js    the command's file
 *     src/app/start-thread.ts               -> dist/start-thread.cjs             every worker's file
 *     src/app/programs/*.ts                 -> dist/programs/*.cjs, *.cjs.cache  the programs that these two load
 *     src/app/api/index.ts                  -> dist/index.js                     the npm API, and chunks of it
 *     src/app/make-stored-runtimes.ts       -> dist/runtimes/*                   what it makes: runtimes of the CPU
 *     src/app/compile-stored-runtime.ts     -> dist/runtimes/*.code              V8's optimised code of one of them
 *
 * A program is one CommonJS file, because V8 takes code that it made before (`make-code-caches.mjs`) for those alone;
 * what it imports lazily is part of the file and is evaluated when it is needed.
 *
 * `node tools/build.mjs` builds always; `buildIfNeeded` when a source was changed, added or removed since.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { makeCodeCaches } from "./make-code-caches.mjs";
import { createProgress } from "./support/progress.mjs";

const COMMAND = "tinamou-system-riscv64";
const BUILD_TOOLS = ["tools/build.mjs", "tools/make-code-caches.mjs", "tools/support/record-code.cjs"];
const STAMP = "dist/.sources";
const COMPILE_LIMIT_MS = 60_000;

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
  const bundles = [
    await bundle(root, {
      entryPoints: { index: "src/app/api/index.ts" },
      format: "esm",
      splitting: true,
      // Chunks lie beside it.
      define: { DIST_URL: "import.meta.url" },
    }),
    await bundle(root, { entryPoints: { [COMMAND]: `src/app/cli/${COMMAND}.ts` }, format: "esm" }),
    await bundle(root, {
      ...commonJs("__filename"),
      entryPoints: { "start-thread": "src/app/start-thread.ts" },
    }),
    await bundle(root, {
      ...commonJs('require("node:path").dirname(__filename)'),
      entryPoints: await programFiles(root),
      outdir: "dist/programs",
    }),
  ];
  await storeRuntimes(root);
  await chmod(join(root, "dist", `${COMMAND}.js`), 0o755);
  await makeCodeCaches(join(root, "dist"));
  await writeFile(join(root, STAMP), sources);
  const outputs = bundles.flatMap(({ metafile }) => Object.keys(metafile.outputs));
  log.done(`${outputs.filter((name) => /\.c?js$/.test(name)).length} programs in dist`);
}

/** Runs esbuild with what all bundles have in common. */
async function bundle(root, options) {
  const { build: run } = await import("esbuild");
  return run({
    absWorkingDir: root,
    outdir: "dist",
    bundle: true,
    platform: "node",
    target: "node20",
    sourcemap: true,
    logLevel: "silent",
    metafile: true,
    // With binaries of its own, and it may be absent.
    external: ["koffi"],
    ...options,
  }).catch((error) => {
    const [first] = error.errors ?? [];
    const where = first?.location ? `${first.location.file}:${first.location.line}: ` : "";
    throw new Error(`the build failed: ${where}${first?.text ?? error.message}`, { cause: error });
  });
}

/** A file of CommonJS; `beside` is an expression for a path that lies in `dist/`. */
function commonJs(beside) {
  return {
    format: "cjs",
    outExtension: { ".js": ".cjs" },
    define: { DIST_URL: "__beside", "import.meta.url": "__beside" },
    banner: { js: `const __beside = require("node:url").pathToFileURL(${beside}).href;` },
    // V8 asks for import() of code that it made before where nobody answers.
    supported: { "dynamic-import": false },
  };
}

async function programFiles(root) {
  const names = await readdir(join(root, "src/app/programs"));
  return names
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => `src/app/programs/${name}`);
}

/** The text of a module that the build itself runs. */
async function bundledText(root, entryPoint) {
  const { outputFiles } = await bundle(root, {
    entryPoints: [entryPoint],
    format: "esm",
    define: { DIST_URL: "import.meta.url" },
    sourcemap: false,
    write: false,
  });
  return outputFiles[0].text;
}

/** Generates the runtimes with the sources just bundled, and compiles the one that this V8 uses if it can. */
async function storeRuntimes(root) {
  const text = await bundledText(root, "src/app/make-stored-runtimes.ts");
  const { makeStoredRuntimes } = await import(`data:text/javascript;base64,${Buffer.from(text).toString("base64")}`);
  const folder = join(root, "dist/runtimes");
  await mkdir(folder);
  for (const { name, bytes, description } of makeStoredRuntimes()) {
    await writeFile(join(folder, `${name}.wasm`), bytes);
    await writeFile(join(folder, `${name}.json`), JSON.stringify(description));
  }
  // A V8 that cannot do it ends the process; the runtime is compiled as it is used then.
  spawnSync(process.execPath, ["--input-type=module", "-", folder], {
    input: await bundledText(root, "src/app/compile-stored-runtime.ts"),
    stdio: ["pipe", "ignore", "ignore"],
    timeout: COMPILE_LIMIT_MS,
  });
}

/** Changes when a file that the build reads is changed, added or removed, and with the version of Node. */
async function fingerprint(root) {
  const files = (await readdir(join(root, "src"), { recursive: true }))
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => join("src", name));
  files.push("package.json", "package-lock.json", ...BUILD_TOOLS);
  const hash = createHash("sha256").update(process.version);
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
