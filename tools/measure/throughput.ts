/**
 * How fast an idle machine whose memory is full of random data goes to another process's place: precopy over a unix socket,
 * without a limit, source and destination in this process.
 *
 *   npx tsx tools/measure/throughput.ts [ROUNDS] [--dist DIST]     (DIST: another build, which finds its packages)
 *
 * Each round stands beside how fast the host gave as much memory to a program right before. A virtual machine may have to find
 * it on its own host first, which takes longer than the migration; what that program has given back is found already.
 */
import { randomFillSync } from "node:crypto";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs, promisify } from "node:util";
import type * as Api from "../../src/app/api/index.ts";
import { buildIfNeeded } from "../build.mjs";
import { fetchGuest } from "../guest/fetch-guest.mjs";
import { ROOT } from "../setup.mjs";
import { createProgress } from "../support/progress.mjs";

const MIB = 1 << 20;
const MEMORY_MIB = 512;
/** What the guest has for itself at the beginning, and a little at the end. */
const [FIRST_MIB, LAST_MIB] = [128, 500];
const RAM_BASE = 0x8000_0000;

async function main(rounds: number, dist: string | undefined): Promise<void> {
  const log = createProgress();
  await buildIfNeeded(ROOT, log);
  const { Machine } = (await import(pathToFileURL(resolve(dist ?? join(ROOT, "dist"), "index.js")).href)) as typeof Api;
  const guest = await fetchGuest({ log });
  const options = { firmware: guest.firmware, memory: `${MEMORY_MIB}M`, smp: 1 };
  const append = "console=ttyS0 quiet";
  let machine = await Machine.create({ ...options, kernel: guest.kernel, initrd: guest.initrd, append });
  const folder = mkdtempSync(join(tmpdir(), "tinamou-throughput-"));
  try {
    await machine.start();
    await machine.console.waitFor(/Tinamou guest ready[^]*# /);
    await machine.stop();
    for (let mib = FIRST_MIB; mib < LAST_MIB; mib++) {
      machine.writeMemory(RAM_BASE + mib * MIB, randomFillSync(new Uint8Array(MIB)));
    }
    await machine.start();
    for (let round = 0; round < rounds; round++) {
      const hostSpeed = await newMemorySpeed();
      const uri = `unix:${join(folder, String(round))}`;
      const next = await Machine.create({ ...options, args: ["-incoming", uri] });
      machine.migration.setParameters({ "max-bandwidth": 0 });
      const before = process.cpuUsage();
      machine.migration.migrate({ uri });
      const { status, ram, "total-time": totalMs = 0, "error-desc": why } = await machine.migration.untilOver();
      const cpu = process.cpuUsage(before);
      if (status !== "completed" || !ram) throw new Error(`the migration is ${status}: ${why}`);
      await next.arrived;
      const nsPerByte = ((cpu.user + cpu.system) * 1000) / ram.transferred;
      const speed = Math.round(ram.transferred / 1000 / totalMs);
      const beside = `${nsPerByte.toFixed(2)} ns of CPU a byte; new memory of the host ${hostSpeed} MB/s`;
      console.log(`${speed} MB/s, ${totalMs} ms, ${beside}`);
      await machine.quit();
      machine = next;
    }
  } finally {
    await machine.quit();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Megabytes a second at which another process gets as much memory as a machine has. */
async function newMemorySpeed(): Promise<number> {
  const program = `
    const start = performance.now();
    new Uint8Array(${MEMORY_MIB * MIB}).fill(1);
    console.log(performance.now() - start)`;
  const { stdout } = await promisify(execFile)(process.execPath, ["-e", program]);
  return Math.round((MEMORY_MIB * MIB) / 1000 / Number(stdout));
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { dist: { type: "string" } } });
await main(Number(positionals[0] ?? 4), values.dist);
process.exit();
