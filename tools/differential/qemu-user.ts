/** Runs images in `qemu-riscv64`, the oracle. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { elfOf, type Image, RECORD } from "./image.ts";

const QEMU = "qemu-riscv64";
const CPU = "rv64,zba=true,zbb=true,zbc=true,zbs=true,Zfh=true";
const TIMEOUT_MS = 120_000;

/** Why the oracle cannot run here; undefined when it can. */
export function missingQemu(): string | undefined {
  const { error } = spawnSync(QEMU, ["--version"]);
  return error ? `${QEMU} is not installed (package qemu-user)` : undefined;
}

export class QemuUser {
  readonly #directory = mkdtempSync(join(tmpdir(), "tinamou-differential-"));
  #runs = 0;

  /** Runs an image that ends with "exit"; resolves to its records. */
  async run(image: Image): Promise<Uint8Array> {
    const file = join(this.#directory, `${this.#runs++}.elf`);
    writeFileSync(file, elfOf(image), { mode: 0o755 });
    try {
      const child = spawn(QEMU, ["-cpu", CPU, file], { stdio: ["ignore", "pipe", "pipe"], timeout: TIMEOUT_MS });
      const chunks: Buffer[] = [];
      let errors = "";
      child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
      child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
      const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
        child.on("error", reject);
        child.on("close", (...ended) => resolve(ended));
      });
      if (code !== 0) throw new Error(`${QEMU} ended with ${signal ?? code}: ${errors}`);
      const records = Buffer.concat(chunks);
      if (records.length !== image.entries.length * RECORD.bytes) {
        throw new Error(`${QEMU} answered ${records.length} bytes for ${image.entries.length} cases`);
      }
      return records;
    } finally {
      rmSync(file);
    }
  }

  close(): void {
    rmSync(this.#directory, { recursive: true });
  }
}
