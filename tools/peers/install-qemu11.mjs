/**
 * Gets a QEMU of 11.1 from Debian forky into the cache folder, with all of its libraries, by mmdebstrap. Nothing is
 * installed on the machine and no root is needed; what is there is taken.
 *
 *   node tools/peers/install-qemu11.mjs     says where it is, or why not; exits 0 either way
 *
 * Programs of that folder are started by its own loader (see qemu.ts), so that they see the machine's files.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { archiveKeyring, hostMirrors, hostTransportOptions } from "../guest/apt.mjs";
import { CACHE } from "../setup.mjs";
import { createProgress } from "../support/progress.mjs";
import { run } from "../support/run.mjs";

const SUITE = "forky";
const PACKAGES = ["qemu-system-riscv", "base-files"];
const PROGRAM = "usr/bin/qemu-system-riscv64";
const STALE_MS = 3600_000;

/**
 * Never throws: `missing` is a sentence that says why and what to do.
 * @param {{ cache?: string, searchPath?: string, log?: import("../support/progress.mjs").Log }} [options]
 *   `searchPath` is where mmdebstrap is looked for
 * @returns {Promise<{ root: string } | { missing: string }>}
 */
export async function installQemu11({ cache = CACHE, searchPath = process.env.PATH, log = createProgress() } = {}) {
  const root = qemu11Folder(cache);
  if (existsSync(path.join(root, PROGRAM))) return { root };
  const partial = `${root}.partial-${process.pid}`;
  try {
    removeStale(path.dirname(root), `${path.basename(root)}.partial-`);
    log.step(`Getting QEMU 11.1 from Debian ${SUITE} (60 MB)`);
    await unpack(partial, searchPath);
    renameSync(partial, root);
    log.done(`in ${root}`);
    return { root };
  } catch (error) {
    log.done("not here");
    rmSync(partial, { recursive: true, force: true });
    // Somebody else was faster.
    return existsSync(path.join(root, PROGRAM)) ? { root } : { missing: error.message };
  }
}

/** @param {string} [cache] */
export function qemu11Folder(cache = CACHE) {
  return path.join(cache, "peers", "qemu11");
}

async function unpack(folder, searchPath) {
  await mmdebstrap(["--version"], searchPath);
  const aptOptions = [
    "APT::Install-Recommends false",
    "Acquire::Check-Valid-Until false",
    "Acquire::Languages none",
    ...(await hostTransportOptions()),
  ];
  const [mirror] = await hostMirrors();
  const args = [
    "--mode=chrootless",
    "--variant=extract",
    "--format=directory",
    `--include=${PACKAGES.join(",")}`,
    `--keyring=${await archiveKeyring()}`,
    ...aptOptions.map((option) => `--aptopt=${option.replace(/;$/, "")}`),
    ...["doc", "locale", "man"].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
    SUITE,
    folder,
    mirror,
  ];
  const result = await mmdebstrap(args, searchPath);
  if (result.code === 0 && existsSync(path.join(folder, PROGRAM))) return;
  const reason = result.stderr.split("\n").find((line) => line.startsWith("E: ")) ?? `status ${result.code}`;
  throw new Error(
    `mmdebstrap could not get QEMU 11.1 (${reason}); give apt a source of Debian that can be reached, or its address in TINAMOU_MIRROR`,
  );
}

async function mmdebstrap(args, searchPath) {
  try {
    return await run("mmdebstrap", args, { env: { PATH: searchPath } });
  } catch (cause) {
    const message = "QEMU 11.1 is unpacked by mmdebstrap, which does not start; run: apt-get install mmdebstrap";
    throw new Error(message, { cause });
  }
}

/** What runs that were cut off have left. */
function removeStale(folder, prefix) {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder).filter((file) => file.startsWith(prefix))) {
    const file = path.join(folder, name);
    if (Date.now() - statSync(file).mtimeMs > STALE_MS) rmSync(file, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const found = await installQemu11();
  console.log("root" in found ? `here     QEMU 11.1 in ${found.root}` : `missing  QEMU 11.1: ${found.missing}`);
}
