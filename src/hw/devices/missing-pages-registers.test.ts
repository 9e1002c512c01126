/** Registers whose accesses touch memory that has not come: an access is carried out once, when all is there. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { mmioRead32, mmioWrite, mmioWrite32 } from "#hw/bus/mmio-map.ts";
import { PageMissing } from "#hw/bus/page-missing.ts";
import type { MmioRegion } from "#hw/bus/types.ts";
import { FwCfg } from "#hw/devices/fw-cfg.ts";
import { PflashCfi01 } from "#hw/devices/pflash-cfi01.ts";

const FLASH_BYTES = 512 * 1024;
const PAGE_BYTES = 4096;
const CONTENT = Uint8Array.from({ length: FLASH_BYTES }, (_, i) => i >> 8);

type Access = {
  readonly offset: number;
  readonly size: 1 | 2 | 4 | 8;
  readonly value: number;
  readonly isRead: boolean;
};

/** Commands and confirmations are likely, and few places, so that whole command sequences come about. */
const access: fc.Arbitrary<Access> = fc.record({
  offset: fc.constantFrom(0, 8, 4096, 8184, 262_144, 266_240),
  size: fc.constantFrom(1, 2, 4, 8),
  value: fc.oneof(
    fc.constantFrom(0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0x90, 0x98, 0xe8, 0xff, 0xd0, 0, 1),
    fc.nat(0xffff),
  ),
  isRead: fc.boolean(),
});

/** Does `work` as often as it finds a page missing, which then comes. */
function untilDone<T>(bring: (page: number) => void, work: () => T): T {
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof PageMissing)) throw error;
      for (const page of error.pages) bring(page);
    }
  }
}

/** Pages that are missing hold something else until they are brought. */
function flash(missing: Set<number>) {
  const memory = CONTENT.slice();
  for (const page of missing) memory.fill(0xa5, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
  const bring = (page: number): void => {
    if (!missing.delete(page)) return;
    const at = page * PAGE_BYTES;
    memory.set(CONTENT.subarray(at, at + PAGE_BYTES), at);
  };
  const stored: number[] = [];
  const device = new PflashCfi01({
    memory,
    setRomd: () => {},
    store: (offset, lengthBytes) => void stored.push(offset, lengthBytes),
    require(offset, lengthBytes) {
      for (let page = Math.floor(offset / PAGE_BYTES); page * PAGE_BYTES < offset + lengthBytes; page++) {
        if (missing.has(page)) throw new PageMissing([page]);
      }
    },
  });
  const region = device.regions[0] as MmioRegion;
  const run = ({ offset, size, value, isRead }: Access): number => {
    if (isRead) return mmioRead32(region, offset, size === 8 ? 4 : size);
    if (size === 8) mmioWrite(region, offset, 8, (BigInt(value) << 32n) | BigInt(value));
    else mmioWrite32(region, offset, size, value % 2 ** (8 * size));
    return 0;
  };
  return { run, bring, memory, stored, state: () => Buffer.from(device.migration[0]?.save() ?? []).toString("base64") };
}

test("flash: any accesses to missing memory end as with all there", () => {
  fc.assert(
    fc.property(fc.array(access, { maxLength: 40 }), (accesses) => {
      const whole = flash(new Set());
      const pages = Array.from({ length: FLASH_BYTES / PAGE_BYTES }, (_, page) => page);
      const late = flash(new Set(pages));
      for (const one of accesses) expect(untilDone(late.bring, () => late.run(one))).toBe(whole.run(one));
      for (const page of pages) late.bring(page);
      expect(Buffer.compare(late.memory, whole.memory)).toBe(0);
      expect([late.stored, late.state()]).toEqual([whole.stored, whole.state()]);
    }),
    { numRuns: 200 },
  );
});

test("fw_cfg: a request that lies in missing memory, and goes there, runs once", () => {
  const control = fc.integer({ min: 0, max: 31 });
  fc.assert(
    fc.property(fc.array(fc.tuple(control, fc.nat(20), fc.nat(0x3000), fc.boolean()), { maxLength: 8 }), (requests) => {
      const results = [new Set<number>(), new Set([0, 1, 2, 3])].map((missing) => {
        const ram = new Uint8Array(4 * PAGE_BYTES);
        const view = new DataView(ram.buffer);
        const dma = {
          isIncomplete: () => missing.size > 0,
          present: async () => {},
          view(address: number, lengthBytes: number) {
            if (address < 0 || address + lengthBytes > ram.length) return undefined;
            for (let page = address >> 12; page << 12 < address + lengthBytes; page++) {
              if (missing.has(page)) throw new PageMissing([page]);
            }
            return ram.subarray(address, address + lengthBytes);
          },
        };
        const device = new FwCfg({ dma }, [{ key: 5, data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) }]);
        const region = device.regions[0] as MmioRegion;
        for (const [bits, lengthBytes, at, inHalves] of requests) {
          const request = 2 * PAGE_BYTES - 8;
          view.setUint32(request, (5 << 16) | bits);
          view.setUint32(request + 4, lengthBytes);
          view.setBigUint64(request + 8, BigInt(at));
          const swapped = new DataView(Uint32Array.of(request).buffer).getUint32(0);
          const bring = (page: number): void => void missing.delete(page);
          untilDone(bring, () => {
            if (inHalves) mmioWrite32(region, 20, 4, swapped);
            else mmioWrite(region, 16, 8, BigInt(swapped) << 32n);
          });
        }
        return { ram: Buffer.from(ram).toString("base64"), state: Buffer.from(device.migration[0]?.save() ?? []) };
      });
      expect(results[1]).toEqual(results[0]);
    }),
    { numRuns: 200 },
  );
});
