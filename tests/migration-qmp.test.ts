/** Two processes of the command, each driven by QMP over a unix socket: what a manager of machines sees of a migration. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { LIMIT_MS, testFolder, until, writeFirmware } from "./firmware.ts";
import type { Message } from "./qmp-client.ts";
import type { Emulator } from "../tools/peers/vm.ts";
import { here, type Side, startSide, withoutKoffi } from "./side.ts";

const folder = testFolder();
const MACHINE = ["-M", "virt", "-m", "16", "-display", "none", "-nodefaults", "-serial", "stdio"];
const FIRMWARE = writeFirmware(folder);
/** Of pages that are mostly zero: so slow that a test looks on. */
const SLOW = 30_000;
let files = 0;

const start = (emulator: Emulator, ...args: string[]): Promise<Side> =>
  startSide(emulator, folder, [...MACHINE, "-bios", FIRMWARE, ...args]);

type Pair = { readonly source: Side; readonly destination: Side; readonly uri: string };

const pair = (...capabilities: string[]): Promise<Pair> => pairOf(here, ...capabilities);
async function pairOf(emulator: Emulator, ...capabilities: string[]): Promise<Pair> {
  const [source, destination] = await Promise.all([start(emulator), start(emulator, "-incoming", "defer")]);
  await source.terminal.waitFor(/ready/, LIMIT_MS);
  for (const side of [source, destination]) await switchOn(side, "events", "return-path", ...capabilities);
  const uri = `unix:${join(folder, `stream${files++}`)}`;
  await destination.client.result("migrate-incoming", { uri });
  // Not the start of the machine.
  source.client.events.length = 0;
  return { source, destination, uri };
}

function switchOn({ client }: Side, ...names: string[]): Promise<unknown> {
  return client.result("migrate-set-capabilities", {
    capabilities: names.map((capability) => ({ capability, state: true })),
  });
}

function limit({ client }: Side, bytesPerSecond: number): Promise<unknown> {
  return client.result("migrate-set-parameters", {
    "max-bandwidth": bytesPerSecond,
    "max-postcopy-bandwidth": bytesPerSecond,
  });
}

async function info({ client }: Side): Promise<Message & { readonly status?: string }> {
  return (await client.result("query-migrate")) as Message;
}

/** All events so far that have to do with a migration: "active", "pass 1", "STOP". */
function told({ client }: Side): string[] {
  return client.events.flatMap(({ event, data }) => {
    if (event === "MIGRATION") return [(data as { status: string }).status];
    if (event === "MIGRATION_PASS") return [`pass ${(data as { pass: number }).pass}`];
    return event === "STOP" || event === "RESUME" ? [event] : [];
  });
}

async function untilTold(side: Side, ...statuses: string[]): Promise<void> {
  await until(() => statuses.some((status) => told(side).includes(status)));
}

async function refusal({ client }: Side, name: string, args?: Message): Promise<unknown> {
  const reply = await client.execute(name, args);
  return (reply["error"] as { desc?: string } | undefined)?.desc ?? reply;
}

/** The guest answers keys there. */
async function answers({ terminal }: Side): Promise<void> {
  terminal.type("x");
  await terminal.waitFor(/x/, LIMIT_MS);
}

const RAM_MEMBERS = [
  ["total", "remaining", "transferred", "normal", "normal-bytes", "duplicate", "skipped", "mbps", "page-size"],
  ["pages-per-second", "dirty-pages-rate", "dirty-sync-count", "precopy-bytes", "downtime-bytes", "postcopy-bytes"],
  ["postcopy-requests", "multifd-bytes", "dirty-sync-missed-zero-copy"],
].flat();
const BLOCKTIME_MEMBERS = ["postcopy-blocktime", "postcopy-vcpu-blocktime"];

test("precopy: events, members while it goes on and behind its end, the guest goes on there", async () => {
  const { source, destination, uri } = await pair();
  expect(await info(source)).toEqual({});
  await limit(source, SLOW);
  await source.client.result("migrate", { uri });
  await untilTold(source, "active");
  const during = await info(source);
  expect(during).toMatchObject({ status: "active", "expected-downtime": expect.any(Number) as number });
  expect(Object.keys(during["ram"] as object).sort()).toEqual([...RAM_MEMBERS].sort());
  expect(await info(destination)).toMatchObject({ status: "active" });
  expect(await destination.client.result("query-status")).toMatchObject({ status: "inmigrate" });
  expect(await refusal(source, "migrate", { uri })).toBe("There's a migration process in progress");
  expect(await refusal(source, "migrate-start-postcopy")).toBe(
    "Enable postcopy with migrate_set_capability before the start of migration",
  );
  expect(await refusal(source, "migrate-pause")).toBe(
    "migrate-pause is currently only supported during postcopy-active or postcopy-recover state",
  );
  expect(await refusal(source, "migrate", { uri, resume: true })).toBe("Cannot resume if there is no paused migration");
  expect(await refusal(destination, "migrate-recover", { uri })).toBe(
    "Migrate recover can only be run when postcopy is paused.",
  );
  await limit(source, 0);
  await untilTold(source, "completed");
  await untilTold(destination, "completed");
  expect(told(source).slice(0, 3)).toEqual(["setup", "pass 1", "active"]);
  expect(told(source).filter((one) => !one.startsWith("pass"))).toEqual([
    "setup",
    "active",
    "STOP",
    "device",
    "completed",
  ]);
  expect(told(destination)).toEqual(["setup", "active", "RESUME", "completed"]);
  expect(await info(source)).toMatchObject({ status: "completed", downtime: expect.any(Number) as number });
  const arrived = await info(destination);
  expect(arrived.status).toBe("completed");
  expect(Object.keys(arrived)).not.toEqual(expect.arrayContaining(BLOCKTIME_MEMBERS));
  expect(await source.client.result("query-status")).toMatchObject({ status: "postmigrate" });
  expect(await destination.client.result("query-status")).toMatchObject({ status: "running" });
  await answers(destination);
});

const INTERRUPTED = [
  { name: "here", how: [] },
  { name: "here", how: ["postcopy-preempt"] },
  { name: "without koffi", how: ["postcopy-preempt"] },
];
test.each(INTERRUPTED)("postcopy that is interrupted on either side: $name, $how", async ({ name, how }) => {
  const emulator = name === "here" ? here : withoutKoffi(folder);
  const { source, destination, uri } = await pairOf(emulator, "postcopy-ram", "postcopy-blocktime", ...how);
  await limit(source, SLOW);
  await source.client.result("migrate", { uri });
  await untilTold(source, "active");
  expect(Object.keys(await info(destination))).not.toEqual(expect.arrayContaining(BLOCKTIME_MEMBERS));
  await source.client.result("migrate-start-postcopy");
  await untilTold(source, "postcopy-active");
  await untilTold(destination, "RESUME");
  expect(await info(source)).toMatchObject({ status: "postcopy-active" });
  expect(await source.client.result("query-status")).toMatchObject({ status: "finish-migrate", running: false });
  expect(await refusal(source, "cont")).toBe("Migration is not finalized yet");
  const during = await info(destination);
  expect(during).toMatchObject({ status: "postcopy-active", "postcopy-vcpu-blocktime": [expect.any(Number)] });
  await answers(destination);
  expect(await refusal(source, "migrate_cancel")).toBe("Postcopy migration in progress, cannot cancel.");

  for (const pausing of [source, destination]) {
    await pausing.client.result("migrate-pause");
    await untilAll("postcopy-paused", source, destination);
    expect(await info(pausing)).toMatchObject({ "error-desc": "Postcopy migration is paused by the user" });
    expect(await refusal(source, "migrate_cancel")).toBe("Postcopy migration in progress, cannot cancel.");
    expect(await destination.client.result("query-status")).toMatchObject({ status: "running" });
    // A place where nobody comes is given up for another.
    await destination.client.result("migrate-recover", { uri: `unix:${join(folder, `nobody${files++}`)}` });
    const again = `unix:${join(folder, `again${files++}`)}`;
    await destination.client.result("migrate-recover", { uri: again });
    await source.client.result("migrate", { uri: again, resume: true });
    await untilAll("postcopy-active", source, destination);
    expect(await info(source)).not.toHaveProperty("error-desc");
  }
  await limit(source, 0);
  await untilTold(source, "completed");
  await untilTold(destination, "completed");
  const again = ["postcopy-paused", "postcopy-recover", "postcopy-active"];
  expect(told(source).filter((one) => !one.startsWith("pass"))).toEqual(
    ["setup", "active", "STOP", "postcopy-active", again, again, "completed"].flat(),
  );
  const arrived = told(destination);
  expect(arrived).toEqual(["setup", "active", "postcopy-active", "RESUME", again, again, "completed"].flat());
  expect(await info(destination)).toMatchObject({
    status: "completed",
    "postcopy-blocktime": expect.any(Number) as number,
  });
  await answers(destination);
});

async function untilAll(status: string, ...sides: Side[]): Promise<void> {
  const end = Date.now() + LIMIT_MS;
  for (const side of sides) {
    while ((await info(side)).status !== status) {
      if (Date.now() > end) throw new Error(`not ${status}: ${JSON.stringify(await info(side))}`);
    }
  }
}

test("pre-switchover waits for migrate-continue", async () => {
  const { source, destination, uri } = await pair();
  await switchOn(source, "pause-before-switchover");
  await limit(source, 0);
  expect(await refusal(source, "migrate-continue", { state: "pre-switchover" })).toBe(
    "Migration not in expected state: none",
  );
  await source.client.result("migrate", { uri });
  await untilTold(source, "pre-switchover");
  expect(await refusal(source, "migrate-continue", { state: "active" })).toBe(
    "Migration not in expected state: pre-switchover",
  );
  await source.client.result("migrate-continue", { state: "pre-switchover" });
  await untilTold(source, "completed");
  await untilTold(destination, "completed");
  expect(told(source).filter((one) => !one.startsWith("pass"))).toEqual([
    "setup",
    "active",
    "STOP",
    "pre-switchover",
    "device",
    "completed",
  ]);
  await answers(destination);
});

test("migrate_cancel: the machine goes on at the source, and can be moved again", async () => {
  const { source, destination, uri } = await pair();
  expect(await source.client.result("migrate_cancel")).toEqual({});
  await limit(source, SLOW);
  await source.client.result("migrate", { uri });
  await untilTold(source, "active");
  await source.client.result("migrate_cancel");
  await untilTold(source, "cancelled");
  expect(told(source)).toEqual(["setup", "pass 1", "active", "cancelling", "cancelled"]);
  expect(await info(source)).toEqual({ status: "cancelled" });
  await untilTold(destination, "failed");
  await answers(source);
  expect(await source.client.result("query-status")).toMatchObject({ status: "running" });

  const other = await start(here, "-incoming", "defer", "-S");
  // Before the machine has come that is for later.
  expect(await other.client.result("cont")).toEqual({});
  await switchOn(other, "events");
  await other.client.result("migrate-incoming", { uri: `${uri}-2` });
  expect(await refusal(other, "migrate-incoming", { uri: `${uri}-3` })).toBe(
    "The incoming migration has already been started",
  );
  await limit(source, 0);
  await source.client.result("migrate", { uri: `${uri}-2` });
  await untilTold(other, "completed");
  await answers(other);
});

test("HMP sets a parameter as a person writes it: MiB a second, suffixes, on and off", async () => {
  const { client } = await start(here, "-S");
  const hmp = (line: string): Promise<unknown> => client.result("human-monitor-command", { "command-line": line });
  const set = (line: string): Promise<unknown> => hmp(`migrate_set_parameter ${line}`);
  for (const line of [
    "max-bandwidth 100",
    "max-postcopy-bandwidth 2M",
    "downtime-limit 20",
    "cpu-throttle-tailslow on",
    "avail-switchover-bandwidth 1.5G",
    'tls-creds ""',
    "multifd-channels 2",
  ]) {
    expect([line, await set(line)]).toEqual([line, ""]);
  }
  expect(await client.result("query-migrate-parameters")).toMatchObject({
    "max-bandwidth": 100 << 20,
    "max-postcopy-bandwidth": 2 << 20,
    "downtime-limit": 20,
    "cpu-throttle-tailslow": true,
    "avail-switchover-bandwidth": 1.5 * 2 ** 30,
  });
  expect(await set("nothing 1")).toBe("Error: invalid parameter value: nothing\r\n");
  expect(await set("cpu-throttle-tailslow maybe")).toMatch(/expects 'on' or 'off'/);
  expect(await set("downtime-limit x")).toMatch(/expects a non-negative number/);
  expect(await set("multifd-channels 4")).toMatch(/can only be 2 here: there is no multifd/);
});

test("the speed that is given for the switchover decides when it is time for it", async () => {
  const { source, destination, uri } = await pair();
  await limit(source, SLOW);
  await source.client.result("migrate", { uri });
  await untilTold(source, "active");
  expect(told(source)).not.toContain("device");
  await source.client.result("migrate-set-parameters", { "avail-switchover-bandwidth": 1 << 30 });
  await untilTold(source, "completed");
  await untilTold(destination, "completed");
  await answers(destination);
});
