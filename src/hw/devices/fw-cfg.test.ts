import { expect, test } from "vitest";
import { mmioRead, mmioRead32, mmioWrite, mmioWrite32 } from "#hw/bus/mmio-map.ts";
import { FW_CFG_KEY, FwCfg, type FwCfgItem } from "#hw/devices/fw-cfg.ts";
import type { Dma, MmioRegion } from "#hw/bus/types.ts";

const RAM = 0x8000_0000;
const REQUEST = RAM + 0x100;
const BUFFER = RAM + 0x200;
const [ERROR, READ, SKIP, SELECT, WRITE] = [1, 2, 4, 8, 16] as const;

const ITEMS: readonly FwCfgItem[] = [
  { key: FW_CFG_KEY.NB_CPUS, data: Uint8Array.of(2, 0) },
  { name: "etc/boot-fail-wait", data: new Uint8Array(4).fill(0xff) },
  { name: "bios-geometry", data: new Uint8Array(0) },
  { name: "bootorder", data: new Uint8Array(0) },
  { name: "opt/org.example/note", data: Uint8Array.from("hello fw_cfg", (c) => c.charCodeAt(0)) },
];

function makeFwCfg(items: readonly FwCfgItem[] = ITEMS) {
  const ram = new Uint8Array(0x1000).fill(0xee);
  const written: [number, number][] = [];
  const dma: Dma = {
    isIncomplete: () => false,
    present: async () => {},
    view(address, lengthBytes, direction) {
      if (address < RAM || address + lengthBytes > RAM + ram.length) return undefined;
      if (direction === "toGuest") written.push([address, lengthBytes]);
      return ram.subarray(address - RAM, address - RAM + lengthBytes);
    },
  };
  const device = new FwCfg({ dma }, items);
  const region = device.regions[0] as MmioRegion;
  const select = (key: number) => mmioWrite32(region, 8, 2, ((key & 0xff) << 8) | (key >> 8));
  const readBytes = (count: number) => Array.from({ length: count }, () => mmioRead32(region, 0, 1));
  return {
    device,
    region,
    ram,
    written,
    select,
    readItem: (key: number, count: number) => {
      select(key);
      return readBytes(count);
    },
    readBytes,
    /** Runs a DMA request; returns the control word afterwards. */
    transfer(control: number, lengthBytes: number, address: number, at = REQUEST) {
      const view = new DataView(ram.buffer, REQUEST - RAM, 16);
      view.setUint32(0, control);
      view.setUint32(4, lengthBytes);
      view.setBigUint64(8, BigInt(address));
      const bytes = new DataView(new ArrayBuffer(8));
      bytes.setBigUint64(0, BigInt(at));
      expect(mmioWrite(region, 16, 8, bytes.getBigUint64(0, true))).toBe(true);
      return view.getUint32(0);
    },
  };
}

const text = (bytes: Iterable<number>) => String.fromCharCode(...bytes);

test("signature and features, then zeros", () => {
  const { readItem } = makeFwCfg();
  expect(text(readItem(0, 4))).toBe("QEMU");
  expect(readItem(0, 6)).toEqual([0x51, 0x45, 0x4d, 0x55, 0, 0]);
  expect(readItem(1, 4)).toEqual([3, 0, 0, 0]);
  expect(readItem(5, 3)).toEqual([2, 0, 0]);
});

test("wide reads give the bytes in order of address, and zeros past the end", () => {
  const { region, select } = makeFwCfg();
  select(0);
  expect([mmioRead(region, 0, 8), mmioRead(region, 0, 8)]).toEqual([0x554d_4551n, 0n]);
  select(0);
  expect([mmioRead32(region, 0, 2), mmioRead32(region, 0, 4)]).toEqual([0x4551, 0x554d]);
});

test("the directory lists the files by name with their keys and sizes", () => {
  const { readItem, readBytes } = makeFwCfg();
  expect(readItem(0x19, 4)).toEqual([0, 0, 0, 4]);
  const rows = Array.from({ length: 4 }, () => {
    const row = Uint8Array.from(readBytes(64));
    const view = new DataView(row.buffer);
    return [view.getUint32(0), view.getUint16(4), view.getUint16(6), text(row.subarray(8)).replace(/\0+$/, "")];
  });
  expect(rows).toEqual([
    [0, 0x20, 0, "bios-geometry"],
    [0, 0x21, 0, "bootorder"],
    [4, 0x22, 0, "etc/boot-fail-wait"],
    [12, 0x23, 0, "opt/org.example/note"],
  ]);
  expect(text(readItem(0x23, 12))).toBe("hello fw_cfg");
});

test("unknown, out-of-range and architecture keys read 0; the write channel bit is ignored", () => {
  const { readItem } = makeFwCfg();
  for (const key of [0x02, 0x3f, 0x40, 0x3fff, 0x8000, 0x8005, 0xffff]) expect(readItem(key, 2)).toEqual([0, 0]);
  expect(text(readItem(0x4000, 4))).toBe("QEMU");
});

test("the selector takes 16-bit writes only and is not readable; data writes change nothing", () => {
  const { region, select, readBytes } = makeFwCfg();
  select(0);
  mmioWrite32(region, 8, 1, 5);
  mmioWrite32(region, 8, 4, 5);
  mmioWrite32(region, 0, 1, 0);
  expect(mmioRead32(region, 8, 2)).toBe(0);
  expect(readBytes(2)).toEqual([0x51, 0x45]);
});

test("the DMA register identifies itself", () => {
  const { region } = makeFwCfg();
  expect(mmioRead(region, 16, 8)).toBe(0x4746_4320_554d_4551n);
  expect([mmioRead32(region, 16, 4), mmioRead32(region, 20, 4), mmioRead32(region, 17, 1)]).toEqual([
    0x554d_4551, 0x4746_4320, 0x45,
  ]);
});

test("DMA selects and reads; past the end it fills with zeros", () => {
  const f = makeFwCfg();
  expect(f.transfer((0x23 << 16) | SELECT | READ, 5, BUFFER)).toBe(0);
  expect(text(f.ram.subarray(0x200, 0x205))).toBe("hello");
  expect(f.ram[0x205]).toBe(0xee);
  expect(f.transfer(SKIP, 1, 0)).toBe(0);
  expect(f.transfer(READ, 8, BUFFER)).toBe(0);
  expect(text(f.ram.subarray(0x200, 0x208))).toBe("fw_cfg\0\0");
  expect(f.transfer(READ, 2, BUFFER)).toBe(0);
  expect([...f.ram.subarray(0x200, 0x202)]).toEqual([0, 0]);
  expect(f.written).toContainEqual([BUFFER, 8]);
});

test("two 4-byte writes start DMA too, the high half first", () => {
  const f = makeFwCfg();
  new DataView(f.ram.buffer, 0x100, 16).setUint32(0, (0x05 << 16) | SELECT | READ);
  new DataView(f.ram.buffer, 0x100, 16).setUint32(4, 1);
  new DataView(f.ram.buffer, 0x100, 16).setBigUint64(8, BigInt(BUFFER));
  mmioWrite32(f.region, 16, 4, 0);
  expect(f.ram[0x200]).toBe(0xee);
  mmioWrite32(f.region, 20, 4, 0x0001_0080);
  expect(f.ram[0x200]).toBe(2);
});

test("DMA that cannot be done answers with an error, or not at all, and leaves memory alone", () => {
  const f = makeFwCfg();
  expect(f.transfer((0x23 << 16) | SELECT | READ, 4, 0x10)).toBe(ERROR);
  expect(f.transfer((0x23 << 16) | SELECT | READ, 0xffff_ffff, BUFFER)).toBe(ERROR);
  expect(f.transfer((0x23 << 16) | SELECT | READ, 4, RAM + 0xffe)).toBe(ERROR);
  expect(f.transfer((0x23 << 16) | SELECT | WRITE, 4, BUFFER)).toBe(ERROR);
  expect(f.transfer(SELECT, 4, BUFFER)).toBe(0);
  expect(f.transfer(0, 4, BUFFER)).toBe(0);
  // The request itself lies nowhere, half outside, or beyond what a number holds.
  const before = f.ram.slice();
  for (const at of [0, 1, RAM + 0xff8, 2 ** 60]) f.transfer(READ, 4, BUFFER, at);
  const control = new DataView(f.ram.buffer).getUint32(0xff8);
  expect(control).toBe(ERROR);
  expect(f.ram.subarray(0x200, 0x300)).toEqual(before.subarray(0x200, 0x300));
});

test("the section has QEMU's DMA subsection; the position in the item goes along", () => {
  const source = makeFwCfg();
  source.readItem(0x23, 6);
  mmioWrite32(source.region, 16, 4, 0x1234_5678);
  const body = source.device.migration[0]?.save() as Uint8Array;
  expect(body.length).toBe(30);
  expect([...body.subarray(0, 6)]).toEqual([0, 0x23, 0, 0, 0, 6]);
  expect(text(body.subarray(8, 18))).toBe("fw_cfg/dma");
  expect([...body.subarray(18)]).toEqual([0, 0, 0, 0, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0]);
  const target = makeFwCfg();
  target.device.migration[0]?.load(body, 2);
  expect(text(target.readBytes(6))).toBe("fw_cfg");
  target.device.reset();
  expect(text(target.readBytes(4))).toBe("QEMU");
});

test("a hostile section reads zeros", () => {
  const f = makeFwCfg();
  f.device.migration[0]?.load(Uint8Array.of(0, 0x23, 255, 255, 255, 255), 2);
  expect(f.readBytes(2)).toEqual([0, 0]);
  expect(f.transfer(READ, 2, BUFFER)).toBe(0);
  expect([...f.ram.subarray(0x200, 0x202)]).toEqual([0, 0]);
});

test("too many files, long names and doubled keys are refused", () => {
  const file = (name: string) => ({ name, data: new Uint8Array(1) });
  const many = Array.from({ length: 32 }, (_, i) => file(`opt/${i}`));
  makeFwCfg(many);
  expect(() => makeFwCfg([...many, file("opt/x")])).toThrow(RangeError);
  makeFwCfg([file("x".repeat(55))]);
  expect(() => makeFwCfg([file("x".repeat(56))])).toThrow(RangeError);
  expect(() => makeFwCfg([file("a"), file("a")])).toThrow("two fw_cfg files");
  expect(() => makeFwCfg([{ key: 0, data: new Uint8Array(1) }])).toThrow("key 0x0");
});
