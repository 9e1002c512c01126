/**
 * How many instructions the guest carries out for a program: QEMU counts them. With `-icount shift=0` its virtual time is
 * 1 ns an instruction, so the guest's own clock is the count. The kernel's part (start, timer ticks) is in it.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { CACHE } from "../setup.mjs";
import { BenchError } from "./bench-error.ts";
import { GuestSession } from "./guest-session.ts";
import type { MachineFiles, SystemPeer } from "./peers.ts";
import { runCommand } from "./protocol.ts";
import type { Row } from "./suites.ts";

const FILE = path.join(CACHE, "bench", "instruction-counts.json");

export type Counted = { readonly instructions: number; readonly checksum: string };

/** Counts once for a guest, program and amount of work; then the cache folder knows. Rejects with a BenchError. */
export async function countInstructions(
  qemu: SystemPeer,
  guest: MachineFiles,
  run: { readonly row: Row; readonly scale: number; readonly timeoutMs: number },
): Promise<Counted> {
  // The initramfs has a hash in its name, and the kernel's folder is that of one version.
  const { row, scale, timeoutMs } = run;
  const key = [guest.kernel, guest.initrd, runCommand(row.name, row, scale)].join(" ");
  const known = readCounts();
  const found = known[key];
  if (found !== undefined) return found;
  const counted = await count(qemu, guest, { row, scale, timeoutMs });
  mkdirSync(path.dirname(FILE), { recursive: true });
  const partial = `${FILE}.${process.pid}.tmp`;
  writeFileSync(partial, `${JSON.stringify({ ...known, [key]: counted }, undefined, 2)}\n`);
  renameSync(partial, FILE);
  return counted;
}

async function count(
  qemu: SystemPeer,
  guest: MachineFiles,
  { row, scale, timeoutMs }: { readonly row: Row; readonly scale: number; readonly timeoutMs: number },
): Promise<Counted> {
  const session = await GuestSession.boot(qemu, { ...guest, smp: 1, append: "quiet" }, ["-icount", "shift=0"]);
  try {
    const answer = await session.run(row, scale, timeoutMs);
    if (answer.kind === "failed")
      throw new BenchError("emulator", `${row.name} under -icount failed: ${answer.reason}`);
    return { instructions: answer.guestNs, checksum: answer.checksum };
  } finally {
    session.kill();
  }
}

function readCounts(): Record<string, Counted | undefined> {
  try {
    return JSON.parse(readFileSync(FILE, "utf8")) as Record<string, Counted | undefined>;
  } catch {
    return {};
  }
}
