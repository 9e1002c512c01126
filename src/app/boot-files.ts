/**
 * The files that a machine boots from: where they are, and what is in them.
 */
import { existsSync } from "node:fs";
import { readBytes } from "#platform/node/read-bytes.ts";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { StartError } from "#app/start-error.ts";
import type { BootConfig } from "#machine/config.ts";
import { decodeDeviceTree } from "#machine/device-tree.ts";
import type { BootFiles } from "#machine/machine-boot.ts";

/** Names of the default firmware, ours and QEMU's. */
const FIRMWARE_NAMES = ["fw_dynamic.bin", "opensbi-riscv64-generic-fw_dynamic.bin"];

/** Where firmware is looked for: `given` (`-L`), this project's guest cache, then where distributions put it. */
export function firmwareDirectories(given: readonly string[]): string[] {
  const cache = process.env["TINAMOU_CACHE"] ?? join(homedir(), ".cache", "tinamou");
  return [...given, join(cache, "guest"), "/usr/lib/riscv64-linux-gnu/opensbi/generic", "/usr/share/qemu"];
}

/** Reads them all. Rejects with `StartError`. */
export async function readBootFiles(boot: BootConfig, dataDirectories: readonly string[]): Promise<BootFiles> {
  const firmware = firmwarePath(boot.bios, firmwareDirectories(dataDirectories));
  return {
    firmware: await read("firmware", firmware, requireContent),
    kernel: await read("kernel", boot.kernel, requireContent),
    initrd: await read("initrd", boot.initrd),
    dtb: await read("device tree", boot.dtb, decodeDeviceTree),
  };
}

function requireContent(bytes: Uint8Array): void {
  if (bytes.length === 0) throw new StartError("it is empty");
}

function firmwarePath(bios: string, directories: readonly string[]): string | undefined {
  if (bios === "none") return undefined;
  const inDirectories = (name: string): string | undefined =>
    directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
  if (bios !== "default") return existsSync(bios) || isAbsolute(bios) ? bios : (inDirectories(bios) ?? bios);
  for (const name of FIRMWARE_NAMES) {
    const path = inDirectories(name);
    if (path !== undefined) return path;
  }
  throw new StartError("no firmware was found; run 'npm run fetch-guest', or give -bios FILE or -bios none");
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "a part of its path is not a directory",
  EISDIR: "it is a directory",
  EACCES: "this user may not read it",
};

/** `check` throws for content that cannot be used. */
async function read(
  what: string,
  path: string | undefined,
  check: (bytes: Uint8Array) => unknown = () => {},
): Promise<Uint8Array | undefined> {
  if (path === undefined) return undefined;
  try {
    const bytes = await readBytes(path);
    check(bytes);
    return bytes;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new StartError(`could not load ${what} '${path}': ${REASONS[code ?? ""] ?? message}`, { cause });
  }
}
