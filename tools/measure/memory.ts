/**
 * How much memory the emulator takes beyond what its guest has touched.
 *
 *   npx tsx tools/measure/memory.ts [--memory 512] [--smp 1,2,4] [-- EMULATOR-ARGUMENTS]
 *
 * Boots to the shell, waits until it is quiet, and reads /proc. The guest's RAM is a part of the one mapping that is the
 * machine's WebAssembly memory: the mapping is found by its size, and the layout says where in it the RAM blocks and the
 * vCPUs' blocks (TLBs, code pages) lie. A page of RAM is resident once the guest, or the loader for it, has touched it.
 *
 *   above the guest = resident set of all processes - resident pages of RAM blocks
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { spawn } from "node:child_process";
import { parseCommandLine } from "#app/cli/command-line.ts";
import type { MemoryLayout } from "#cpu/vcpu/layout.ts";
import { virtLayout } from "#machine/virt/virt-layout.ts";
import { bootGuest } from "../../tests/guest.ts";
import { buildIfNeeded } from "../build.mjs";
import { ROOT } from "../setup.mjs";
import { createProgress } from "../support/progress.mjs";
import { mappings, processTree, residentBytes, residentIn } from "./process.ts";

const QUIET_MS = 5000;
const MIB = 2 ** 20;

const { values, positionals } = parseArgs({
  options: { memory: { type: "string", default: "512" }, smp: { type: "string", default: "1,2,4" } },
  allowPositionals: true,
});

type Figures = Readonly<Record<"total" | "guest" | "vcpus" | "rest" | "above", number>>;

function layoutOf(smp: number): MemoryLayout {
  const command = parseCommandLine([
    "-M",
    "virt",
    "-m",
    values.memory,
    "-smp",
    String(smp),
    "-bios",
    "none",
    "-nographic",
  ]);
  if (command.kind === "print") throw new Error("the arguments make no machine");
  return virtLayout(command.machine);
}

function measure(pid: number, layout: MemoryLayout): Figures {
  const memory = mappings(pid).filter((one) => one.writable && one.lengthBytes === layout.totalBytes);
  const [mapping, ...others] = memory;
  if (!mapping || others.length > 0) throw new Error(`${memory.length} mappings have the size of the machine's memory`);
  const guest = layout.blocks
    .map((block) => residentIn(pid, mapping.start + block.host, block.sizeBytes))
    .reduce((sum, bytes) => sum + bytes, 0);
  const vcpus = residentIn(pid, mapping.start + layout.vcpus, layout.vcpuCount * layout.vcpuStride);
  const total = processTree(pid).reduce((sum, one) => sum + residentBytes(one), 0);
  return { total, guest, vcpus, rest: total - guest - vcpus, above: total - guest };
}

/** Node itself, doing nothing. */
async function nodeAlone(): Promise<number> {
  const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)"], { stdio: "ignore" });
  try {
    await sleep(1000);
    return residentBytes(child.pid as number);
  } finally {
    child.kill();
  }
}

const mib = (bytes: number): string => (bytes / MIB).toFixed(0).padStart(8);

await buildIfNeeded(ROOT, createProgress());
console.log(`MiB resident, -m ${values.memory}, at the shell; node alone: ${mib(await nodeAlone()).trim()}`);
console.log("-smp    total    guest    above    vcpus     rest");
for (const smp of values.smp.split(",").map(Number)) {
  const guest = await bootGuest(positionals, { smp, memory: values.memory });
  try {
    await sleep(QUIET_MS);
    const { total, guest: touched, above, vcpus, rest } = measure(guest.pid, layoutOf(smp));
    console.log(`${String(smp).padStart(4)} ${[total, touched, above, vcpus, rest].map(mib).join(" ")}`);
  } finally {
    guest.kill();
  }
}
