/**
 * How long vCPUs wait in a postcopy from one emulator to another of its kind, on a busy guest.
 *
 *   npm run bench:postcopy -- [ROUNDS [--no-preempt] [--dist DIST]]
 *     tinamou, QEMU 11.1 and, if it is given, another build in turn; a table, and medians with ratios.
 *     DIST lies where its build finds its packages.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { COMMAND } from "../../tests/guest.ts";
import { qemu11 } from "./qemu.ts";
import { type Emulator, type Move, type Moved, move, Vm } from "./vm.ts";

const MIB = 1 << 20;
export const BOARD = { smp: 2, memory: "512M" };
export const CHECK_MIB = 100;
/** Precopy at 100 MiB/s for a second, then postcopy at any speed. */
export const POSTCOPY: Move = {
  maxBandwidth: 100 * MIB,
  destinationCapabilities: ["postcopy-blocktime"],
  postcopy: { afterMs: 1000, maxBandwidth: 0 },
};
/** The guest must say so often that its memory is right. */
const CHECKS = 2;

export type PostcopyFigures = {
  /** While no vCPU ran, as the destination counts it; of each vCPU. */
  readonly blocktimeMs: number;
  readonly vcpuBlocktimeMs: readonly number[];
  /** From a fault to its page, on average. */
  readonly latencyNs: number;
  /** As the source counts it: until everything is sent that the destination needs to run. */
  readonly downtimeMs: number;
  /** From STOP at the source to RESUME at the destination, by the host's clock. */
  readonly pauseMs: number;
  /** From the switch to the end, at the source. */
  readonly postcopyMs: number;
  readonly postcopyBytes: number;
  readonly requests: number;
};

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
    const moved = await move(source, destination, folder, { ...POSTCOPY, capabilities });
    for (const { status, ...rest } of Object.values(moved)) {
      if (status !== "completed") throw new Error(`${emulator.name}: ${status} (${rest["error-desc"] ?? "no reason"})`);
    }
    source.kill();
    const errors = (await destination.nextChecks(CHECKS)).reduce((sum, check) => sum + check.errors, 0);
    if (errors > 0) throw new Error(`${emulator.name}: the guest found ${errors} wrong words in its memory`);
    return figures(source, destination, moved);
  } finally {
    for (const vm of open) vm.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

function figures(source: Vm, destination: Vm, { source: from, destination: to }: Moved): PostcopyFigures {
  return {
    blocktimeMs: numberOf(to, "postcopy-blocktime"),
    vcpuBlocktimeMs: to["postcopy-vcpu-blocktime"] as number[],
    latencyNs: numberOf(to, "postcopy-latency"),
    downtimeMs: numberOf(from, "downtime"),
    pauseMs: eventAt(destination, "RESUME") - eventAt(source, "STOP"),
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

function statusAt(vm: Vm, status: string): number {
  return eventAt(vm, "MIGRATION", status);
}
/** The first of its name, and with that status if it has one. */
function eventAt({ name, qmp }: Vm, event: string, status?: string): number {
  const found = qmp.events.find((one) => one.event === event && one.data["status"] === status);
  if (!found) throw new Error(`${name} has not said ${event} ${status ?? ""}`);
  return found.atMs;
}

const here: Emulator = { name: "tinamou", program: process.execPath, args: [COMMAND] };
/** What is compared, in milliseconds. */
const COMPARED: readonly (readonly [string, (figures: PostcopyFigures) => number])[] = [
  ["blocktime", (one) => one.blocktimeMs],
  ["average latency", (one) => one.latencyNs / 1e6],
  ["downtime", (one) => one.downtimeMs],
  ["STOP to RESUME", (one) => one.pauseMs],
  ["postcopy phase", (one) => one.postcopyMs],
];

async function main(rounds: number, isPreempt: boolean, otherDist: string | undefined): Promise<void> {
  const found = qemu11();
  const emulators: Emulator[] = "missing" in found ? [here] : [here, found];
  if (otherDist !== undefined) {
    emulators.push({ ...here, name: otherDist, args: [join(otherDist, basename(COMMAND))] });
  }
  if ("missing" in found) console.log(found.missing);
  const capabilities = isPreempt ? ["postcopy-preempt"] : [];
  const made = new Map<string, PostcopyFigures[]>(emulators.map(({ name }) => [name, []]));
  const titles = ["", "blocktime ms", "per vCPU ms", "average latency us", "downtime ms", "STOP to RESUME ms"];
  console.log(`| ${[...titles, "postcopy ms", "MB", "requests"].join(" | ")} |`);
  console.log("|---|---|---|---|---|---|---|---|---|");
  for (let round = 0; round < rounds; round++) {
    for (const emulator of emulators) {
      const one = await measurePostcopy(emulator, capabilities);
      made.get(emulator.name)?.push(one);
      const cells = [
        emulator.name,
        one.blocktimeMs,
        one.vcpuBlocktimeMs.join(", "),
        Math.round(one.latencyNs / 1000),
        one.downtimeMs,
        one.pauseMs.toFixed(1),
        Math.round(one.postcopyMs),
        Math.round(one.postcopyBytes / 1e6),
        one.requests,
      ];
      console.log(`| ${cells.join(" | ")} |`);
    }
  }
  for (const [name, of] of COMPARED) {
    const medianOf = ({ name }: Emulator): number => median((made.get(name) ?? []).map(of));
    const ours = medianOf(here);
    const beside = emulators.slice(1).map((other) => {
      const theirs = medianOf(other);
      return `, ${other.name} ${theirs.toFixed(2)} ms: ${(ours / theirs).toFixed(2)} times`;
    });
    console.log(`${name}: median ${ours.toFixed(2)} ms${beside.join("")}`);
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >>> 1] ?? Number.NaN;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const options = { "no-preempt": { type: "boolean" }, dist: { type: "string" } } as const;
  const { values, positionals } = parseArgs({ allowPositionals: true, options });
  await main(Number(positionals[0] ?? 3), values["no-preempt"] !== true, values.dist);
}
