/** Runs privileged images in `qemu-system-riscv64`, the oracle. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PrivilegedImage } from "./privileged-image.ts";

const QEMU = "qemu-system-riscv64";
/** The features that our hart has. */
export const CPU =
  "rv64,h=false,zba=true,zbb=true,zbc=true,zbs=true,Zfh=true,svinval=true,svnapot=true,svpbmt=true,sstc=true,debug=false";
const TIMEOUT_MS = 120_000;

/** Why the oracle cannot run here; undefined when it can. */
export function missingQemuSystem(): string | undefined {
  const { error } = spawnSync(QEMU, ["--version"]);
  return error ? `${QEMU} is not installed (package qemu-system-misc)` : undefined;
}

/** Runs an image that ends with "exit"; resolves to its records. */
export async function runQemuSystem(image: PrivilegedImage): Promise<Uint8Array> {
  const directory = mkdtempSync(join(tmpdir(), "tinamou-differential-"));
  const file = join(directory, "image.bin");
  const output = join(directory, "records.bin");
  try {
    writeFileSync(file, image.bytes);
    const child = spawn(
      QEMU,
      [
        "-M",
        "virt",
        "-m",
        "64M",
        "-smp",
        "2",
        "-cpu",
        CPU,
        "-bios",
        file,
        "-display",
        "none",
        "-monitor",
        "none",
        "-serial",
        `file:${output}`,
      ],
      { stdio: ["ignore", "ignore", "pipe"], timeout: TIMEOUT_MS },
    );
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (...ended) => resolve(ended));
    });
    if (code !== 0) throw new Error(`${QEMU} ended with ${signal ?? code}: ${errors}`);
    const records = new Uint8Array(readFileSync(output));
    if (records.length !== image.recordBytes) {
      throw new Error(`${QEMU} answered ${records.length} bytes, not ${image.recordBytes}`);
    }
    return records;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
