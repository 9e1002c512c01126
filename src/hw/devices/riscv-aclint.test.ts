import { expect, test } from "vitest";
import { mmioRead, mmioWrite } from "#hw/bus/mmio-map.ts";
import { RiscvMswi, RiscvMtimer, RiscvSswi, mtimerState } from "#hw/devices/riscv-aclint.ts";
import type { MmioRegion } from "#hw/bus/types.ts";

const MTIME = 0x7ff8;
const NEVER = 0xffff_ffff_ffff_ffffn;

function makeMtimer(harts = 2, settable = true) {
  const memory = new SharedArrayBuffer(mtimerState(harts).sizeBytes);
  let ticks = 1000n;
  const lines = Array.from({ length: harts }, () => false);
  const deadlines: [number, bigint][] = [];
  const mtimer = new RiscvMtimer(
    { memory, offset: 0 },
    {
      time: {
        now: () => ticks,
        ...(settable && {
          set: (value: bigint) => {
            ticks = value;
          },
        }),
      },
      timerLines: lines.map((_, hart) => ({
        set: (level: boolean) => {
          lines[hart] = level;
        },
      })),
      deadlineChanged: (hart, timecmp) => void deadlines.push([hart, timecmp]),
    },
  );
  const region = mtimer.regions[0] as MmioRegion;
  return {
    mtimer,
    lines,
    deadlines,
    read: (offset: number, size: 1 | 2 | 4 | 8 = 8) => mmioRead(region, offset, size),
    write: (offset: number, value: bigint, size: 1 | 2 | 4 | 8 = 8) => mmioWrite(region, offset, size, value),
    setTicks: (value: bigint) => {
      ticks = value;
    },
  };
}

test("MTIP follows mtime >= mtimecmp, for each hart", () => {
  const { mtimer, lines, deadlines, write, setTicks } = makeMtimer();
  mtimer.reset();
  expect(lines).toEqual([true, true]);
  deadlines.length = 0;
  write(0, 1500n);
  write(8, NEVER);
  expect(lines).toEqual([false, false]);
  expect(deadlines).toEqual([
    [0, 1500n],
    [1, NEVER],
  ]);
  setTicks(1499n);
  mtimer.update(0);
  expect(lines).toEqual([false, false]);
  setTicks(1500n);
  mtimer.update(0);
  mtimer.update(1);
  expect(lines).toEqual([true, false]);
  write(0, 1501n);
  expect(lines).toEqual([false, false]);
  expect(mtimer.timecmp(0)).toBe(1501n);
});

test("both halves of a comparator, in either order, as a 32-bit driver writes them", () => {
  const { write, read, lines } = makeMtimer();
  write(8 + 4, 0xffff_ffffn, 4);
  write(8, 0x89ab_cdefn, 4);
  write(8 + 4, 0x1234n, 4);
  expect(read(8)).toBe(0x1234_89ab_cdefn);
  expect([read(8, 4), read(12, 4)]).toEqual([0x89ab_cdefn, 0x1234n]);
  expect(read(0)).toBe(0n);
  expect(lines[1]).toBe(false);
});

test("mtime reads whole or in halves; writing it moves time and every line", () => {
  const { mtimer, read, write, setTicks, lines, deadlines } = makeMtimer();
  setTicks(0x5_0000_0007n);
  expect([read(MTIME), read(MTIME, 4), read(MTIME + 4, 4)]).toEqual([0x5_0000_0007n, 7n, 5n]);
  write(0, 100n);
  write(8, 200n);
  deadlines.length = 0;
  write(MTIME, 150n);
  expect(lines).toEqual([true, false]);
  expect(deadlines.map(([hart]) => hart)).toEqual([0, 1]);
  write(MTIME + 4, 1n, 4);
  expect(read(MTIME)).toBe(0x1_0000_0096n);
  expect(lines).toEqual([true, true]);
  expect(mtimer.regions[0]?.sizeBytes).toBe(0x8000);
});

test("a counter that cannot be set ignores writes", () => {
  const { read, write, deadlines } = makeMtimer(1, false);
  expect(write(MTIME, 5n)).toBe(true);
  expect(read(MTIME)).toBe(1000n);
  expect(deadlines).toEqual([]);
});

test("comparators of harts that do not exist read 0; small and misaligned accesses are bus errors", () => {
  const { mtimer, read, write, deadlines } = makeMtimer();
  write(16, 7n);
  write(0x7ff0, 7n);
  expect([read(16), read(0x7ff0), read(16, 4)]).toEqual([0n, 0n, 0n]);
  expect(deadlines).toEqual([]);
  expect([read(0, 1), read(0, 2), read(4), read(2, 4)]).toEqual([undefined, undefined, undefined, undefined]);
  mtimer.update(2);
});

test("the section is QEMU's, and loading it announces the deadlines again", () => {
  const source = makeMtimer();
  source.write(0, 0x0102_0304_0506_0708n);
  source.write(8, NEVER);
  const section = source.mtimer.migration[0];
  expect([section?.name, section?.version]).toEqual(["riscv_mtimer", 3]);
  const body = section?.save() as Uint8Array;
  const never = Array.from({ length: 8 }, () => 255);
  const timecmp = [1, 2, 3, 4, 5, 6, 7, 8, ...never];
  // No time difference; QEMU's timers in nanoseconds.
  const due = [0x64, 0xc9, 0x2d, 0x91, 0xf6, 0x5a, 0xbf, 0x20];
  expect([...body]).toEqual([...new Uint8Array(8), ...timecmp, ...due, ...never]);
  const target = makeMtimer();
  target.mtimer.reset();
  target.deadlines.length = 0;
  target.mtimer.migration[0]?.load(Uint8Array.from(timecmp), 1);
  expect(target.deadlines).toHaveLength(2);
  target.deadlines.length = 0;
  target.mtimer.migration[0]?.load(body, 3);
  expect(target.lines).toEqual([false, false]);
  expect(target.deadlines).toEqual([
    [0, 0x0102_0304_0506_0708n],
    [1, NEVER],
  ]);
});

test("MSWI: bit 0 of a hart's word is its MSIP", () => {
  const levels = [false, false];
  const mswi = new RiscvMswi({
    softwareLines: levels.map((_, hart) => ({
      set: (level: boolean) => {
        levels[hart] = level;
      },
      get: () => levels[hart] as boolean,
    })),
  });
  const region = mswi.regions[0] as MmioRegion;
  expect(mmioWrite(region, 4, 4, 0xffff_ffffn)).toBe(true);
  expect(levels).toEqual([false, true]);
  expect([mmioRead(region, 0, 4), mmioRead(region, 4, 4)]).toEqual([0n, 1n]);
  mmioWrite(region, 4, 4, 2n);
  expect(levels).toEqual([false, false]);
  mmioWrite(region, 8, 4, 1n);
  expect(mmioRead(region, 8, 4)).toBe(0n);
  expect([mmioRead(region, 0, 8), mmioRead(region, 0, 1), region.sizeBytes]).toEqual([undefined, undefined, 0x4000]);
  mmioWrite(region, 0, 4, 1n);
  mswi.reset();
  expect(levels).toEqual([false, false]);
});

test("SSWI: writing 1 raises, nothing lowers, reads are 0", () => {
  const raised: boolean[][] = [[], []];
  const sswi = new RiscvSswi({ softwareLines: raised.map((log) => ({ set: (level) => void log.push(level) })) });
  const region = sswi.regions[0] as MmioRegion;
  mmioWrite(region, 4, 4, 1n);
  mmioWrite(region, 4, 4, 0n);
  mmioWrite(region, 0, 4, 2n);
  mmioWrite(region, 0x3ffc, 4, 1n);
  sswi.reset();
  expect(raised).toEqual([[], [true]]);
  expect(mmioRead(region, 4, 4)).toBe(0n);
});
