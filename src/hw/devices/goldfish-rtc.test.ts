import { expect, test } from "vitest";
import { mmioRead32, mmioWrite32 } from "#hw/bus/mmio-map.ts";
import { GoldfishRtc } from "#hw/devices/goldfish-rtc.ts";
import type { MmioRegion } from "#hw/bus/types.ts";

const [TIME_LOW, TIME_HIGH, ALARM_LOW, ALARM_HIGH, IRQ_ENABLED, CLEAR_ALARM, ALARM_STATUS, CLEAR_INTERRUPT] = [
  0x00, 0x04, 0x08, 0x0c, 0x10, 0x14, 0x18, 0x1c,
] as const;
const START_MS = 1_700_000_000_000.25;
const START_NS = 1_700_000_000_000_250_000n;

/** A clock that stands until it is moved, and timers that run on it. */
function makeHost() {
  let nowNs = 5_000;
  let timers: { atNs: number; callback: () => void }[] = [];
  return {
    clock: { nowNs: () => nowNs, wallMs: () => START_MS + (nowNs - 5_000) / 1e6 },
    timers: {
      at(atNs: number, callback: () => void) {
        const timer = { atNs, callback };
        timers.push(timer);
        return () => {
          timers = timers.filter((other) => other !== timer);
        };
      },
    },
    armed: () => timers.map((timer) => timer.atNs - nowNs),
    advance(ns: number) {
      const endNs = nowNs + ns;
      for (;;) {
        const [next] = timers.filter((timer) => timer.atNs <= endNs).sort((a, b) => a.atNs - b.atNs);
        nowNs = next?.atNs ?? endNs;
        if (!next) return;
        timers = timers.filter((timer) => timer !== next);
        next.callback();
      }
    },
  };
}

function makeRtc(options: { offsetNs?: bigint } = {}) {
  const host = makeHost();
  let irq = false;
  const line = {
    set: (level: boolean) => {
      irq = level;
    },
  };
  const rtc = new GoldfishRtc({ irq: line, clock: host.clock, timers: host.timers }, options);
  rtc.reset();
  const region = rtc.regions[0] as MmioRegion;
  const read = (offset: number) => mmioRead32(region, offset, 4);
  const write = (offset: number, value: number) => expect(mmioWrite32(region, offset, 4, value)).toBe(true);
  return {
    rtc,
    host,
    region,
    read,
    write,
    irq: () => irq,
    time: () => BigInt(read(TIME_LOW)) | (BigInt(read(TIME_HIGH)) << 32n),
    setAlarm(ns: bigint) {
      write(ALARM_HIGH, Number(ns >> 32n));
      write(ALARM_LOW, Number(ns & 0xffff_ffffn));
    },
  };
}

test("time is the host's plus the offset; the low half latches the high half", () => {
  const { time, read, host } = makeRtc({ offsetNs: -250_000n });
  expect(time()).toBe(START_NS - 250_000n);
  const high = read(TIME_HIGH);
  host.advance(5e9);
  expect(read(TIME_HIGH)).toBe(high);
  expect(time()).toBe(START_NS - 250_000n + 5_000_000_000n);
  expect(read(TIME_HIGH)).toBe(high + 1);
});

test("the guest sets the time in two halves, and a reset keeps it", () => {
  const { rtc, time, write, host } = makeRtc();
  write(TIME_HIGH, 0x10);
  write(TIME_LOW, 0x20);
  expect(time()).toBe(0x10_0000_0020n);
  host.advance(1000_000);
  rtc.reset();
  expect(time()).toBe(0x10_0000_0020n + 1_000_000n);
});

test("an alarm rings at its time, once, and the interrupt is cleared by the driver", () => {
  const { read, write, setAlarm, irq, host } = makeRtc();
  write(IRQ_ENABLED, 0xff);
  expect(read(IRQ_ENABLED)).toBe(1);
  setAlarm(START_NS + 2_000_000n);
  expect([read(ALARM_STATUS), irq()]).toEqual([1, false]);
  expect((BigInt(read(ALARM_HIGH)) << 32n) | BigInt(read(ALARM_LOW))).toBe(START_NS + 2_000_000n);
  host.advance(1_999_000);
  expect(irq()).toBe(false);
  host.advance(2_000);
  expect([read(ALARM_STATUS), irq()]).toEqual([0, true]);
  write(CLEAR_INTERRUPT, 1);
  expect(irq()).toBe(false);
  host.advance(1e9);
  expect(irq()).toBe(false);
});

test("an alarm in the past rings at once; a masked one waits for its enable", () => {
  const { read, write, setAlarm, irq } = makeRtc();
  setAlarm(START_NS - 1n);
  expect([read(ALARM_STATUS), irq()]).toEqual([0, false]);
  write(IRQ_ENABLED, 1);
  expect(irq()).toBe(true);
  write(IRQ_ENABLED, 0);
  expect(irq()).toBe(false);
});

test("a cleared or replaced alarm does not ring", () => {
  const { read, write, setAlarm, irq, host } = makeRtc();
  write(IRQ_ENABLED, 1);
  setAlarm(START_NS + 1_000_000n);
  write(CLEAR_ALARM, 0);
  expect([read(ALARM_STATUS), host.armed()]).toEqual([0, []]);
  setAlarm(START_NS + 1_000_000n);
  setAlarm(START_NS + 5_000_000n);
  host.advance(2_000_000);
  expect([irq(), read(ALARM_STATUS)]).toEqual([false, 1]);
});

test("a far alarm is armed in steps, and rings at its time", () => {
  const { write, setAlarm, irq, host } = makeRtc();
  write(IRQ_ENABLED, 1);
  setAlarm(START_NS + 9_000_000_000_000n);
  expect(host.armed()).toEqual([3.6e12]);
  host.advance(8.999e12);
  expect([irq(), host.armed().length]).toEqual([false, 1]);
  host.advance(1e9);
  expect(irq()).toBe(true);
  setAlarm(0xffff_ffff_ffff_ffffn);
  expect(host.armed()).toEqual([3.6e12]);
});

test("the section is QEMU's 40 bytes; loading it arms the alarm again", () => {
  const source = makeRtc({ offsetNs: -2n });
  source.write(IRQ_ENABLED, 1);
  source.setAlarm(START_NS + 1_000_000n);
  source.read(TIME_LOW);
  const body = source.rtc.migration[0]?.save() as Uint8Array;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  expect(body.length).toBe(40);
  expect([view.getBigUint64(0), view.getBigUint64(8), view.getBigUint64(32)]).toEqual([
    0n,
    START_NS + 1_000_000n,
    0xffff_ffff_ffff_fffen,
  ]);
  expect([16, 20, 24, 28].map((at) => view.getUint32(at))).toEqual([1, 0, 1, Number(START_NS >> 32n)]);
  const target = makeRtc();
  target.rtc.migration[0]?.load(body, 3);
  target.host.advance(900_000);
  expect(target.irq()).toBe(false);
  target.host.advance(200_000);
  expect(target.irq()).toBe(true);
});

test("a section with a pending interrupt raises the line, and an idle one does not", () => {
  const source = makeRtc();
  source.write(IRQ_ENABLED, 1);
  const idle = source.rtc.migration[0]?.save() as Uint8Array;
  source.setAlarm(1n);
  const pending = source.rtc.migration[0]?.save() as Uint8Array;
  const target = makeRtc();
  target.rtc.migration[0]?.load(pending, 3);
  expect(target.irq()).toBe(true);
  target.rtc.migration[0]?.load(idle, 3);
  expect([target.irq(), target.host.armed()]).toEqual([false, []]);
});

test("only aligned 4-byte accesses; the rest of the region is empty", () => {
  const { region, read, write } = makeRtc();
  expect([mmioRead32(region, 0, 1), mmioRead32(region, 0, 2), mmioRead32(region, 0x24, 4)]).toEqual([-1, -1, -1]);
  write(0x20, 1);
  expect([read(0x20), read(CLEAR_ALARM), read(CLEAR_INTERRUPT)]).toEqual([0, 0, 0]);
});
