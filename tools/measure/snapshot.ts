/**
 * How soon a machine that goes on from a snapshot prints again, and how much of that is the snapshot's part.
 *
 *   npx tsx tools/measure/snapshot.ts [--memory 512] [--smp 1] [--count 10] [--keep FOLDER]
 *
 * Makes a snapshot of a Linux that prints all the time and has most of its RAM full of random data, then starts from it
 * in turn with others, so that all see the same host:
 *
 *   bare      a firmware of five instructions prints a character: node, threads, engine
 *   snapshot  -loadvm: the state at once, pages while the machine runs
 *   guest     the same with all pages there, from `cont` on: what the guest takes, whose code is cold
 *   stream    -incoming file: the whole of the memory first
 *
 * Times are from the start of the process to the first byte of the serial port. The snapshot's part is what is left of
 * `snapshot` without `bare` and `guest`. The files are in the host's page cache.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type * as Api from "../../src/app/api/index.ts";
import { buildIfNeeded } from "../build.mjs";
import { fetchGuest } from "../guest/fetch-guest.mjs";
import { ROOT } from "../setup.mjs";
import { createProgress } from "../support/progress.mjs";

const { values } = parseArgs({
  options: {
    memory: { type: "string", default: "512" },
    smp: { type: "string", default: "1" },
    count: { type: "string", default: "10" },
    keep: { type: "string" },
  },
});

const COMMAND = join(ROOT, "dist", "tinamou-system-riscv64.js");
const LIMIT_MS = 60_000;
/** By then all pages are there, since a machine that stands still is not spared. */
const ALL_PAGES_MS = 3000;
const FILL_MIB = 16;
/** What Linux and the shell need beside the random data. */
const SPARED_MIB = 112;
/** lui t0, 0x10000; addi t1, zero, '!'; sb t1, 0(t0); wfi; j . - 4 */
const BARE = Uint32Array.from([0x1000_02b7, 0x0210_0313, 0x0062_8023, 0x1050_0073, 0xffdf_f06f]);
const PRINTS = "while :; do n=$((n+1)); echo tick $n; done\n";

const folder = values.keep ?? mkdtempSync(join(tmpdir(), "tinamou-snapshot-"));
const files = {
  bare: join(folder, "bare.bin"),
  snapshot: join(folder, "busy.snapshot"),
  stream: join(folder, "stream"),
};

async function makeFiles(firmware: string): Promise<void> {
  const { Machine } = (await import(new URL("../../dist/index.js", import.meta.url).href)) as typeof Api;
  const { kernel, initrd } = await fetchGuest({});
  const append = "console=ttyS0 quiet COLUMNS=1000";
  const options = { firmware, kernel, initrd, append, memory: values.memory, smp: Number(values.smp) };
  const machine = await Machine.create(options);
  await machine.start();
  await machine.console.waitFor(/Tinamou guest ready[^]*# /, LIMIT_MS);
  const copies = Math.floor((Number(values.memory) - SPARED_MIB) / FILL_MIB) - 1;
  machine.console.type(
    `mount -o remount,size=100% /tmp; head -c ${FILL_MIB << 20} /dev/urandom >/tmp/r; ` +
      `for i in $(seq ${copies}); do cp /tmp/r /tmp/r$i; done; echo fu''ll\n`,
  );
  await machine.console.waitFor(/full\r?\n/, 4 * LIMIT_MS);
  machine.console.type(PRINTS);
  await machine.console.waitFor(/tick 200\b/, LIMIT_MS);
  const startedAtMs = performance.now();
  await machine.saveSnapshot(files.snapshot);
  console.log(`saved in ${(performance.now() - startedAtMs).toFixed(0)} ms, ${mib(statSync(files.snapshot).size)} MiB`);
  machine.migration.migrate({ uri: `file:${files.stream}` });
  await machine.migration.untilOver();
  await machine.quit();
}
const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

/** Milliseconds from `cont` to the first byte, when all pages have come. */
async function startWhole(args: readonly string[]): Promise<number> {
  const path = join(folder, `qmp${process.pid}`);
  const child = spawnMachine([...args, "-S", "-qmp", `unix:${path},server=on,wait=off`]);
  try {
    await sleep(ALL_PAGES_MS);
    const socket = connect(path);
    await once(socket, "data");
    socket.write('{"execute":"qmp_capabilities"}');
    await once(socket, "data");
    const startedAtMs = performance.now();
    socket.write('{"execute":"cont"}');
    await once(child.stdout, "data");
    const ms = performance.now() - startedAtMs;
    socket.destroy();
    return ms;
  } finally {
    child.kill("SIGKILL");
    await once(child, "close");
  }
}

function spawnMachine(args: readonly string[]) {
  const machine = ["-M", "virt", "-m", values.memory, "-smp", values.smp, "-display", "none"];
  return spawn(process.execPath, [COMMAND, ...machine, "-serial", "stdio", "-monitor", "none", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Milliseconds from the process's start to its first byte, and to the end of the `line`th line. */
function start(args: readonly string[], line: number): Promise<readonly [number, number]> {
  const startedAtMs = performance.now();
  const child = spawnMachine(args);
  return new Promise((resolve, reject) => {
    let [firstMs, text, errors] = [0, "", ""];
    const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
    child.stderr.on("data", (bytes) => (errors += String(bytes)));
    child.stdout.on("data", (bytes) => {
      if (text === "") firstMs = performance.now() - startedAtMs;
      text += String(bytes);
      if (text.split("\n").length <= line) return;
      child.removeAllListeners("close");
      child.once("close", () => resolve([firstMs, lastMs]));
      const lastMs = performance.now() - startedAtMs;
      clearTimeout(timer);
      child.kill("SIGKILL");
    });
    child.once("close", () => reject(new Error(`it ended without having printed enough: ${errors}`)));
  });
}

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;

await buildIfNeeded(ROOT, createProgress());
mkdirSync(folder, { recursive: true });
try {
  const { firmware } = await fetchGuest({});
  writeFileSync(files.bare, new Uint8Array(BARE.buffer));
  if (!existsSync(files.snapshot) || !existsSync(files.stream)) await makeFiles(firmware);
  const kinds = {
    bare: { args: ["-bios", files.bare], line: 0 },
    snapshot: { args: ["-bios", firmware, "-loadvm", files.snapshot], line: 20 },
    stream: { args: ["-bios", firmware, "-incoming", `file:${files.stream}`], line: 20 },
  };
  const times = { bare: [], snapshot: [], stream: [] } as Record<keyof typeof kinds, (readonly [number, number])[]>;
  const guests: number[] = [];
  for (let round = 0; round < Number(values.count); round++) {
    for (const kind of ["bare", "snapshot", "stream"] as const) {
      times[kind].push(await start(kinds[kind].args, kinds[kind].line));
    }
    guests.push(await startWhole(kinds.snapshot.args));
  }
  console.log(`-m ${values.memory} -smp ${values.smp}, medians of ${values.count} starts, ms`);
  const guestMs = median(guests);
  console.log("            first byte    less bare    20 lines    least first byte");
  const bareMs = median(times.bare.map(([first]) => first));
  for (const kind of ["bare", "snapshot", "stream"] as const) {
    const [first, lines] = [0, 1].map((at) => median(times[kind].map((time) => time[at] as number))) as [
      number,
      number,
    ];
    const least = Math.min(...times[kind].map(([time]) => time));
    const cells = [first, first - bareMs, lines, least].map((value) => value.toFixed(0).padStart(12));
    console.log(`${kind.padEnd(9)} ${cells.join(" ")}`);
  }
  const snapshotMs = median(times.snapshot.map(([first]) => first));
  const least = (kind: "bare" | "snapshot"): number => Math.min(...times[kind].map(([first]) => first));
  const part = (first: number, bare: number, guest: number): string => (first - bare - guest).toFixed(0);
  console.log(`guest: ${guestMs.toFixed(0)}, least ${Math.min(...guests).toFixed(0)}`);
  console.log(
    `the snapshot's part: ${part(snapshotMs, bareMs, guestMs)}, ` +
      `of the least ${part(least("snapshot"), least("bare"), Math.min(...guests))}`,
  );
} finally {
  if (values.keep === undefined) rmSync(folder, { recursive: true, force: true });
}
process.exit();
