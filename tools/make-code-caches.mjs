/**
 * Makes the code caches of the bundled programs: for each, the command runs a guest of a few instructions, and what V8
 * has compiled of the program by the time the guest is done is written beside it.
 *
 * A cache is good for the version of V8 that made it and for its flags at that time; V8 itself refuses it otherwise.
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const RECORDER = fileURLToPath(new URL("support/record-code.cjs", import.meta.url));
/** What the command switches on once its programs are loaded (`src/app/engine-flags.ts`). */
const LATE_FLAGS = ["experimental-wasm-branch-hinting", "experimental-wasm-relaxed-simd"];
const PROGRAMS = ["command", "vcpu", "timer"];
const LIMIT_MS = 30_000;
const TRIES = 5;
/** Writes "\\n" to the UART, then powers off: lui, addi, sb; lui, lui, addi, sw; wfi. */
const GUEST = [0x1000_0337, 0x00a0_0293, 0x0053_0023, 0x0010_0337, 0x0000_52b7, 0x5552_8293, 0x0053_2023, 0x1050_0073];

/** `dist` holds everything else by now. Rejects when a run fails. */
export async function makeCodeCaches(dist) {
  const folder = await mkdtemp(join(tmpdir(), "tinamou-build-"));
  try {
    const guest = join(folder, "guest.bin");
    await writeFile(
      guest,
      Uint8Array.from(GUEST.flatMap((word) => [0, 8, 16, 24].map((shift) => (word >>> shift) & 255))),
    );
    // One at a time: the recorder changes V8's flags for a moment, which other threads would see.
    for (const program of PROGRAMS) {
      const cache = join(dist, "programs", `${program}.cjs.cache`);
      // A thread that is ended while it writes leaves none; without one the program runs, but starts later.
      for (let tries = 0; tries < TRIES && !existsSync(cache); tries++) {
        await record(join(dist, "tinamou-system-riscv64.js"), program, guest);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Those of the late flags that this V8 does not have on by itself. */
function changedFlags() {
  const options = execFileSync(process.execPath, ["--v8-options"], { encoding: "utf8" });
  return LATE_FLAGS.filter((flag) => options.includes(`default: --no-${flag}`));
}

function record(command, program, guest) {
  const args = ["-M", "virt", "-m", "16", "-display", "none", "-serial", "stdio", "-bios", guest];
  const child = spawn(process.execPath, ["--require", RECORDER, command, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, RECORD_CODE_OF: `${program}.cjs`, RECORD_WITHOUT_FLAGS: changedFlags().join() },
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
  let errors = "";
  child.stderr.on("data", (data) => (errors += data));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`the build failed: the ${program} program does not run (${code}): ${errors.trim()}`));
    });
  });
}
