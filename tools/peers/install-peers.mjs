/**
 * Gets the peers of peers.mjs: as root through `apt-get install`, otherwise (or when that fails) by unpacking their
 * packages into the cache folder, where small wrapper scripts start them with their own libraries.
 *
 *   node tools/peers/install-peers.mjs     reports what is there; exits 0 whatever is missing
 */
import { spawnSync } from "node:child_process";
import { accessSync, chmodSync, constants, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { CACHE } from "../setup.mjs";
import { PEERS } from "./peers.mjs";

/** Enough for a slow line; a program that hangs is not waited for longer. */
const TIMEOUT_MS = 10 * 60_000;

/** Never unpacked: programs run with the libc and loader of the host. */
const HOST_PACKAGES = new Set(["libc6", "libc-bin", "libc6-dev", "libgcc-s1", "gcc-12-base"]);

/**
 * @typedef {object} PeersOptions
 * @property {string} [cache] folder of ours
 * @property {boolean} [mayInstall] whether the machine's packages may be changed
 * @property {string} [searchPath] where programs are looked for
 * @property {string} [status] dpkg's record of what is installed
 * @property {(text: string) => void} [log]
 */

/**
 * Never throws: a peer that cannot be had is in `missing` with the reason. `path` is the PATH to run tests with.
 * @param {PeersOptions} [options]
 * @returns {{ path: string, missing: { name: string, reason: string }[] }}
 */
export function installPeers(options = {}) {
  const place = new Place(options);
  let reason = "not tried";
  for (const attempt of [...(place.mayInstall ? [installPackages] : []), unpackPackages]) {
    if (place.missing().length === 0) break;
    try {
      attempt(place);
      reason = "its package does not hold it";
    } catch (error) {
      reason = error.message;
    }
  }
  return { path: place.path, missing: place.missing().map(({ name }) => ({ name, reason })) };
}

/** Where peers are looked for and put. */
class Place {
  constructor({ cache = CACHE, mayInstall = process.getuid?.() === 0, searchPath, status, log }) {
    this.folder = path.join(cache, "peers");
    this.root = path.join(this.folder, "root");
    this.bin = path.join(this.folder, "bin");
    this.mayInstall = mayInstall;
    this.status = status ?? "/var/lib/dpkg/status";
    this.path = [this.bin, searchPath ?? process.env.PATH ?? ""].join(path.delimiter);
    this.log = log ?? ((text) => process.stderr.write(`${text}\n`));
  }

  missing() {
    return PEERS.filter(
      ({ programs, files }) =>
        !programs.every((program) => this.#hasProgram(program)) ||
        !(files.length === 0 || files.some((file) => existsSync(`/${file}`) || existsSync(path.join(this.root, file)))),
    );
  }

  #hasProgram(name) {
    return this.path.split(path.delimiter).some((folder) => isExecutable(path.join(folder, name)));
  }
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function installPackages(place) {
  const names = place.missing().map(({ name }) => name);
  place.log(`Installing with apt-get: ${names.join(", ")}`);
  withIndex(place, systemApt, (apt) => {
    const packages = choosePackages(place, apt);
    apt("apt-get", ["install", "-y", "--no-install-recommends", ...packages]);
  });
}

function unpackPackages(place) {
  const names = place.missing().map(({ name }) => name);
  place.log(`Unpacking into ${place.root}: ${names.join(", ")}`);
  const debs = path.join(place.folder, "debs");
  rmSync(debs, { recursive: true, force: true });
  mkdirSync(debs, { recursive: true });
  withIndex(place, privateApt, (apt) => {
    const packages = choosePackages(place, apt);
    const plan = apt("apt-get", ["install", "-s", "--no-install-recommends", ...packages]);
    const wanted = [...plan.matchAll(/^Inst (\S+) (?:\[\S+\] )?\((\S+)/gm)].filter(
      ([, name]) => !HOST_PACKAGES.has(name),
    );
    if (wanted.length === 0) throw new Error("apt takes its packages for installed");
    apt("apt-get", ["download", ...wanted.map(([, name, version]) => `${name}=${version}`)], debs);
  });
  const partial = `${place.root}.partial`;
  if (!existsSync(partial) && existsSync(place.root)) renameSync(place.root, partial);
  for (const deb of readdirSync(debs)) must("dpkg-deb", ["-x", path.join(debs, deb), partial]);
  relocateLinkerScripts(partial);
  renameSync(partial, place.root);
  rmSync(debs, { recursive: true });
  writeWrappers(place);
}

/** Runs `body` with the index that is there, and once more after an update when that fails. */
function withIndex(place, makeApt, body) {
  const apt = makeApt(place);
  try {
    body(apt);
  } catch {
    apt("apt-get", ["update"]);
    body(apt);
  }
}

/** apt as it is on this machine. */
function systemApt() {
  return (program, args, cwd) => must(program, args, { cwd, env: { DEBIAN_FRONTEND: "noninteractive" } });
}

/** apt over index files and locks of our own; it reads the machine's sources and record of what is installed. */
function privateApt(place) {
  const state = path.join(place.folder, "apt");
  for (const name of ["lists/partial", "archives/partial"]) mkdirSync(path.join(state, name), { recursive: true });
  const options = [
    `Dir::State=${state}`,
    `Dir::State::lists=${path.join(state, "lists")}`,
    `Dir::State::status=${place.status}`,
    `Dir::Cache=${state}`,
    `Dir::Log=${state}`,
    "Debug::NoLocking=1",
    "APT::Sandbox::User=root",
    "Acquire::Languages=none",
    "Acquire::Retries=2",
  ].flatMap((option) => ["-o", option]);
  return (program, args, cwd) => must(program, [...options, ...args], { cwd });
}

/** The packages of the missing peers, of each the first set that the index has. */
function choosePackages(place, apt) {
  const chosen = [];
  for (const { name, packages } of place.missing()) {
    const found = [];
    for (const set of packages) if (found.length === 0 && isAvailable(apt, set)) found.push(...set);
    if (found.length === 0) throw new Error(`apt's index has no package with the ${name}`);
    chosen.push(...found);
  }
  return [...new Set(chosen)];
}

function isAvailable(apt, packages) {
  const policies = apt("apt-cache", ["policy", ...packages]);
  return (policies.match(/^ {2}Candidate: [^(]/gm) ?? []).length === packages.length;
}

/** Returns what the program printed; throws with its last error lines. */
function must(program, args, options = {}) {
  const { error, status, stdout, stderr } = spawnSync(program, args, {
    cwd: options.cwd,
    env: { ...process.env, LC_ALL: "C", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    maxBuffer: 64 << 20,
    timeout: TIMEOUT_MS,
  });
  if (error) throw new Error(`${program} could not be started or finished (${error.message})`, { cause: error });
  if (status === 0) return stdout;
  const errors = stderr.split("\n").filter((line) => /^(E:|Err|dpkg)/.test(line));
  throw new Error(`${program} failed: ${errors.slice(-2).join(" / ") || `status ${status}`}`);
}

/** The linker scripts of the cross libc (libc.so, libm.so, libm.a) name files by absolute paths. */
function relocateLinkerScripts(root) {
  const folder = path.join(root, "usr/riscv64-linux-gnu/lib");
  if (!existsSync(folder)) return;
  const final = root.replace(/\.partial$/, "");
  for (const name of readdirSync(folder).filter((file) => /^lib[cm]\.(so|a)$/.test(file))) {
    const bytes = readFileSync(path.join(folder, name));
    if (!bytes.subarray(0, 64).toString("latin1").startsWith("/* GNU ld script")) continue;
    const text = bytes
      .toString("utf8")
      .replaceAll(/(?<=[\s(])\/usr\/riscv64-linux-gnu\//g, `${final}/usr/riscv64-linux-gnu/`);
    writeFileSync(path.join(folder, name), text);
  }
}

/** A script for each program of the peers, and for the parts of the compiler. */
function writeWrappers(place) {
  const libraries = libraryFolders(place.root).join(":");
  const programs = new Set(PEERS.flatMap((peer) => peer.programs));
  mkdirSync(place.bin, { recursive: true });
  for (const name of readdirSync(path.join(place.root, "usr/bin"))) {
    if (!programs.has(name) && !/^(riscv64|i686)-linux-gnu-/.test(name)) continue;
    const script = path.join(place.bin, name);
    const lines = [
      "#!/bin/sh",
      `LD_LIBRARY_PATH='${libraries}'\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}`,
      "export LD_LIBRARY_PATH",
      `exec '${path.join(place.root, "usr/bin", name)}' "$@"`,
    ];
    writeFileSync(script, `${lines.join("\n")}\n`);
    chmodSync(script, 0o755);
  }
}

/** Folders below `root` that hold the host's shared libraries: lib/TRIPLET and the folders in it. */
function libraryFolders(root) {
  const folders = [];
  for (const top of ["usr/lib", "lib"].map((name) => path.join(root, name)).filter((name) => existsSync(name))) {
    for (const triplet of subfolders(top).filter(
      (name) => /-linux-gnu/.test(name) && !name.endsWith("riscv64-linux-gnu"),
    )) {
      folders.push(triplet, ...subfolders(triplet).filter((name) => hasLibraries(name)));
    }
  }
  return folders;
}

function subfolders(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(folder, entry.name));
}

function hasLibraries(folder) {
  return readdirSync(folder).some((name) => /^lib.*\.so\.\d/.test(name));
}

function main() {
  const { path: searchPath, missing } = installPeers();
  for (const { name, programs } of PEERS) {
    const lost = missing.find((peer) => peer.name === name);
    const found = programs.map((program) => locate(program, searchPath)).filter((file) => file !== undefined);
    console.log(lost ? `missing  ${name}: ${lost.reason}` : `here     ${name} ${found.join(" ")}`.trimEnd());
  }
}

function locate(program, searchPath) {
  const folders = searchPath.split(path.delimiter);
  return folders.map((folder) => path.join(folder, program)).find((file) => isExecutable(file));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main();
