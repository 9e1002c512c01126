/**
 * What goes by between the start of the command and its guest's first output, and how long it then takes to end.
 *
 *   npx tsx tools/measure/startup.ts [--runs 15] [--smp 1,2,4] [--memory 512] [--dist dist,OTHER] [-- EMULATOR-ARGUMENTS]
 *
 * The guest is the firmware of the tests. Times are milliseconds from the start of the process, medians over the runs;
 * several programs (folders of a build) are run in turn. Every other run is made with `-trace startup_step`, whose times
 * are those of the steps; the others give the totals. A program without that event shows the totals alone.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { keyFirmware } from "../../tests/key-firmware.ts";
import { buildIfNeeded } from "../build.mjs";
import { ROOT } from "../setup.mjs";
import { createProgress } from "../support/progress.mjs";

const COMMAND = "tinamou-system-riscv64.js";
/** How long the guest is left alone before it is told to power off. */
const QUIET_MS = 100;
const LIMIT_MS = 30_000;
/** `getconf CLK_TCK`, which is 100 on every Linux that runs Node. */
const MS_PER_TICK = 10;
/** The steps in the order of the table; those of vCPUs are the last thread's. */
const STEPS = [
  "node",
  "modules",
  "arguments",
  "loaded",
  "host",
  "booted",
  "told",
  "ready",
  "machine",
  "monitors",
  "running",
];

const { values, positionals } = parseArgs({
  options: {
    runs: { type: "string", default: "15" },
    smp: { type: "string", default: "1,2,4" },
    memory: { type: "string", default: "512" },
    dist: { type: "string", default: join(ROOT, "dist") },
  },
  allowPositionals: true,
});

type Figures = Map<string, number[]>;

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** CPU time of all children that have ended. Spec: proc(5), cutime and cstime. */
function childrenCpuMs(): number {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) * MS_PER_TICK;
}

function add(figures: Figures, name: string, value: number): void {
  const list = figures.get(name);
  if (list) list.push(value);
  else figures.set(name, [value]);
}

/** Starts the program once, and adds what it took. With `steps` the program says when it did what. */
async function run(program: string, smp: string, firmware: string, steps: boolean, figures: Figures): Promise<void> {
  const args = ["-M", "virt", "-m", values.memory, "-smp", smp, "-nographic", "-bios", firmware, ...positionals];
  if (steps) args.push("-trace", "startup_step");
  const cpuBeforeMs = childrenCpuMs();
  const startMs = nowMs();
  const child = spawn(process.execPath, [program, ...args], { stdio: ["pipe", "pipe", "pipe"] });
  const limit = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  let [output, log, isReady] = ["", "", false];
  let [outputMs, askedMs] = [0, 0];
  child.stdout.on("data", (data: Buffer) => {
    output += data.toString();
    if (isReady || !output.includes("ready")) return;
    isReady = true;
    outputMs = nowMs() - startMs;
    void sleep(QUIET_MS).then(() => {
      askedMs = nowMs();
      child.stdin.write("q");
    });
  });
  child.stderr.on("data", (data: Buffer) => void (log += data.toString()));
  const code = await new Promise((done) => child.on("close", done));
  clearTimeout(limit);
  if (code !== 0 || !isReady) throw new Error(`${program} ended with ${code}, output '${output}', errors '${log}'`);
  if (!steps) {
    add(figures, "output", outputMs);
    add(figures, "exit", nowMs() - askedMs);
    add(figures, "cpu", childrenCpuMs() - cpuBeforeMs);
    return;
  }
  const last = new Map<string, number>();
  for (const [, step = "", at] of log.matchAll(/^startup_step \S+ (\S+) at (\S+) ms$/gm))
    last.set(step, Math.max(last.get(step) ?? 0, Number(at) - startMs));
  for (const [step, atMs] of last) add(figures, step, atMs);
}

/** Middle of the values; of the CPU time, which is counted in ticks, the mean. */
function typical(name: string, list: readonly number[] | undefined): string {
  if (!list) return "-";
  if (name === "cpu") return (list.reduce((sum, one) => sum + one, 0) / list.length).toFixed(0);
  return (list.toSorted((a, b) => a - b)[list.length >> 1] as number).toFixed(0);
}

/** A program without the event is not asked for it again. */
async function hasSteps(program: string): Promise<boolean> {
  const child = spawn(process.execPath, [program, "-trace", "help"], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (data: Buffer) => void (text += data.toString()));
  await new Promise((done) => child.on("close", done));
  return text.includes("startup_step");
}

const folder = mkdtempSync(join(tmpdir(), "tinamou-startup-"));
try {
  await buildIfNeeded(ROOT, createProgress());
  const firmware = join(folder, "keys.bin");
  writeFileSync(firmware, keyFirmware());
  const programs = await Promise.all(
    values.dist.split(",").map(async (dist) => {
      const path = join(resolve(dist), COMMAND);
      return { dist, path, steps: await hasSteps(path) };
    }),
  );
  const columns = [...STEPS, "output", "exit", "cpu"];
  console.log(`ms, medians of ${values.runs} runs, -m ${values.memory}; exit: from the key to the end; cpu: all of it`);
  console.log(`smp ${columns.map((name) => name.padStart(9)).join(" ")}`);
  for (const smp of values.smp.split(",")) {
    const all = new Map<string, Figures>(programs.map(({ dist }) => [dist, new Map()]));
    for (let i = 0; i < Number(values.runs); i++) {
      for (const { dist, path, steps } of programs) {
        const figures = all.get(dist) as Figures;
        await run(path, smp, firmware, false, figures);
        if (steps) await run(path, smp, firmware, true, figures);
      }
    }
    for (const [dist, figures] of all) {
      const cells = columns.map((name) => typical(name, figures.get(name)).padStart(9));
      console.log(`${smp.padStart(3)} ${cells.join(" ")}${programs.length > 1 ? `  ${dist}` : ""}`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
