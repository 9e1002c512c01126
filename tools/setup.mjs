/**
 * Makes a fresh clone able to build: installs the npm dependencies when they are missing or of another lock file.
 * Plain JavaScript, because it runs before anything is installed.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/[/\\]$/, "");

/** Everything that our scripts download or unpack lies here; deleting it is harmless. */
export const CACHE = process.env.TINAMOU_CACHE || path.join(homedir() || "/tmp", ".cache", "tinamou");

/** A step of the set-up failed; the message says what to do. */
export class SetupError extends Error {
  code = "setup";
}

/**
 * Installs `node_modules` from the lock file unless it is there and of this lock file and platform.
 * npm's output goes to stderr, so that stdout stays the caller's. Throws {@link SetupError}.
 */
export function ensureNodeModules(root = ROOT) {
  requireNode20();
  const stamp = path.join(root, "node_modules", ".tinamou-stamp");
  const wanted = lockHash(root);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  if (!isInstalled(root)) {
    process.stderr.write("Installing the npm dependencies (npm ci); this happens once.\n");
    npmCi(root);
  }
  writeFileSync(stamp, wanted);
}

function requireNode20() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) throw new SetupError(`Node.js 20 or later is needed; this is ${process.versions.node}.`);
}

function lockHash(root) {
  const lock = readFileSync(path.join(root, "package-lock.json"));
  return `${createHash("sha256").update(lock).digest("hex")} ${process.platform}-${process.arch}\n`;
}

/** Whether what npm installed last is what the lock file asks for (somebody ran `npm ci` or `npm install` by hand). */
function isInstalled(root) {
  const record = path.join(root, "node_modules", ".package-lock.json");
  if (!existsSync(record)) return false;
  const installed = readPackages(record);
  return Object.entries(readPackages(path.join(root, "package-lock.json"))).every(([folder, wanted]) => {
    if (folder === "") return true;
    const there = installed[folder];
    // The binaries of other platforms are optional and absent.
    return there ? there.version === wanted.version : wanted.optional === true;
  });
}

function readPackages(file) {
  return JSON.parse(readFileSync(file, "utf8")).packages ?? {};
}

function npmCi(root) {
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund"];
  // Under `npm start` the very npm that runs us; otherwise the one in PATH.
  const npm = process.env.npm_execpath;
  const [command, first] = npm?.endsWith(".js") ? [process.execPath, [npm]] : ["npm", []];
  const run = spawnSync(command, [...first, ...args], { cwd: root, stdio: ["ignore", 2, 2] });
  if (run.error) throw new SetupError(`npm could not be started: ${run.error.message}`, { cause: run.error });
  if (run.status !== 0) {
    throw new SetupError(`\`npm ci\` failed with status ${run.status}; see its messages above (is there a network?).`);
  }
}
