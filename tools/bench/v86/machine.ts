/** The machine that v86 emulates, with the benchmark's driver as the guest's first process. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type CpioEntry, writeCpio } from "../../guest/cpio.mjs";
import { CACHE, ROOT } from "../../setup.mjs";
import type { Log } from "../../support/progress.mjs";
import type { Command } from "../emulator.ts";
import { installPackage } from "../fetch-node.ts";
import { compileProgram } from "../guest-programs.ts";
import { GUEST_FOLDER } from "../protocol.ts";
import { fetchI386Kernel } from "./i386-kernel.mjs";

export const V86_VERSION = "0.5.462";
const RUNNER = path.join(ROOT, "tools", "bench", "v86", "run-v86.mjs");

/** Starts v86 in `node`. Rejects with a BenchError or a GuestError when something of it cannot be had. */
export async function v86Command(node: string, programs: readonly string[], log: Log): Promise<Command> {
  const folder = path.join(installPackage(`v86@${V86_VERSION}`, log), "node_modules", "v86");
  const { kernel, bios, vgaBios } = await fetchI386Kernel(log);
  const line = `console=ttyS0 quiet tsc=reliable mitigations=off random.trust_cpu=on rdinit=/${GUEST_FOLDER}/driver`;
  return { program: node, args: [RUNNER, folder, bios, vgaBios, kernel, initramfs(programs), line] };
}

function initramfs(programs: readonly string[]): string {
  const names = ["driver.c", ...programs];
  const entries: CpioEntry[] = [
    { kind: "directory", path: "dev" },
    { kind: "character", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { kind: "character", path: "dev/null", mode: 0o666, major: 1, minor: 3 },
    { kind: "directory", path: GUEST_FOLDER },
    ...names.map(
      (name): CpioEntry => ({
        kind: "file",
        path: `${GUEST_FOLDER}/${name.replace(/\.c$/, "")}`,
        mode: 0o755,
        data: readFileSync(compileProgram(name, "i386")),
      }),
    ),
  ];
  const archive = writeCpio(entries);
  const hash = createHash("sha256").update(archive).digest("hex").slice(0, 16);
  const file = path.join(CACHE, "v86", `initrd-${hash}.cpio`);
  if (existsSync(file)) return file;
  mkdirSync(path.dirname(file), { recursive: true });
  const partial = `${file}.${process.pid}.tmp`;
  writeFileSync(partial, archive);
  renameSync(partial, file);
  return file;
}
