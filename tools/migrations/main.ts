/**
 * Many migrations in a row of a guest that writes and compares memory all the time: by unix, tcp, exec and file in turn, at
 * random moments, some cancelled or with a destination that goes away first. The guest must notice nothing.
 *
 *   npm run migrations -- [--count 20] [--smp 2] [--memory 192M] [--seed S]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type * as Api from "../../src/app/api/index.ts";
import { fetchGuest } from "../guest/fetch-guest.mjs";

type Machine = Api.Machine;

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "20" },
    smp: { type: "string", default: "2" },
    memory: { type: "string", default: "192M" },
    seed: { type: "string", default: String(Date.now() % 1e6) },
  },
});
const folder = mkdtempSync(join(tmpdir(), "tinamou-migrations-"));
const bundle = new URL("../../dist/index.js", import.meta.url).href;
const api = (await import(bundle)) as typeof Api;
const guest = await fetchGuest({});
const machineOptions = { firmware: guest.firmware, memory: values.memory, smp: Number(values.smp) };

let state = Number(values.seed) | 1;
/** A number below `limit`; xorshift32. */
function random(limit: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % limit;
}
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const BUSY =
  "seq 1 200000 >/tmp/data; for i in 1 2; do (while :; do cp /tmp/data /tmp/copy$i; " +
  "cmp /tmp/data /tmp/copy$i || echo BA''D; done) & done; echo bu''sy\n";

async function boot(): Promise<Machine> {
  const { kernel, initrd } = guest;
  const append = "console=ttyS0 quiet COLUMNS=1000";
  const machine = await api.Machine.create({ ...machineOptions, kernel, initrd, append });
  await machine.start();
  await machine.console.waitFor(/Tinamou guest ready[^]*# /);
  machine.console.type(BUSY);
  await machine.console.waitFor(/busy\r?\n/);
  return machine;
}

async function migrate(machine: Machine, uri: string): Promise<string> {
  machine.migration.setCapabilities([{ capability: "return-path", state: /^(?:unix|tcp)/.test(uri) }]);
  machine.migration.migrate({ uri });
  const info = await machine.migration.untilOver();
  return info.status === "completed" ? "" : (info["error-desc"] ?? info.status ?? "nothing");
}

/** The machine at its next place. */
async function hop(machine: Machine, round: number): Promise<Machine> {
  const path = join(folder, String(round));
  const kinds = ["unix", "tcp", "exec", "file"] as const;
  const kind = kinds[round % kinds.length];
  const from = { unix: `unix:${path}`, tcp: "tcp:127.0.0.1:0", exec: `exec:cat ${path}`, file: `file:${path}` }[
    kind ?? "unix"
  ];
  const stream = kind === "exec" || kind === "file";
  if (stream) await must(migrate(machine, kind === "exec" ? `exec:cat >${path}` : from));
  const next = await api.Machine.create({ ...machineOptions, args: ["-incoming", from] });
  if (!stream) {
    const { listening } = next.migration;
    await must(migrate(machine, listening?.kind === "tcp" ? `tcp:127.0.0.1:${listening.port}` : from));
  }
  await next.arrived;
  await machine.quit();
  return next;
}

async function must(failure: Promise<string>): Promise<void> {
  const text = await failure;
  if (text !== "") throw new Error(text);
}

/** Attempts that fail on the way: the machine must run on. */
async function spoil(machine: Machine): Promise<string> {
  const path = join(folder, "spoiled");
  if (random(2) === 0) {
    machine.migration.migrate({ uri: `exec:cat >/dev/null; sleep 1` });
    await sleep(random(300));
    machine.migration.cancel();
    return (await machine.migration.untilOver()).status ?? "nothing";
  }
  const server = await new Promise<Server>((resolve) => {
    const made: Server = createServer((socket) => {
      const limit = random(64 << 20);
      let seen = 0;
      socket.on("error", () => {});
      socket.on("data", (bytes) => {
        seen += bytes.length;
        if (seen > limit) socket.destroy();
      });
      setTimeout(() => socket.destroy(), 1500);
    }).listen(path, () => resolve(made));
  });
  machine.migration.setCapabilities([{ capability: "return-path", state: true }]);
  machine.migration.migrate({ uri: `unix:${path}` });
  const info = await machine.migration.untilOver();
  server.close();
  return info.status ?? "nothing";
}

async function isAlive(machine: Machine): Promise<void> {
  machine.console.type("echo al''ive $((6*7))\n");
  const seen = await machine.console.waitFor(/alive 42\r?\n/, 30_000);
  if (seen.includes("BAD")) throw new Error(`the guest found its memory damaged: ${seen}`);
}

let machine = await boot();
const count = Number(values.count);
console.log(`seed ${values.seed}`);
try {
  for (let round = 0; round < count; round++) {
    await sleep(random(400));
    const spoiled = random(3) === 0 ? await spoil(machine) : "";
    if (spoiled === "completed") throw new Error("a migration that was to fail has completed");
    await isAlive(machine);
    machine = await hop(machine, round);
    await isAlive(machine);
    console.log(`${round + 1} of ${count}${spoiled && ` (once ${spoiled})`}`);
  }
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
await machine.quit();
rmSync(folder, { recursive: true, force: true });
process.exit();
