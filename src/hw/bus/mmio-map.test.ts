import { expect, test } from "vitest";
import { MmioMap, mmioRead, mmioRead32, mmioWrite, mmioWrite32 } from "#hw/bus/mmio-map.ts";
import type { MmioRegion } from "#hw/bus/types.ts";

/** A region of plain memory that logs its accesses. */
function memoryRegion(sizeBytes: number, accessSizes: readonly (1 | 2 | 4 | 8)[], wide = false) {
  const log: string[] = [];
  const view = new DataView(new ArrayBuffer(sizeBytes));
  const region: MmioRegion = {
    sizeBytes,
    accessSizes,
    read(offset, size) {
      log.push(`r${size}@${offset}`);
      return size === 1
        ? view.getUint8(offset)
        : size === 2
          ? view.getUint16(offset, true)
          : view.getInt32(offset, true);
    },
    write(offset, size, value) {
      log.push(`w${size}@${offset}=${value.toString(16)}`);
      if (size === 1) view.setUint8(offset, value);
      else if (size === 2) view.setUint16(offset, value, true);
      else view.setUint32(offset, value, true);
    },
    ...(wide && {
      read64(offset: number) {
        log.push(`r8@${offset}`);
        return view.getBigInt64(offset, true);
      },
      write64(offset: number, value: bigint) {
        log.push(`w8@${offset}=${value.toString(16)}`);
        view.setBigUint64(offset, value, true);
      },
    }),
  };
  return { region, log };
}

test("finds the region and the offset, whatever the order of adding", () => {
  const map = new MmioMap();
  const regions = new Map<number, MmioRegion>();
  for (const base of [0x1000_0000, 0x10_0000, 0x200_0000, 0xc00_0000, 0x1000_1000, 0x20_0000_0000]) {
    regions.set(base, memoryRegion(0x1000, [4]).region);
    map.add(base, regions.get(base) as MmioRegion);
  }
  for (const [base, region] of regions) {
    for (const offset of [0, 1, 0xfff]) {
      const hit = map.find(base + offset);
      expect(hit?.region).toBe(region);
      expect(hit?.offset).toBe(offset);
    }
    expect(map.find(base - 1)?.region).not.toBe(region);
    if (base !== 0x1000_0000) expect(map.find(base + 0x1000)).toBeUndefined();
  }
  expect(map.find(0)).toBeUndefined();
  expect(map.find(2 ** 60)).toBeUndefined();
  expect(new MmioMap().find(0)).toBeUndefined();
});

test("overlapping regions are a bug", () => {
  const map = new MmioMap();
  map.add(0x1000, memoryRegion(0x100, [4]).region);
  for (const base of [0x1000, 0x10ff, 0xf01]) {
    expect(() => map.add(base, memoryRegion(0x100, [4]).region)).toThrow(RangeError);
  }
  map.add(0x1100, memoryRegion(0x100, [4]).region);
  map.add(0xf00, memoryRegion(0x100, [4]).region);
  expect(map.find(0xfff)?.offset).toBe(0xff);
});

test("values are cut to the access size and come back unsigned", () => {
  const { region, log } = memoryRegion(16, [1, 2, 4]);
  expect(mmioWrite32(region, 0, 1, 0x1234)).toBe(true);
  expect(mmioWrite32(region, 2, 2, -1)).toBe(true);
  expect(mmioWrite32(region, 4, 4, -1)).toBe(true);
  expect(mmioWrite(region, 8, 4, 0x1_8765_4321n)).toBe(true);
  expect(log).toEqual(["w1@0=34", "w2@2=ffff", "w4@4=ffffffff", "w4@8=87654321"]);
  expect(mmioRead32(region, 4, 4)).toBe(0xffff_ffff);
  expect(mmioRead(region, 8, 4)).toBe(0x8765_4321n);
  expect(mmioRead(region, 0, 2)).toBe(0x34n);
});

test("sizes that the device does not answer, misaligned and overlong accesses are bus errors and reach no register", () => {
  const { region, log } = memoryRegion(12, [4, 8]);
  const map = new MmioMap();
  map.add(0x1000, region);
  expect([mmioRead32(region, 0, 1), mmioRead32(region, 0, 2), mmioRead32(region, 2, 4)]).toEqual([-1, -1, -1]);
  expect([mmioWrite32(region, 1, 1, 0), mmioWrite32(region, 12, 4, 0)]).toEqual([false, false]);
  expect([mmioRead(region, 0, 1), mmioRead(region, 8, 8), mmioRead(region, 4, 8)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect([mmioWrite(region, 8, 8, 0n), mmioWrite(region, 0, 2, 0n)]).toEqual([false, false]);
  expect([map.read32(0x1001, 4), map.read32(0x100c, 4), map.read64(0x1008), map.read64(0x2000)]).toEqual([
    -1,
    -1,
    undefined,
    undefined,
  ]);
  expect([map.write32(0x2000, 4, 0), map.write64(0x2000, 0n), map.write64(0x1004, 0n)]).toEqual([false, false, false]);
  expect(log).toEqual([]);
});

test("an 8-byte access is two of 4, low half first, unless the device takes it whole", () => {
  const split = memoryRegion(16, [4, 8]);
  expect(mmioWrite(split.region, 8, 8, 0x8899_aabb_ccdd_eeffn)).toBe(true);
  expect(mmioRead(split.region, 8, 8)).toBe(0x8899_aabb_ccdd_eeffn);
  expect(split.log).toEqual(["w4@8=ccddeeff", "w4@12=8899aabb", "r4@8", "r4@12"]);
  const whole = memoryRegion(16, [4, 8], true);
  const map = new MmioMap();
  map.add(0x4000, whole.region);
  expect(map.write64(0x4008, -1n)).toBe(true);
  expect(map.read64(0x4008)).toBe(0xffff_ffff_ffff_ffffn);
  expect(map.read32(0x400c, 4)).toBe(0xffff_ffff);
  expect(whole.log).toEqual(["w8@8=ffffffffffffffff", "r8@8", "r4@12"]);
});
