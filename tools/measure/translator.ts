/**
 * What the region translator does for each program of the benchmark: a table for docs/performance.md.
 *
 *   npx tsx tools/measure/translator.ts [--suites cpu,jit,os] [--programs A,B] [--scale 1] [--docs]
 *
 * `--docs` puts the table into that page, between its two marks. One boot of Tinamou a suite; the counters of `info jit` are read around each run. Times of the translator and of V8's
 * compiler are by their threads' clocks as the counters have them, "CPU" is all threads of the process.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { parseOptions } from "../bench/options.ts";
import { GuestSession } from "../bench/guest-session.ts";
import { Guests } from "../bench/guests.ts";
import { findPeers } from "../bench/peers.ts";
import { type ProgramSuite, SUITES } from "../bench/suites.ts";
import { grid } from "../bench/table.ts";
import { buildIfNeeded } from "../build.mjs";
import { Qmp } from "../peers/qmp.ts";
import { ROOT } from "../setup.mjs";
import { createProgress } from "../support/progress.mjs";
import { processTree, threadSeconds } from "./process.ts";
import { type Counters, countersBetween, parseCounters, replaceMarked } from "./translator-counters.ts";

const PAGE = path.join(ROOT, "docs", "performance.md");
const MARK = "translator";

const CONNECT_LIMIT_MS = 20_000;
/** Counters that are no times. */
const COUNTS = ["regions", "guest instructions in them", "WebAssembly code"] as const;

const { values } = parseArgs({
  options: {
    suites: { type: "string", default: "cpu,jit,os" },
    programs: { type: "string", default: "" },
    scale: { type: "string", default: "1" },
    docs: { type: "boolean", default: false },
  },
});
const { suites, programs, scale, timeoutMs } = parseOptions(
  [...values.suites.split(","), "--programs", values.programs, "--scale", values.scale],
  process.execPath,
);

const cpuSeconds = (pid: number): number =>
  processTree(pid)
    .flatMap((one) => [...threadSeconds(one).values()])
    .reduce((sum, seconds) => sum + seconds, 0);

async function counters(monitor: Qmp): Promise<Counters> {
  const { "human-readable-text": text } = await monitor.execute("x-query-jit");
  return parseCounters(String(text));
}

async function measure(
  suite: ProgramSuite,
  folder: string,
  log: ReturnType<typeof createProgress>,
): Promise<string[][]> {
  const found = await new Guests(log).of(suite);
  const [peer] = findPeers(["tinamou"], [process.execPath]).peers;
  if ("reason" in found || peer?.kind !== "system") throw new Error(`${suite.name} has no guest here`);
  const socket = path.join(folder, suite.name);
  const machine = { ...found.guest, smp: suite.smp, append: "quiet" };
  const session = await GuestSession.boot(peer, machine, ["-qmp", `unix:${socket},server=on,wait=off`]);
  try {
    const monitor = await Qmp.connect(socket, CONNECT_LIMIT_MS);
    const rows = [row(`boot (${suite.name})`, undefined, cpuSeconds(session.pid), await counters(monitor))];
    for (const program of suite.rows.filter(({ name }) => programs.length === 0 || programs.includes(name))) {
      log.step(`${suite.name}: ${program.name}`);
      const [before, cpuBefore] = [await counters(monitor), cpuSeconds(session.pid)];
      const startedAtMs = performance.now();
      const answer = await session.run(program, scale, timeoutMs);
      if (answer.kind === "failed") throw new Error(`${program.name} failed: ${answer.reason}`);
      const seconds = (performance.now() - startedAtMs) / 1000;
      const cpu = cpuSeconds(session.pid) - cpuBefore;
      rows.push(row(program.name, seconds, cpu, countersBetween(before, await counters(monitor))));
      log.done();
    }
    monitor.close();
    return rows;
  } finally {
    session.kill();
  }
}

function row(name: string, seconds: number | undefined, cpu: number, counted: Counters): string[] {
  const value = (label: string): number => counted.get(label) ?? 0;
  const timeOf = (label: string): string => (value(label) / 1000).toFixed(2);
  return [
    name,
    seconds === undefined ? "" : seconds.toFixed(2),
    cpu.toFixed(2),
    timeOf("time in the translator"),
    timeOf("time in the engine"),
    ...COUNTS.map((label) => String(value(label))),
    String(value("times that everything was dropped")),
  ];
}

const log = createProgress();
await buildIfNeeded(ROOT, log);
const folder = mkdtempSync(path.join(tmpdir(), "tinamou-translator-"));
try {
  const rows: string[][] = [];
  for (const suite of SUITES) {
    if (suite.kind === "programs" && suites.includes(suite.name)) rows.push(...(await measure(suite, folder, log)));
  }
  const heading = [
    "program",
    "wall s",
    "CPU s",
    "translator s",
    "V8 s",
    "regions",
    "instructions",
    "wasm bytes",
    "drops",
  ];
  const table = grid([heading, ...rows]).join("\n");
  console.log(table);
  if (values.docs) {
    const made = `Made by \`npx tsx tools/measure/translator.ts --scale ${values.scale} --docs\`, Node.js ${process.versions.node}:`;
    const page = replaceMarked(readFileSync(PAGE, "utf8"), MARK, `${made}\n\n\`\`\`\n${table}\n\`\`\``);
    writeFileSync(PAGE, page);
  }
} finally {
  rmSync(folder, { recursive: true });
}
