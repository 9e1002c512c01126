/**
 * A busy machine moves to another process by postcopy, while its console goes on printing; then what that cost it.
 *
 *   npm run demo [-- FILE.html]       default: tinamou-postcopy.html
 *
 *   source (QMP, console) -> unix sockets -> destination (QMP, console, -trace postcopy_*) -> info migrate, report
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { COMMAND, Guest } from "../../tests/guest.ts";
import { buildIfNeeded } from "../build.mjs";
import { fetchGuest } from "../guest/fetch-guest.mjs";
import { Qmp } from "../peers/qmp.ts";
import { parseEvents } from "../report/events.ts";
import { groundTruth } from "../report/ground-truth.ts";
import { makePage } from "../report/page.ts";
import { makeTimeline } from "../report/timeline.ts";
import { ROOT } from "../setup.mjs";
import { createProgress } from "../support/progress.mjs";

const SMP = 2;
const MEMORY = "256M";
const LIMIT_MS = 60_000;
const CAPABILITIES = ["events", "return-path", "postcopy-ram", "postcopy-preempt"];
/** Bytes a second of precopy, so slow that most of what the guest writes is left for postcopy. */
const MAX_BANDWIDTH = 30 << 20;
const PRECOPY_MS = 1500;
const AFTER_MS = 2000;
/** Two processes that copy and compare 8 MiB all the time, and one that counts. */
const WORK =
  "head -c 8000000 /dev/urandom >/tmp/data; " +
  "for i in 1 2; do (while :; do cp /tmp/data /tmp/copy$i; cmp /tmp/data /tmp/copy$i || echo DA''MAGED; done) & done; " +
  "i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.2; done\n";

class Side {
  readonly guest: Guest;
  qmp!: Qmp;
  readonly #socket: string;

  constructor(folder: string, name: string, args: readonly string[]) {
    this.#socket = join(folder, `${name}.qmp`);
    const board = ["-M", "virt", "-smp", String(SMP), "-m", MEMORY, "-display", "none", "-serial", "stdio"];
    const monitor = ["-monitor", "none", "-qmp", `unix:${this.#socket},server=on,wait=off`];
    this.guest = new Guest(process.execPath, [COMMAND, ...board, ...monitor, ...args]);
  }
  async connect(): Promise<void> {
    this.qmp = await Qmp.connect(this.#socket, LIMIT_MS);
  }
  async switchOn(capabilities: readonly string[]): Promise<void> {
    await this.qmp.execute("migrate-set-capabilities", {
      capabilities: capabilities.map((capability) => ({ capability, state: true })),
    });
  }
  /** Resolves when its migration has one of `statuses`. */
  async until(...statuses: readonly string[]): Promise<string> {
    for (const end = Date.now() + LIMIT_MS; Date.now() < end; ) {
      const { status } = await this.qmp.execute("query-migrate");
      if (statuses.includes(String(status))) return String(status);
      if (status === "failed") throw new Error("the migration has failed");
      await sleep(20);
    }
    throw new Error(`the migration is not ${statuses.join(" or ")} after ${LIMIT_MS} ms`);
  }
  ticks(): number {
    return [...this.guest.transcript.matchAll(/tick (\d+)\r?\n/g)].reduce(
      (most, [, n]) => Math.max(most, Number(n)),
      0,
    );
  }
}

const sleep = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));
const say = (line: string): void => console.log(line);

async function demo(file: string, folder: string, sides: Side[]): Promise<void> {
  const log = createProgress();
  await buildIfNeeded(ROOT, log);
  const guest = await fetchGuest({ log });
  const trace = join(folder, "events");
  say(`Starting a guest with ${SMP} vCPUs and ${MEMORY}, and a process that waits for it ...`);
  const boot = ["-kernel", guest.kernel, "-initrd", guest.initrd, "-append", "console=ttyS0 quiet COLUMNS=1000"];
  const source = new Side(folder, "source", ["-bios", guest.firmware, ...boot]);
  sides.push(source);
  const destination = new Side(folder, "destination", [
    "-bios",
    guest.firmware,
    "-incoming",
    "defer",
    "-trace",
    "postcopy_*",
    "-D",
    trace,
  ]);
  sides.push(destination);
  await Promise.all([source.connect(), destination.connect(), source.guest.untilReady()]);
  source.guest.type(WORK);
  await source.guest.waitFor(/tick 5\r?\n/, LIMIT_MS);

  const uri = `unix:${join(folder, "stream")}`;
  await source.switchOn(CAPABILITIES);
  await destination.switchOn([...CAPABILITIES, "postcopy-blocktime"]);
  await source.qmp.execute("migrate-set-parameters", { "max-bandwidth": MAX_BANDWIDTH });
  await destination.qmp.execute("migrate-incoming", { uri });
  say(`The source has counted to ${source.ticks()}. Precopy: its memory goes over while it runs ...`);
  await source.qmp.execute("migrate", { uri });
  await sleep(PRECOPY_MS);
  say("Postcopy: it goes on over there, the rest of its memory follows ...");
  await source.qmp.execute("migrate-start-postcopy");
  await Promise.all([source.until("completed"), destination.until("completed")]);
  const [before, first] = [source.ticks(), destination.ticks()];
  await sleep(AFTER_MS);
  say(
    `The source stopped counting at ${before}, the destination had ${first} by the end and has ${destination.ticks()} now.`,
  );
  if (destination.ticks() <= before) throw new Error("the guest does not go on at the destination");
  if (/DAMAGED\r?\n/.test(destination.guest.transcript)) throw new Error("the guest found its memory damaged");
  say("\n(destination) info migrate");
  const text: unknown = await destination.qmp.execute("human-monitor-command", { "command-line": "info migrate" });
  say((text as string).replaceAll("\r\n", "\n"));
  const timeline = makeTimeline(parseEvents(readFileSync(trace, "utf8")));
  const seen = groundTruth(timeline).vcpuBlocktimeNs.map((ns) => Math.round(ns / 1e6));
  say(`The vCPUs' own threads saw that they stood still for ${seen.join(" and ")} ms, until they ran again.`);
  writeFileSync(file, makePage(timeline));
  say(`The picture of it: ${resolve(file)}`);
}

const folder = mkdtempSync(join(tmpdir(), "tinamou-demo-"));
const sides: Side[] = [];
try {
  await demo(process.argv[2] ?? "tinamou-postcopy.html", folder, sides);
} catch (error) {
  console.error(`demo: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  for (const { guest } of sides) guest.kill();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
