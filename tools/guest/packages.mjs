/**
 * Gets programs from Debian's packages with the shared libraries that they ask for, unpacked into one tree in the cache
 * folder.
 *
 *     named packages (and what `follow` lets in) -> files -> names of libraries -> the packages of those, and so on
 *
 * A library's package is found among the dependencies of the package whose file asks for it, so that dependencies that
 * no file is linked with (graphics drivers, scripts of the installation) stay away.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { CACHE } from "../setup.mjs";
import { archiveKeyring, hostMirrors, openApt } from "./apt.mjs";
import { extract } from "./debian-package.mjs";
import { neededLibraries } from "./elf-needed.mjs";
import { GuestError } from "./guest-error.mjs";

const FORMAT = 1;
const LOADER = "ld-linux-riscv64-lp64d.so.1";
const LIBRARIES = "usr/lib/riscv64-linux-gnu";
const UNUSED = /^usr\/(share\/(doc|man|locale|lintian|bash-completion|info)|lib\/[^/]+\/gconv)\//;

/**
 * @typedef {{ name: string, follow?: RegExp }} Wanted
 *   a package, and which of its dependencies (and of theirs) are wanted whole
 */

/**
 * Unpacks the packages once for a suite; afterwards the cache folder has them. A package that the suite does not have is
 * in `missing`; its libraries, if not to be had, too.
 *
 * @param {{ wanted: readonly Wanted[], suite: string, log: import("../support/progress.mjs").Log, cacheDir?: string }} options
 * @returns {Promise<{ folder: string, missing: string[], packages: string[] }>} `packages` as name_version
 * @throws {GuestError} when apt or the network fails
 */
export async function fetchPackages({ wanted, suite, log, cacheDir = join(CACHE, "packages") }) {
  const key = [FORMAT, suite, ...wanted.map(({ name, follow }) => `${name} ${follow?.source}`)].join("\n");
  const place = join(cacheDir, `${suite}-${createHash("sha256").update(key).digest("hex").slice(0, 16)}`);
  const record = join(place, "record.json");
  if (!existsSync(record)) {
    await mkdir(cacheDir, { recursive: true });
    const work = await mkdtemp(join(cacheDir, "work-"));
    try {
      await new Unpacking(await startApt(work, suite, log), work, log).run(wanted);
      await rm(join(work, "apt"), { recursive: true, force: true });
      await rm(place, { recursive: true, force: true });
      await rename(work, place);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  return { folder: join(place, "root"), ...JSON.parse(await readFile(record, "utf8")) };
}

/**
 * The tree as files and links for an initramfs.
 * @param {string} folder
 * @returns {Promise<import("./initramfs.mjs").ExtraFile[]>}
 */
export async function packageFiles(folder) {
  const files = [];
  for (const path of await listTree(folder)) {
    const from = join(folder, path);
    const info = await lstat(from);
    if (info.isSymbolicLink()) files.push({ path, target: await readlink(from) });
    else files.push({ path, mode: info.mode & 0o777, data: await readFile(from) });
  }
  const loader = files.find((file) => basename(file.path) === LOADER);
  if (loader && loader.path !== `lib/${LOADER}`) files.push({ path: `lib/${LOADER}`, target: `/${loader.path}` });
  return files;
}

/** The first mirror whose index can be had. */
async function startApt(work, suite, log) {
  const keyring = await archiveKeyring();
  let failure = new GuestError("no-mirror", `no mirror has Debian ${suite}`);
  for (const [index, mirror] of (await hostMirrors()).entries()) {
    log.step(`Asking Debian ${suite} for programs`);
    try {
      const apt = await openApt({ folder: join(work, "apt", String(index)), suite, mirror, keyring, log });
      await apt.update();
      log.done();
      return apt;
    } catch (error) {
      if (!(error instanceof GuestError) || error.code !== "index") throw error;
      log.done(`not usable now, ${error.message}`);
      failure = error;
    }
  }
  throw failure;
}

class Unpacking {
  #apt;
  #work;
  #root;
  #log;
  /** Dependencies by name of an unpacked package. */
  #unpacked = new Map();
  /** The package of each file of the tree. */
  #owners = new Map();
  #names = [];
  #missing = [];

  constructor(apt, work, log) {
    this.#apt = apt;
    this.#work = work;
    this.#root = join(work, "root");
    this.#log = log;
  }

  async run(wanted) {
    await mkdir(this.#root, { recursive: true });
    const queue = [];
    for (const { name, follow } of wanted) queue.push(...(await this.#whole(name, follow)));
    const seen = new Set();
    while (queue.length > 0) {
      const { file, owner } = queue.shift();
      if (seen.has(file)) continue;
      seen.add(file);
      for (const library of neededLibraries(await readFile(join(this.#root, file)))) {
        const found = await this.#library(library, owner);
        if (found) queue.push(found);
      }
    }
    const record = { missing: this.#missing, packages: this.#names };
    await writeFile(join(this.#work, "record.json"), JSON.stringify(record, undefined, 2));
  }

  /** Unpacks a package and what `follow` lets in; gives its programs and those of the others. */
  async #whole(name, follow) {
    const queue = [name];
    const programs = [];
    while (queue.length > 0) {
      const next = queue.shift();
      if (this.#unpacked.has(next)) continue;
      const files = await this.#unpack(next);
      if (files === undefined) {
        this.#missing.push(next);
        continue;
      }
      const own = files.filter((file) => /^usr\/s?bin\/|\/lib-dynload\/|\/7zip\//.test(file));
      programs.push(...own.map((file) => ({ file, owner: next })));
      if (follow) queue.push(...this.#unpacked.get(next).filter((depend) => follow.test(depend)));
    }
    return programs;
  }

  /** Where a library is and whose it is; undefined when no dependency of `owner` holds it. */
  async #library(library, owner) {
    const there = this.#find(library);
    if (there) return { file: there, owner: this.#owners.get(there) ?? owner };
    const like = packageName(library);
    const depends = [...this.#unpacked.get(owner)].sort(
      (a, b) => Number(b.startsWith(like)) - Number(a.startsWith(like)),
    );
    for (const depend of depends) {
      if (this.#unpacked.has(depend) || !/^lib|^zlib/.test(depend)) continue;
      await this.#unpack(depend);
      const file = this.#find(library);
      if (file) return { file, owner: this.#owners.get(file) ?? depend };
    }
    this.#missing.push(`${library} of ${owner}`);
    return undefined;
  }

  #find(library) {
    const file = join(LIBRARIES, library);
    return existsSync(join(this.#root, file)) ? file : undefined;
  }

  /** The package's regular files; undefined when the suite has none of that name. */
  async #unpack(name) {
    const item = await this.#apt.show(name);
    if (item === undefined) return undefined;
    this.#log.step(`Getting ${name} (${(item.sizeBytes / 1e6).toFixed(1)} MB)`);
    this.#unpacked.set(name, item.depends);
    this.#names.push(`${name}_${item.version}`);
    const folder = await mkdtemp(join(this.#work, "deb-"));
    await this.#apt.download([item], folder);
    const [deb] = await readdir(folder);
    await extract(join(folder, deb), join(folder, "files"), ["./*"]);
    const files = await this.#take(join(folder, "files"), name);
    await rm(folder, { recursive: true });
    this.#log.done();
    return files;
  }

  /** Moves what is used into the tree, with /lib and /bin where they are today: below /usr. */
  async #take(from, owner) {
    const taken = [];
    for (const path of await listTree(from)) {
      const to = path.replace(/^(lib|bin|sbin)\//, "usr/$1/");
      if (UNUSED.test(to)) continue;
      await mkdir(join(this.#root, to, ".."), { recursive: true });
      await rename(join(from, path), join(this.#root, to));
      this.#owners.set(to, owner);
      if ((await lstat(join(this.#root, to))).isFile()) taken.push(to);
    }
    return taken;
  }
}

/** As Debian names a library's package: libssl.so.3 is in libssl3, libstdc++.so.6 in libstdc++6, libX11.so.6 in libx11-6. */
export function packageName(library) {
  const [, name = library, version = ""] = /^(.*?)\.so\.?(\d*)/.exec(library) ?? [];
  const dash = /\d$/.test(name) ? "-" : "";
  return `${name}${dash}${version}`.toLowerCase().replaceAll("_", "-");
}

/** All files and links below `folder`, relative to it, sorted. */
async function listTree(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
    .sort();
}
