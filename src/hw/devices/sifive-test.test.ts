import { expect, test } from "vitest";
import { mmioRead32, mmioWrite32 } from "#hw/bus/mmio-map.ts";
import { SifiveTest } from "#hw/devices/sifive-test.ts";
import type { MmioRegion } from "#hw/bus/types.ts";

test("pass, fail with a code, reset; everything else does nothing", () => {
  const log: string[] = [];
  const finisher = new SifiveTest({
    shutdown: (code) => void log.push(`shutdown ${code}`),
    reset: () => void log.push("reset"),
  });
  const region = finisher.regions[0] as MmioRegion;
  for (const [offset, size, value] of [
    [0, 4, 0x5555],
    [0, 2, 0x5555],
    [0, 4, 0x3333],
    [0, 4, 0x002a_3333],
    [0, 4, 0xffff_3333],
    [0, 4, 0x7777],
    [0, 4, 0x1_7777],
    [0, 4, 0],
    [0, 4, 0x1234],
    [4, 4, 0x5555],
    [2, 2, 0x5555],
  ] as const) {
    expect(mmioWrite32(region, offset, size, value)).toBe(true);
  }
  expect(mmioWrite32(region, 0, 1, 0x55)).toBe(false);
  expect(log).toEqual(["shutdown 0", "shutdown 0", "shutdown 0", "shutdown 42", "shutdown 65535", "reset", "reset"]);
  expect([mmioRead32(region, 0, 4), mmioRead32(region, 0, 1)]).toEqual([0, -1]);
});
