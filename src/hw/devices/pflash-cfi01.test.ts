import { expect, test } from "vitest";
import { mmioRead32, mmioWrite, mmioWrite32 } from "#hw/bus/mmio-map.ts";
import { PflashCfi01 } from "#hw/devices/pflash-cfi01.ts";
import { PFLASH_CFI01_RECORDED } from "#hw/devices/pflash-cfi01.recorded.ts";
import type { MmioRegion } from "#hw/bus/types.ts";

const MIB = 1024 * 1024;

function makeFlash(options: { readOnly?: boolean; sizeBytes?: number } = {}) {
  const memory = new Uint8Array(options.sizeBytes ?? 32 * MIB);
  const stored: [number, number][] = [];
  let romd = true;
  const flash = new PflashCfi01(
    {
      memory,
      setRomd: (on) => {
        romd = on;
      },
      store: (offset, lengthBytes) => void stored.push([offset, lengthBytes]),
    },
    { readOnly: options.readOnly ?? false },
  );
  flash.reset();
  const region = flash.regions[0] as MmioRegion;
  return {
    flash,
    memory,
    stored,
    romd: () => romd,
    read: (offset: number, size: 1 | 2 | 4 = 4) => mmioRead32(region, offset, size),
    /** A command to both chips. */
    command: (offset: number, command: number) => mmioWrite32(region, offset, 4, (command << 16) | command),
    write: (offset: number, value: number, size: 1 | 2 | 4 = 4) => mmioWrite32(region, offset, size, value),
    region,
  };
}

test("array mode at power-on: direct reads on, memory as it is", () => {
  const f = makeFlash({ sizeBytes: MIB });
  f.memory.set([1, 2, 3, 4], 0x100);
  expect(f.romd()).toBe(true);
  expect([f.read(0x100), f.read(0x102, 2), f.read(0x103, 1)]).toEqual([0x0403_0201, 0x0403, 4]);
});

test("the query table, word for word as QEMU's", () => {
  const f = makeFlash();
  f.command(0x55 * 4, 0x98);
  expect(f.romd()).toBe(false);
  const words = Array.from({ length: 0x48 }, (_, i) => f.read(i * 4).toString(16)).join(" ");
  expect(words).toBe(
    "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 510051 520052 590059 10001 0 310031 0 0 0 0 0 450045 550055 0 0 70007 70007 a000a 0 " +
      "40004 40004 40004 0 180018 20002 0 b000b 0 10001 7f007f 0 0 20002 500050 520052 490049 310031 300030 0 0 0 0 0 0 0 0 " +
      "0 10001 0 0 0 0 0 0 0 0",
  );
  f.command(0, 0xff);
  expect([f.romd(), f.read(0x40)]).toEqual([true, 0]);
});

test("identification, status and clearing it", () => {
  const f = makeFlash();
  f.command(0, 0x90);
  expect([f.read(0), f.read(4), f.read(8), f.read(2, 2), f.read(5, 1)]).toEqual([0x89_0089, 0x18_0018, 0, 0x89, 0x18]);
  f.command(0, 0x70);
  expect([f.read(0), f.read(0, 2), f.read(3, 1)]).toEqual([0x80_0080, 0x80, 0x80]);
  f.command(0, 0x50);
  expect(f.romd()).toBe(true);
  f.command(0, 0x70);
  expect(f.read(0)).toBe(0);
});

test("a driver erases a block, programs words, and reads them back", () => {
  const f = makeFlash();
  f.memory.fill(0x5a, 0x30000, 0x90000);
  f.command(0x40000, 0x60);
  f.command(0x40000, 0xd0);
  f.command(0x40100, 0x20);
  f.command(0x40100, 0xd0);
  expect(f.read(0x40000)).toBe(0x80_0080);
  f.command(0, 0xff);
  expect(f.memory.subarray(0x40000, 0x80000).every((byte) => byte === 0xff)).toBe(true);
  expect([f.memory[0x3ffff], f.memory[0x80000]]).toEqual([0x5a, 0x5a]);
  f.command(0x40000, 0x40);
  f.write(0x40008, 0x1234_5678);
  f.command(0x40000, 0x10);
  f.write(0x4000d, 0xab, 1);
  expect(f.read(0)).toBe(0x80_0080);
  f.command(0, 0xff);
  expect([f.read(0x40008), f.read(0x4000c)]).toEqual([0x1234_5678, 0xffff_abff]);
  expect(f.stored).toEqual([
    [0x40000, 0x40000],
    [0x40008, 4],
    [0x4000d, 1],
  ]);
});

test("an erase that is not confirmed leaves the block alone", () => {
  const f = makeFlash({ sizeBytes: MIB });
  f.command(0, 0x20);
  f.command(0, 0xff);
  expect([f.romd(), f.read(0), f.stored]).toEqual([true, 0, []]);
});

test("a buffered program takes count + 1 words, and is in memory and in the file after the confirmation", () => {
  const f = makeFlash();
  f.command(0x41000, 0xe8);
  expect(f.read(0)).toBe(0x80_0080);
  f.command(0x41000, 2);
  for (let i = 0; i < 3; i++) f.write(0x41010 + i * 4, 0x1111_1111 * (i + 1));
  expect([f.memory[0x41010], f.stored]).toEqual([0, []]);
  f.command(0x41000, 0xd0);
  expect(f.read(0)).toBe(0x80_0080);
  f.command(0, 0xff);
  expect([0x4100c, 0x41010, 0x41014, 0x41018, 0x4101c].map((at) => f.read(at))).toEqual([
    0, 0x1111_1111, 0x2222_2222, 0x3333_3333, 0,
  ]);
  expect(f.stored).toEqual([[0x41000, 0x1000]]);
});

test("a buffered program that leaves its buffer, or is not confirmed, changes nothing", () => {
  for (const [second, confirmation, status] of [
    [0x42000, 0xd0, 0x90_0090],
    [0x40ffc, 0xd0, 0x90_0090],
    [0x41004, 0x11, 0x80_0080],
  ] as const) {
    const f = makeFlash();
    f.command(0x41000, 0xe8);
    f.command(0x41000, 1);
    f.write(0x41000, 1);
    f.write(second, 2);
    expect(f.read(0)).toBe(status);
    f.command(0x41000, confirmation);
    expect([f.romd(), f.read(0x41000), f.read(second), f.stored]).toEqual([true, 0, 0, []]);
  }
});

test("a read-only flash reports errors and keeps its content", () => {
  const f = makeFlash({ readOnly: true, sizeBytes: MIB });
  f.command(0, 0x40);
  f.write(0, 1);
  expect(f.read(0)).toBe(0x90_0090);
  f.command(0, 0x20);
  f.command(0, 0xd0);
  expect(f.read(0)).toBe(0xb0_00b0);
  f.command(0, 0xe8);
  f.command(0, 0);
  f.write(0, 1);
  f.command(0, 0xd0);
  f.command(0, 0xff);
  expect([f.read(0), f.stored]).toEqual([0, []]);
});

test("the section restores the mode, and a hostile one is array mode at the next access", () => {
  const source = makeFlash({ sizeBytes: MIB });
  const body = () => source.flash.migration[0]?.save() as Uint8Array;
  expect([...body()]).toEqual([0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0]);
  source.command(0, 0xe8);
  source.command(0, 2);
  source.write(0, 7);
  const started = body();
  expect([...started.subarray(0, 11)]).toEqual([2, 0xe8, 0x80, 0, 0, 0, 0, 0, 0, 0, 1]);
  expect(started.length).toBe(11 + 1 + 1 + "pflash_cfi01_blk_write".length + 4 + 4096 + 4);
  const target = makeFlash({ sizeBytes: MIB });
  target.flash.migration[0]?.load(started, 1);
  expect(target.romd()).toBe(false);
  target.write(4, 8);
  target.write(8, 9);
  target.command(0, 0xd0);
  target.command(0, 0xff);
  expect([target.romd(), target.read(0), target.read(4), target.read(8)]).toEqual([true, 7, 8, 9]);

  const hostile = makeFlash({ sizeBytes: MIB });
  hostile.flash.migration[0]?.load(new Uint8Array(11).fill(0xff), 1);
  expect(hostile.romd()).toBe(false);
  expect([hostile.read(0), hostile.romd()]).toEqual([0, true]);
  started.fill(0xff, started.length - 4);
  started[started.length - 4] = 0x7f;
  hostile.flash.migration[0]?.load(started, 1);
  for (let i = 0; i < 2; i++) hostile.write(0, 1);
  hostile.command(0, 0xd0);
  expect([hostile.romd(), hostile.stored]).toEqual([true, []]);
  hostile.flash.migration[0]?.load(Uint8Array.of(9, 0xe8, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1);
  hostile.write(0, 0xd0);
  expect(hostile.romd()).toBe(true);
});

test("an 8-byte write is two bus cycles", () => {
  const f = makeFlash({ sizeBytes: MIB });
  expect(mmioWrite(f.region, 0, 8, 0x1234_5678_0040_0040n)).toBe(true);
  f.command(0, 0xff);
  expect(f.read(4)).toBe(0x1234_5678);
});

test("a random walk recorded from QEMU 7.2 reads the same everywhere", () => {
  const f = makeFlash();
  const steps = PFLASH_CFI01_RECORDED.trim().split(/\s+/);
  expect(steps.length).toBeGreaterThan(1000);
  for (const [index, step] of steps.entries()) {
    const [offset, value] = step
      .slice(3)
      .split("=")
      .map((text) => Number.parseInt(text, 16)) as [number, number];
    const size = Number(step[1]) as 1 | 2 | 4;
    if (step.startsWith("w")) f.write(offset, value, size);
    else expect(`${index} ${step}: ${f.read(offset, size)}`).toBe(`${index} ${step}: ${value}`);
  }
});
