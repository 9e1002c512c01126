/** Gets Debian's last kernel for i386 and a PC's BIOS through apt into the cache folder. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { archiveKeyring, hostMirrors, openApt } from "../../guest/apt.mjs";
import { extract, listFiles } from "../../guest/debian-package.mjs";
import { GuestError } from "../../guest/guest-error.mjs";
import { CACHE } from "../../setup.mjs";

const SUITE = "bookworm";
const KERNEL_PACKAGE = "linux-image-686";
const PATTERNS = ["./boot/vmlinuz-*", "./usr/share/seabios/bios.bin", "./usr/share/seabios/vgabios-stdvga.bin"];

/**
 * @param {import("../../support/progress.mjs").Log} log
 * @returns {Promise<{ kernel: string, bios: string, vgaBios: string }>} absolute file names
 * @throws {GuestError}
 */
export async function fetchI386Kernel(log) {
  const place = join(CACHE, "v86", SUITE);
  if (!existsSync(place)) {
    await mkdir(join(CACHE, "v86"), { recursive: true });
    const work = await mkdtemp(join(CACHE, "v86", "work-"));
    try {
      await download(work, log);
      await rename(join(work, "files"), place);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  const files = await listFiles(place);
  const find = (pattern) => {
    const file = files.find((name) => pattern.test(name));
    if (file === undefined) throw new GuestError("package", `${place} lacks ${pattern}; delete that folder`);
    return join(place, file);
  };
  return { kernel: find(/boot\/vmlinuz-/), bios: find(/\/bios\.bin$/), vgaBios: find(/vgabios-stdvga\.bin$/) };
}

async function download(work, log) {
  const [mirror] = await hostMirrors();
  const folder = join(work, "apt");
  const keyring = await archiveKeyring();
  log.step(`Asking Debian ${SUITE} for an i386 kernel`);
  const apt = await openApt({ folder, suite: SUITE, mirror, keyring, log, architecture: "i386" });
  await apt.update();
  const meta = await apt.show(KERNEL_PACKAGE);
  const name = meta?.depends.find((depend) => /^linux-image-\d/.test(depend));
  const [kernel, seabios] = [await apt.show(name ?? KERNEL_PACKAGE), await apt.show("seabios")];
  if (name === undefined || kernel === undefined || seabios === undefined) {
    throw new GuestError("package", `Debian ${SUITE} has no ${KERNEL_PACKAGE} or no seabios for i386`);
  }
  log.done(`kernel ${kernel.version}`);
  log.step(`Getting it and seabios (${((kernel.sizeBytes + seabios.sizeBytes) / 1e6).toFixed(0)} MB)`);
  await mkdir(join(work, "debs"));
  await apt.download([kernel, seabios], join(work, "debs"));
  for (const deb of await readdir(join(work, "debs"))) {
    await extract(join(work, "debs", deb), join(work, "files"), PATTERNS);
  }
  log.done();
}
