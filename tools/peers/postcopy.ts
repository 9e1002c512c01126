/**
 * How long vCPUs wait in a postcopy from one emulator to another of its kind, on a busy guest.
 *
 *   npx tsx tools/peers/postcopy.ts [ROUNDS]     QEMU 11.1 to QEMU 11.1; prints a Markdown table
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { qemu11 } from "./qemu.ts";
import { type Emulator, type MigrateInfo, move, Vm } from "./vm.ts";

const MIB = 1 << 20;
const BOARD = { smp: 2, memory: "512M" };
const CHECK_MIB = 100;
const MAX_BANDWIDTH = 100 * MIB;
const SWITCH_AFTER_MS = 1000;
/** The guest must say so often that its memory is right. */
const CHECKS = 2;

export type PostcopyFigures = {
  /** While no vCPU ran, as the destination counts it; of each vCPU. */
  readonly blocktimeMs: number;
  readonly vcpuBlocktimeMs: readonly number[];
  /** From a fault to its page, on average. */
  readonly latencyNs: number;
  readonly downtimeMs: number;
  /** From the switch to the end, at the source. */
  readonly postcopyMs: number;
  readonly postcopyBytes: number;
  readonly requests: number;
};

/** {@link measurePostcopy} of QEMU 11.1 with a second channel for wanted pages. Throws what `missing` says. */
export async function measureQemuPostcopy(): Promise<PostcopyFigures> {
  const found = qemu11();
  if ("missing" in found) throw new Error(found.missing);
  return measurePostcopy(found, ["postcopy-preempt"]);
}

/**
 * 512 MiB, two vCPUs, 100 MiB written all the time; precopy at 100 MiB/s for a second, then postcopy at any speed.
 * Rejects when the migration fails or the guest finds its memory changed.
 */
export async function measurePostcopy(
  emulator: Emulator,
  capabilities: readonly string[] = [],
): Promise<PostcopyFigures> {
  const folder = mkdtempSync(join(tmpdir(), "tinamou-postcopy-"));
  const open: Vm[] = [];
  try {
    const source = await Vm.boot(emulator, BOARD, folder, CHECK_MIB);
    open.push(source);
    const destination = await Vm.waiting(emulator, BOARD, folder);
    open.push(destination);
    const moved = await move(source, destination, folder, {
      maxBandwidth: MAX_BANDWIDTH,
      capabilities,
      destinationCapabilities: ["postcopy-blocktime"],
      postcopy: { afterMs: SWITCH_AFTER_MS, maxBandwidth: 0 },
    });
    for (const { status, ...rest } of Object.values(moved)) {
      if (status !== "completed") throw new Error(`${emulator.name}: ${status} (${rest["error-desc"] ?? "no reason"})`);
    }
    source.kill();
    const errors = (await destination.nextChecks(CHECKS)).reduce((sum, check) => sum + check.errors, 0);
    if (errors > 0) throw new Error(`${emulator.name}: the guest found ${errors} wrong words in its memory`);
    return figures(source, moved.source, moved.destination);
  } finally {
    for (const vm of open) vm.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

function figures(source: Vm, from: MigrateInfo, to: MigrateInfo): PostcopyFigures {
  return {
    blocktimeMs: numberOf(to, "postcopy-blocktime"),
    vcpuBlocktimeMs: to["postcopy-vcpu-blocktime"] as number[],
    latencyNs: numberOf(to, "postcopy-latency"),
    downtimeMs: numberOf(from, "downtime"),
    postcopyMs: statusAt(source, "completed") - statusAt(source, "postcopy-active"),
    postcopyBytes: numberOf(from.ram ?? {}, "postcopy-bytes"),
    requests: numberOf(from.ram ?? {}, "postcopy-requests"),
  };
}

function numberOf(info: { readonly [name: string]: unknown }, name: string): number {
  const value = info[name];
  if (typeof value !== "number") throw new Error(`query-migrate has no ${name}: ${JSON.stringify(info)}`);
  return value;
}

function statusAt({ name, qmp }: Vm, status: string): number {
  const found = qmp.events.find(({ event, data }) => event === "MIGRATION" && data["status"] === status);
  if (!found) throw new Error(`${name} has not said that the migration is ${status}`);
  return found.atMs;
}

async function main(rounds: number): Promise<void> {
  console.log(
    "| blocktime ms | per vCPU ms | average latency us | downtime ms | postcopy ms | MB by postcopy | requests |",
  );
  console.log("|---|---|---|---|---|---|---|");
  for (let round = 0; round < rounds; round++) {
    const made = await measureQemuPostcopy();
    const cells = [
      made.blocktimeMs,
      made.vcpuBlocktimeMs.join(", "),
      Math.round(made.latencyNs / 1000),
      made.downtimeMs,
      Math.round(made.postcopyMs),
      Math.round(made.postcopyBytes / 1e6),
      made.requests,
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main(Number(process.argv[2] ?? 3));
