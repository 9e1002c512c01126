/**
 * A Linux that compares its memory all the time moves between QEMU and here while it runs, and notices nothing.
 * A cell is skipped where its QEMU is missing.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { missingMemoryCheck } from "../tools/guest/memory-check.ts";
import { qemu7, qemu11 } from "../tools/peers/qemu.ts";
import { type Emulator, move, type Move, Vm } from "../tools/peers/vm.ts";
import { COMMAND } from "./guest.ts";

const folder = mkdtempSync(join(tmpdir(), "tinamou-migration-"));
const open: Vm[] = [];
afterAll(() => {
  for (const one of open) one.kill();
  rmSync(folder, { recursive: true, force: true });
});

const MIB = 1 << 20;
const BOARD = { smp: 2, memory: "192M" };
const here: Emulator = { name: "here", program: process.execPath, args: [COMMAND] };
const PEERS = { here, "QEMU 7.2": qemu7(), "QEMU 11.1": qemu11() };
type Name = keyof typeof PEERS;

/** Seconds for which the guest is watched. */
const CHECKS = 4;
/** Writes to the disk until somebody says that it is enough. */
const WRITE =
  "; head -c 2000000 /dev/urandom >/tmp/data; (until [ -e /tmp/end ]; do " +
  "dd if=/tmp/data of=/dev/vda bs=64k conv=fsync 2>/dev/null; done; echo fin''ished) &";

type Cell = {
  readonly from: Name;
  readonly to: Name;
  readonly how: string;
  readonly checkMib: number;
  /** With a disk that is written and a source of entropy, and the registers of virtio that drivers see. */
  readonly transport?: "legacy" | "modern";
} & Move;

const precopy = { how: "precopy", checkMib: 16, maxBandwidth: 1024 * MIB, downtimeLimitMs: 1000 } as const;
const postcopy = {
  how: "postcopy",
  checkMib: 64,
  maxBandwidth: 40 * MIB,
  postcopy: { afterMs: 1000, maxBandwidth: 0 },
} as const;
/** Most pages go behind the switch, many of them because a vCPU waits. */
const slowPostcopy = {
  how: "postcopy at a low speed",
  checkMib: 64,
  maxBandwidth: 4 * MIB,
  postcopy: { afterMs: 300, maxBandwidth: 30 * MIB },
} as const;

/** What the destination here does not load yet: true when it does. */
const LOADS_POSTCOPY: boolean = false;
const POSTCOPY_HERE: readonly Cell[] = [
  { from: "QEMU 7.2", to: "here", ...postcopy },
  { from: "QEMU 11.1", to: "here", ...postcopy },
  { from: "QEMU 11.1", to: "here", ...slowPostcopy },
];

const CELLS: readonly Cell[] = [
  { from: "QEMU 11.1", to: "here", ...precopy, transport: "legacy" },
  { from: "QEMU 11.1", to: "here", ...precopy, transport: "modern" },
  { from: "QEMU 7.2", to: "here", ...precopy, transport: "modern" },
  { from: "here", to: "QEMU 11.1", ...postcopy, transport: "legacy" },
  { from: "here", to: "QEMU 11.1", ...postcopy, transport: "modern" },
  { from: "QEMU 7.2", to: "here", ...precopy },
  { from: "QEMU 11.1", to: "here", ...precopy },
  { from: "here", to: "QEMU 11.1", ...precopy },
  { from: "here", to: "QEMU 11.1", ...postcopy },
  { from: "here", to: "QEMU 11.1", ...slowPostcopy },
  ...(LOADS_POSTCOPY ? POSTCOPY_HERE : []),
];

for (const cell of CELLS) {
  const [from, to] = [PEERS[cell.from], PEERS[cell.to]];
  const missing = ("missing" in from ? from.missing : "missing" in to ? to.missing : missingMemoryCheck()) ?? "";
  const devices = cell.transport ? `, ${cell.transport} disk` : "";
  const name = `${cell.from} -> ${cell.to}, ${cell.how}${devices}${missing && ` (${missing})`}`;
  test.skipIf(missing !== "")(name, async () => {
    if ("missing" in from || "missing" in to) throw new Error(missing);
    const board = { ...BOARD, ...(cell.transport && { devices: disk(cell.transport) }) };
    const source = started(await Vm.boot(from, board, folder, cell.checkMib));
    source.guest.type(`KEPT='from before'${cell.transport ? WRITE : ""}\n`);
    const destination = started(await Vm.waiting(to, board, folder));

    const moved = await move(source, destination, folder, cell);
    expect(moved).toMatchObject({ source: { status: "completed" }, destination: { status: "completed" } });
    if (cell.postcopy) {
      const ram = moved.source.ram ?? {};
      expect(ram["postcopy-requests"]).toBeGreaterThan(0);
      expect(ram["postcopy-bytes"]).toBeGreaterThan(cell.checkMib * MIB);
    }
    expect(source.guest.errors).toBe("");
    source.kill();

    await goesOn(destination);
    if (cell.transport) await hasWritten(destination);
    expect(await destination.guest.powerOff()).toBe(0);
    expect(destination.guest.errors).toBe("");
  });
}

function started(vm: Vm): Vm {
  open.push(vm);
  return vm;
}

function disk(transport: "legacy" | "modern"): string[] {
  const file = join(folder, `disk-${open.length}`);
  writeFileSync(file, new Uint8Array(8 * MIB));
  const global = `virtio-mmio.force-legacy=${transport === "legacy"}`;
  return [
    "-global",
    global,
    "-drive",
    `if=none,id=disk,file=${file},format=raw`,
    "-device",
    "virtio-blk-device,drive=disk",
    "-device",
    "virtio-rng-device",
  ];
}

async function goesOn(vm: Vm): Promise<void> {
  const checks = await vm.nextChecks(CHECKS);
  expect(checks.filter(({ errors }) => errors > 0)).toEqual([]);
  expect(vm.guest.transcript).not.toMatch(/check: page|BUG|Oops|rcu.*stall/);
  // Every vCPU goes on.
  const [first, last] = [checks.at(0)?.rounds ?? [], checks.at(-1)?.rounds ?? []];
  expect(last).toHaveLength(BOARD.smp);
  last.forEach((rounds, index) => expect(rounds).toBeGreaterThan(first[index] ?? Infinity));
  expect((await vm.guest.ask("nproc; echo $KEPT")).text).toMatch(/^2$[^]*^from before$/m);
}

/** The disk holds what was written to it before, during and after the move; entropy still comes. */
async function hasWritten({ guest }: Vm): Promise<void> {
  guest.type("touch /tmp/end\n");
  await guest.waitFor(/finished\r?\n/, 30_000);
  const { text } = await guest.ask(
    "echo 3 >/proc/sys/vm/drop_caches; cmp -n 2000000 /dev/vda /tmp/data && echo same; head -c 16 /dev/hwrng | wc -c",
  );
  expect(text).toMatch(/^same$[^]*^16$/m);
}
