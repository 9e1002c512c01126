/**
 * A Linux that compares its memory all the time moves between QEMU and here while it runs, and notices nothing.
 * A cell is skipped where its QEMU is missing.
 */
import { mkdtempSync, rmSync } from "node:fs";
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

type Cell = { readonly from: Name; readonly to: Name; readonly how: string; readonly checkMib: number } & Move;

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
  test.skipIf(missing !== "")(`${cell.from} -> ${cell.to}, ${cell.how}${missing && ` (${missing})`}`, async () => {
    if ("missing" in from || "missing" in to) return;
    await moves(from, to, cell);
  });
}

async function moves(from: Emulator, to: Emulator, cell: Cell): Promise<void> {
  const source = await Vm.boot(from, BOARD, folder, cell.checkMib);
  open.push(source);
  source.guest.type("KEPT='from before'\n");
  const destination = await Vm.waiting(to, BOARD, folder);
  open.push(destination);

  const moved = await move(source, destination, folder, cell);
  expect(moved).toMatchObject({ source: { status: "completed" }, destination: { status: "completed" } });
  if (cell.postcopy) {
    const ram = moved.source.ram ?? {};
    expect(ram["postcopy-requests"]).toBeGreaterThan(0);
    expect(ram["postcopy-bytes"]).toBeGreaterThan(cell.checkMib * MIB);
  }
  expect(source.guest.errors).toBe("");
  source.kill();

  const checks = await destination.nextChecks(5);
  expect(checks.filter(({ errors }) => errors > 0)).toEqual([]);
  expect(destination.guest.transcript).not.toMatch(/check: page|BUG|Oops|rcu.*stall/);
  // Every vCPU goes on.
  const [first, last] = [checks.at(0)?.rounds ?? [], checks.at(-1)?.rounds ?? []];
  expect(last).toHaveLength(BOARD.smp);
  last.forEach((rounds, index) => expect(rounds).toBeGreaterThan(first[index] ?? Infinity));
  expect((await destination.guest.ask("nproc; echo $KEPT")).text).toMatch(/^2$[^]*^from before$/m);
  expect(await destination.guest.powerOff()).toBe(0);
  expect(destination.guest.errors).toBe("");
}
