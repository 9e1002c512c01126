/** The source against destinations that say what they should not, or nothing. */
import { expect, test } from "vitest";
import { RAM, RAM_BYTES, type SourceOptions, startSource } from "../../../tools/support/migration-source.ts";
import { ScriptedChannel, until } from "../../../tools/support/scripted-channel.ts";
import type { MigrationStatus } from "#control/migration/status.ts";

const HAS_PACKAGE = 0x54_49_4e_00;
const SLOW = { bandwidth: 100_000 };
const MAP_BYTES = RAM_BYTES / 4096 / 8;

/** A source whose destination has the machine. */
type Source = ReturnType<typeof startSource>;

async function inPostcopy(options: SourceOptions = SLOW) {
  const source = startSource(options);
  await until(() => source.statuses.includes("active"));
  source.outgoing.startPostcopy();
  await until(() => source.statuses.includes("postcopy-active"));
  return source;
}
async function untilPaused(source: Source, times = 1): Promise<string | undefined> {
  const paused = (one: MigrationStatus): boolean => one === "postcopy-paused";
  await until(() => source.statuses.filter(paused).length >= times);
  expect(source.machine.isRunning).toBe(false);
  return source.outgoing.errorText;
}

const WRONG: readonly (readonly [string, (wire: ScriptedChannel) => void, string])[] = [
  ["behind the end", (wire) => wire.request(RAM, RAM_BYTES, 4096), `the destination wants pages that '${RAM}' has not`],
  ["longer than the rest", (wire) => wire.request(RAM, RAM_BYTES - 4096, 8192), "has not"],
  ["not of a page", (wire) => wire.request(RAM, 100, 4096), "has not"],
  ["not of whole pages", (wire) => wire.request(RAM, 0, 100), "has not"],
  ["very long", (wire) => wire.request(RAM, 0, 65 * 4096), "has not"],
  ["of no block", (wire) => wire.request("other", 0, 4096), "the destination wants pages that 'other' has not"],
  ["without a name", (wire) => wire.answer(4, (to) => to.bytes(new Uint8Array(12))), "pages of no block"],
  ["a map that nobody asked for", (wire) => wire.bitmap(RAM, new Uint8Array(MAP_BYTES)), "unasked"],
  [
    "a map that is too long",
    (wire) =>
      wire.answer(
        5,
        (to) => to.shortString(RAM),
        (to) => to.u64(1n << 40n),
      ),
    "too long",
  ],
  ["an unknown message", (wire) => wire.answer(9, () => {}), "message 9"],
  ["a refusal to go on", (wire) => wire.answer(6, (to) => to.u32(7)), "does not go on"],
];
test.each(WRONG)("%s: the postcopy is interrupted, and the reason told", async (_what, say, why) => {
  for (const preempt of [false, true]) {
    const source = await inPostcopy({ ...SLOW, preempt });
    say(source.wire);
    expect(await untilPaused(source)).toContain(why);
  }
});

test("a flood of requests: each page goes once, the last one is zero", async () => {
  const source = startSource({ bandwidth: 1 << 20 });
  await until(() => source.statuses.includes("active"));
  const flood = new ScriptedChannel();
  for (let i = 0; i < 256; i++) flood.request(RAM, i * 4096, 4096);
  const all = Buffer.concat(flood.unread);
  for (let i = 0; i < 300; i++) source.wire.send(all);
  source.outgoing.startPostcopy();
  await until(() => source.statuses.includes("postcopy-active"));
  await until(() => source.outgoing.info().ram?.remaining === 0);
  source.wire.shut(0);
  await source.over;
  expect(source.outgoing.info().ram).toMatchObject({ normal: 255, "postcopy-requests": 300 * 256 });
});

test("a package that cannot be loaded: the machine runs on; once it was loaded, it does not", async () => {
  const refused = await inPostcopy();
  refused.wire.shut(1);
  await refused.over;
  expect(refused.statuses.at(-1)).toBe("failed");
  expect([refused.machine.isRunning, refused.outgoing.errorText]).toEqual([
    true,
    "the destination could not load the machine",
  ]);

  const late = await inPostcopy();
  late.wire.pong(3);
  late.wire.shut(1);
  expect(await untilPaused(late)).toBe("the destination could not load the machine");
});

test.each([
  ["none", []],
  ["not the last one", [5]],
])("a destination that answers %s of the questions before the switch: migrate_cancel", async (_what, pongs) => {
  const source = startSource({ ...SLOW, pongs });
  await until(() => source.statuses.includes("active"));
  source.outgoing.startPostcopy();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(source.machine.isRunning).toBe(pongs.length === 0);
  source.outgoing.cancel();
  await source.over;
  expect(source.statuses).toEqual(["active", "cancelling", "cancelled"]);
  expect(source.machine.isRunning).toBe(true);
});

test("a connection that is never made: migrate_cancel", async () => {
  const source = startSource({ ...SLOW, connect: () => new Promise(() => {}) });
  source.outgoing.cancel();
  await source.over;
  expect(source.statuses).toEqual(["cancelling", "cancelled"]);
});

test("a machine that its user has stopped meanwhile stays stopped", async () => {
  const source = startSource({ ...SLOW, pongs: [5] });
  await until(() => source.statuses.includes("active"));
  source.machine.isRunning = false;
  source.outgoing.startPostcopy();
  await new Promise((resolve) => setTimeout(resolve, 100));
  source.outgoing.cancel();
  await source.over;
  expect([source.statuses.at(-1), source.machine.isRunning]).toEqual(["cancelled", false]);
});

test("a recovery that hangs is paused, or goes wrong, as often as it likes; then it works", async () => {
  const source = await inPostcopy();
  const { outgoing, wires, statuses } = source;
  expect(() => outgoing.cancel()).toThrow("Postcopy migration in progress, cannot cancel.");
  source.wire.leave();
  await untilPaused(source);
  expect(() => outgoing.pause()).toThrow("migrate-pause is currently only supported");

  // Nobody connects; nobody answers.
  outgoing.resume(() => new Promise(() => {}));
  expect(() => outgoing.resume(source.open)).toThrow("Cannot resume if there is no paused migration");
  await until(() => statuses.at(-1) === "postcopy-recover");
  outgoing.pause();
  expect(await untilPaused(source, 2)).toBe("Postcopy migration is paused by the user");
  outgoing.resume(source.open);
  await until(() => wires.length === 2);
  outgoing.pause();
  expect(await untilPaused(source, 3)).toBe("Postcopy migration is paused by the user");

  for (const lengthBytes of [MAP_BYTES - 8, MAP_BYTES + 8]) {
    const paused = statuses.length;
    outgoing.resume(source.open);
    const next = wires.length;
    await until(() => wires.length > next);
    wires.at(-1)?.pong(HAS_PACKAGE);
    await untilAsked(wires.at(-1) as ScriptedChannel, RAM);
    wires.at(-1)?.bitmap(RAM, new Uint8Array(lengthBytes));
    await until(() => statuses.length >= paused + 2 && statuses.at(-1) === "postcopy-paused");
    expect(outgoing.errorText).toBe(`the destination's map of the RAM block '${RAM}' has ${lengthBytes} bytes`);
  }

  const wire = await recovered(source);
  await until(() => outgoing.info().ram?.remaining === 0);
  wire.shut(0);
  await source.over;
  expect(statuses.slice(-3)).toEqual(["postcopy-recover", "postcopy-active", "completed"]);
});

test("a machine that the destination had before it was recovered may have run there: no refusal brings it back", async () => {
  const source = await inPostcopy();
  source.wire.leave();
  await untilPaused(source);
  const wire = await recovered(source);
  wire.shut(1);
  expect(await untilPaused(source, 2)).toBe("the destination could not load the machine");
  expect(source.machine.isRunning).toBe(false);
});

/** A new connection over which a destination goes on that has everything. */
async function recovered({ outgoing, open, wires, board }: Source): Promise<ScriptedChannel> {
  const before = wires.length;
  outgoing.resume(open);
  await until(() => wires.length > before);
  const wire = wires.at(-1) as ScriptedChannel;
  wire.pong(HAS_PACKAGE);
  for (const { name, sizeBytes } of board.migration.ram.blocks) {
    await untilAsked(wire, name);
    wire.bitmap(name, new Uint8Array(8 * Math.ceil(sizeBytes / 4096 / 64)).fill(0xff));
  }
  wire.answer(6, (to) => to.u32(1));
  return wire;
}

/** The source wants to know what the destination has of a block. */
function untilAsked(wire: ScriptedChannel, block: string): Promise<void> {
  return until(() =>
    Buffer.from(wire.bytes).includes(
      Buffer.from(`\0\n\0${String.fromCharCode(block.length + 1, block.length)}${block}`, "latin1"),
    ),
  );
}

test("wanted pages have a channel of their own; when it breaks, both are made again", async () => {
  const source = await inPostcopy({ ...SLOW, postcopyBandwidth: 50_000, preempt: true });
  const [, urgent] = source.wires;
  source.wire.request(RAM, RAM_BYTES - 8192, 4096);
  await until(() => (urgent?.bytes.length ?? 0) > 4096);
  urgent?.leave();
  source.wire.request(RAM, RAM_BYTES - 3 * 4096, 4096);
  expect(await untilPaused(source)).toBe("gone");
});
