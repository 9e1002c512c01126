/** The source against a destination that only listens: what is sent, and in which order. */
import { expect, test } from "vitest";
import { RAM, RAM_BYTES, startSource } from "../../../tools/support/migration-source.ts";
import { until } from "../../../tools/support/scripted-channel.ts";
import { ByteReader } from "#core/bytes.ts";

/** Commands and pages in order: "command 7", "page 0x3000". */
function events(bytes: Uint8Array, ram: Uint8Array): string[] {
  const from = new ByteReader(bytes);
  const seen: string[] = [];
  from.bytes(8);
  for (;;) {
    const mark = from.u8();
    if (mark === 0) return [...seen, "end"];
    if (mark === 7) from.bytes(from.u32());
    else if (mark === 8) {
      const command = from.u16();
      const data = from.bytes(from.u16());
      seen.push(`command ${command}`);
      if (command === 7) from.bytes(new ByteReader(data).u32());
    } else {
      from.u32();
      if (mark === 1) {
        from.shortString();
        from.bytes(8);
      }
      pages(from, ram, seen);
      expect(from.u8()).toBe(0x7e);
      from.u32();
    }
  }
}

function pages(from: ByteReader, ram: Uint8Array, seen: string[]): void {
  let block = "";
  for (;;) {
    const word = Number(from.u64());
    const [flags, address] = [word & 0xfff, word & ~0xfff];
    if (flags === 0x10) return;
    if (flags === 4) {
      for (let left = address; left > 0; ) {
        from.shortString();
        left -= Number(from.u64());
      }
      continue;
    }
    if ((flags & 0x20) === 0) block = from.shortString();
    if (flags & 2) from.u8();
    else ram.set(from.bytes(4096), block === RAM ? address : 0);
    seen.push(`page 0x${address.toString(16)}`);
  }
}

test("postcopy: what is missing is announced, the machine's state goes in one piece, wanted pages go first", async () => {
  const { board, wire, outgoing, statuses, over, machine, asked } = startSource({ bandwidth: 100_000 });
  await until(() => statuses.includes("active"));
  outgoing.startPostcopy();
  // The last page that would be sent.
  wire.request(RAM, RAM_BYTES - 4096, 4096);
  wire.answer(4, (to) => {
    to.u64(BigInt(RAM_BYTES - 4096));
    to.u32(4096);
  });
  wire.pong(4);
  await until(() => statuses.includes("postcopy-active") && !machine.isRunning);
  wire.shut(0);
  await over;
  expect(statuses).toEqual(["active", "postcopy-active", "completed"]);
  // The rest was a rehearsal, and the machine stands for one of them only.
  expect(asked.slice(asked.lastIndexOf("save in vain"))).toEqual(["save in vain", "stop", "save"]);
  const ram = new Uint8Array(RAM_BYTES);
  const seen = events(wire.bytes, ram);
  expect(Buffer.compare(ram, board.ram)).toBe(0);
  expect(seen.slice(0, 3)).toEqual(["command 1", "command 2", "command 3"]);
  const packaged = seen.indexOf("command 7");
  const discards = seen.filter((one) => one === "command 6").length;
  if (discards > 0) {
    expect(seen.slice(packaged - 2, packaged)).toEqual(["command 6", "command 2"]);
    expect(seen.slice(packaged + 1, packaged + 3)).toEqual(["command 2", "page 0xff000"]);
  }
  // By address within a block, of which the board's flash is the longest.
  expect(new Set(seen.filter((one) => one.startsWith("page"))).size).toBe((32 << 20) / 4096);
  expect(outgoing.info()).toMatchObject({ status: "completed", ram: { "postcopy-requests": 2, remaining: 0 } });
});

test("a destination that goes away in precopy leaves the machine running; in postcopy it cannot", async () => {
  const early = startSource({ bandwidth: 100_000 });
  await until(() => early.statuses.includes("active"));
  early.wire.leave();
  await early.over;
  expect([early.statuses, early.machine.isRunning]).toEqual([["active", "failed"], true]);

  const late = startSource({ bandwidth: 100_000 });
  await until(() => late.statuses.includes("active"));
  late.outgoing.startPostcopy();
  await until(() => late.statuses.includes("postcopy-active"));
  await until(() => !late.machine.isRunning);
  late.wire.leave();
  await until(() => late.statuses.includes("postcopy-paused"));
  expect(late.machine.isRunning).toBe(false);
});

test("a pause before postcopy: the machine stands until it is told to go on, or runs on here", async () => {
  const { machine, wire, outgoing, statuses, over } = startSource({ bandwidth: 100_000, pauseBeforeSwitchover: true });
  await until(() => statuses.includes("active"));
  outgoing.startPostcopy();
  await until(() => statuses.includes("pre-switchover"));
  expect(machine.isRunning).toBe(false);
  outgoing.continueSwitchover();
  wire.answer(1, (to) => to.u32(0));
  await over;
  expect(statuses).toEqual(["active", "pre-switchover", "postcopy-active", "completed"]);

  const other = startSource({ bandwidth: 100_000, pauseBeforeSwitchover: true });
  await until(() => other.statuses.includes("active"));
  other.outgoing.startPostcopy();
  await until(() => other.statuses.includes("pre-switchover"));
  other.outgoing.cancel();
  await other.over;
  expect([other.statuses.at(-1), other.machine.isRunning]).toEqual(["cancelled", true]);
});
