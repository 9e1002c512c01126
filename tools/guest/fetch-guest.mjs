/**
 * Gets the guest from Debian's packages for riscv64: a kernel, a static busybox and OpenSBI, and makes its initramfs.
 *
 *     apt index -> .deb files -> kernel, busybox, firmware (kept, listed in manifest.json) -> initramfs (made here)
 *
 * The cache folder is ours alone. A new set of files is made in a work folder, moved in place under a name of its own,
 * and only then named by the manifest, so that whoever comes in between sees the old set or the new one, never a half.
 * With a manifest whose files are as they were, nothing is asked of the network.
 *
 * Runs by itself too: `node tools/guest/fetch-guest.mjs [--with-modules]` prints the result as JSON.
 */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { archiveKeyring, hostMirrors, openApt } from "./apt.mjs";
import { extract, listFiles } from "./debian-package.mjs";
import { GuestError } from "./guest-error.mjs";
import { makeInitramfs } from "./initramfs.mjs";
import { CACHE } from "../setup.mjs";
import { createProgress } from "../support/progress.mjs";

const MANIFEST_FORMAT = 1;
const SUITES = ["trixie", "forky", "sid"];
const KERNEL_PACKAGE = "linux-image-riscv64";
const MAX_KERNEL_PACKAGES = 8;
const STALE_MS = 3600_000;

const KERNEL_PATTERNS = ["./boot/vmlinu*", "./usr/lib/modules/*/vmlinu*", "./lib/modules/*/vmlinu*"];
const BUSYBOX_PATTERNS = ["./usr/bin/busybox", "./bin/busybox"];
const FIRMWARE_PATTERNS = ["./usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin"];

/** In loading order. A kernel that has one of them built in has no file for it, which is fine. */
const VIRTIO_MODULES = ["virtio", "virtio_ring", "virtio_mmio", "virtio_blk", "rng-core", "virtio-rng"];
const DEVICE_MODULES = [...VIRTIO_MODULES, "virtio_balloon", "virtio_console"];
const FILESYSTEM_MODULES = ["crc16", "crc32c_generic", "mbcache", "jbd2", "ext4"];
export const GUEST_MODULES = [...DEVICE_MODULES, ...FILESYSTEM_MODULES];

/**
 * @typedef {{ kernel: string, initrd: string, firmware: string, busybox: string,
 *   modules: { name: string, path: string }[], version: string, suite: string }} Guest
 *   absolute file names; the kernel is as Debian ships it; `modules` are in loading order and empty unless asked for
 */

/**
 * @param {{ cacheDir?: string, log?: import("../support/progress.mjs").Log, withModules?: boolean, suites?: readonly string[],
 *   extraFiles?: readonly import("./initramfs.mjs").ExtraFile[] }} [options]
 *   `withModules` gets the drivers of virtio devices as well (a package of 116 MB) and lets the guest load them, and
 *   those of a file system, which it does not load by itself;
 *   `extraFiles` go into the initramfs
 * @returns {Promise<Guest>}
 * @throws {GuestError}
 */
export async function fetchGuest(options = {}) {
  const cacheDir = resolve(options.cacheDir ?? join(CACHE, "guest"));
  const log = options.log ?? createProgress();
  const withModules = options.withModules ?? false;
  try {
    await mkdir(cacheDir, { recursive: true });
    let manifest = await readManifest(cacheDir, withModules);
    if (manifest === undefined) {
      manifest = await download({ cacheDir, log, withModules, suites: options.suites ?? SUITES });
    }
    const path = (name) => join(cacheDir, manifest.folder, name);
    const modules = withModules
      ? manifest.modules.map((file) => ({ name: basename(file).replace(/\.ko.*$/, ""), path: path(file) }))
      : [];
    return {
      kernel: path(manifest.kernel),
      initrd: await writeInitramfs(path, manifest, modules, options.extraFiles ?? []),
      firmware: path(manifest.firmware),
      busybox: path(manifest.busybox),
      modules,
      version: manifest.version,
      suite: manifest.suite,
    };
  } catch (error) {
    if (error instanceof GuestError) throw error;
    const message = `the guest's folder ${cacheDir} cannot be used (${error.message}); make room or rights there, or name another one in TINAMOU_CACHE`;
    throw new GuestError("cache", message, { cause: error });
  }
}

/** The manifest, or undefined when there is none of this format, or a file of it is missing or was changed. */
async function readManifest(cacheDir, withModules) {
  let manifest;
  try {
    manifest = JSON.parse(await readFile(join(cacheDir, "manifest.json"), "utf8"));
  } catch {
    return undefined;
  }
  if (manifest?.format !== MANIFEST_FORMAT) return undefined;
  // A manifest of before a driver was added to our list does not have it.
  if (withModules && manifest.wantedModules?.join() !== GUEST_MODULES.join()) return undefined;
  for (const [name, sha256] of Object.entries(manifest.sha256)) {
    const actual = await sha256Of(join(cacheDir, manifest.folder, name)).catch(() => undefined);
    if (actual !== sha256) return undefined;
  }
  return manifest;
}

async function download({ cacheDir, log, withModules, suites }) {
  await removeStale(cacheDir, "work-", STALE_MS);
  const work = await mkdtemp(join(cacheDir, "work-"));
  try {
    const keyring = await archiveKeyring();
    const failures = [];
    for (const mirror of await hostMirrors()) {
      for (const suite of suites) {
        const folder = join(work, `${failures.length}-${suite}`);
        try {
          return await downloadSuite({ cacheDir, folder, suite, mirror, keyring, log, withModules });
        } catch (error) {
          if (!(error instanceof GuestError) || !["index", "download", "package"].includes(error.code)) throw error;
          log.done(`not usable now, ${error.message}`);
          failures.push(`${suite}: ${error.message}`);
        }
      }
    }
    const message = `no suite of Debian gave the guest's packages (${failures.at(-1)}); check the network and the machine's apt sources, then start again`;
    throw new GuestError("no-suite", message);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function downloadSuite({ cacheDir, folder, suite, mirror, keyring, log, withModules }) {
  log.step(`Asking Debian ${suite} for a riscv64 kernel`);
  const apt = await openApt({ folder: join(folder, "apt"), suite, mirror, keyring, log });
  await apt.update();
  const kernels = await kernelPackages(apt, suite);
  const modules = withModules ? await modulePackages(apt, kernels) : [];
  const busybox = await needed(apt, suite, "busybox-static");
  const opensbi = await needed(apt, suite, "opensbi");
  const packages = [...kernels, ...modules, busybox, opensbi];
  const version = kernels.at(-1).version;
  log.done(`kernel ${version}`);

  const megabytes = packages.reduce((sum, item) => sum + item.sizeBytes, 0) / 1e6;
  log.step(`Getting kernel ${version}, busybox and OpenSBI (${megabytes.toFixed(0)} MB)`);
  const debs = join(folder, "debs");
  await mkdir(debs);
  await apt.download(packages, debs);
  log.done();

  log.step("Unpacking the guest");
  const found = await unpack(debs, join(folder, "files"), withModules);
  const manifest = await keep({ cacheDir, found, suite, version, packages, withModules });
  log.done(`from Debian ${suite}, kept in ${cacheDir}`);
  return manifest;
}

/** The packages on the way from the kernel's meta package to its image; what it wants for installing is left out. */
async function kernelPackages(apt, suite) {
  const found = [];
  const queue = [KERNEL_PACKAGE];
  while (queue.length > 0 && found.length < MAX_KERNEL_PACKAGES) {
    const item = await apt.show(queue.shift());
    if (item === undefined || found.some((other) => other.name === item.name)) continue;
    found.push(item);
    queue.push(...item.depends.filter((name) => /^linux-(image|binary)-\d/.test(name)));
  }
  if (found.length < 2) throw new GuestError("package", `${suite} has no ${KERNEL_PACKAGE} with an image`);
  return found.slice(1);
}

/** The package with the kernel's modules; none when they come with the image itself. */
async function modulePackages(apt, kernels) {
  const name = kernels.flatMap((item) => item.depends).find((depend) => /^linux-modules-\d/.test(depend));
  const item = name === undefined ? undefined : await apt.show(name);
  return item === undefined ? [] : [item];
}

async function needed(apt, suite, name) {
  const item = await apt.show(name);
  if (item === undefined) throw new GuestError("package", `${suite} has no ${name} for riscv64`);
  return item;
}

/** Takes what we use out of the .deb files; the values are absolute file names. */
async function unpack(debs, folder, withModules) {
  const modulePatterns = GUEST_MODULES.map((name) => `./*lib/modules/*/${name}.ko*`);
  const patterns = [
    ...KERNEL_PATTERNS,
    ...BUSYBOX_PATTERNS,
    ...FIRMWARE_PATTERNS,
    ...(withModules ? modulePatterns : []),
  ];
  for (const deb of await listFiles(debs)) await extract(join(debs, deb), folder, patterns);
  const files = await listFiles(folder);
  const find = (what, pattern) => {
    const file = files.find((name) => pattern.test(name));
    if (file === undefined) throw new GuestError("package", `the packages hold no ${what}`);
    return join(folder, file);
  };
  return {
    kernel: find("kernel image", /(^|\/)vmlinu[xz][^/]*$/),
    busybox: find("busybox", /(^|\/)bin\/busybox$/),
    firmware: find("OpenSBI firmware", /generic\/fw_dynamic\.bin$/),
    modules: GUEST_MODULES.flatMap((name) => files.filter((file) => basename(file).startsWith(`${name}.ko`))).map(
      (file) => join(folder, file),
    ),
  };
}

/** Moves the files to their place and names them in the manifest. */
async function keep({ cacheDir, found, suite, version, packages, withModules }) {
  const folder = await mkdtemp(join(cacheDir, "guest-"));
  const sha256 = {};
  const move = async (file, name) => {
    sha256[name] = await sha256Of(file);
    await rename(file, join(folder, name));
    return name;
  };
  const manifest = {
    format: MANIFEST_FORMAT,
    suite,
    version,
    folder: basename(folder),
    kernel: await move(found.kernel, "vmlinuz"),
    firmware: await move(found.firmware, "fw_dynamic.bin"),
    busybox: await move(found.busybox, "busybox"),
    wantedModules: withModules ? GUEST_MODULES : [],
    modules: [],
    sha256,
    packages: packages.map(({ name, version, architecture, sha256 }) => ({ name, version, architecture, sha256 })),
  };
  for (const file of found.modules) manifest.modules.push(await move(file, basename(file)));
  await writeAtomically(join(cacheDir, "manifest.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  await removeStale(cacheDir, "guest-", STALE_MS, manifest.folder);
  return manifest;
}

/**
 * The initramfs is made from what is in the repository now, so a changed `init` is seen at once. Its name holds its
 * hash, which lets two starts with different files run side by side.
 */
async function writeInitramfs(path, manifest, modules, extraFiles) {
  const archive = makeInitramfs({
    busybox: await readFile(path(manifest.busybox)),
    modules: await Promise.all(
      modules
        .filter((module) => DEVICE_MODULES.includes(module.name))
        .map(async (module) => ({ name: basename(module.path), data: await readFile(module.path) })),
    ),
    extraFiles,
  });
  const hash = createHash("sha256").update(archive).digest("hex").slice(0, 16);
  const file = path(`initrd-${hash}.cpio`);
  const size = await stat(file).then(
    (info) => info.size,
    () => -1,
  );
  if (size !== archive.length) await writeAtomically(file, archive);
  return file;
}

async function writeAtomically(file, content) {
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, content);
  await rename(temporary, file);
}

async function sha256Of(file) {
  return createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
}

/** Removes what a start that was cut off, or an older guest, left; never what may still be in use. */
async function removeStale(cacheDir, prefix, ageMs, keep) {
  for (const name of await readdir(cacheDir)) {
    if (!name.startsWith(prefix) || name === keep) continue;
    const info = await stat(join(cacheDir, name)).catch(() => undefined);
    if (info !== undefined && Date.now() - info.mtimeMs > ageMs) {
      await rm(join(cacheDir, name), { recursive: true, force: true });
    }
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const log = createProgress();
  try {
    const guest = await fetchGuest({ log, withModules: process.argv.includes("--with-modules") });
    process.stdout.write(`${JSON.stringify(guest, undefined, 2)}\n`);
  } catch (error) {
    log.fail(error.message);
    process.exitCode = 1;
  }
}
