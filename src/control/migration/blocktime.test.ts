import { expect, test } from "vitest";
import { makeTrace, TRACE_EVENT_NAMES } from "#core/trace.ts";
import { Blocktime, NON_VCPU } from "./blocktime.ts";
import { latencyBucket } from "./blocktime-latency.ts";

type Setup = { readonly vcpus: number; readonly records?: number; readonly isReceived?: (page: number) => boolean };

function accounting({ isReceived = () => false, ...size }: Setup): { blocktime: Blocktime; lines: string[] } {
  const lines: string[] = [];
  const sink = { write: (text: string) => void lines.push(text.trimEnd()), stamp: () => "" };
  const trace = makeTrace(TRACE_EVENT_NAMES, sink);
  const memory = new SharedArrayBuffer(8 + Blocktime.lengthBytes(size));
  const blocktime = new Blocktime(memory, 8, size, { isReceived, trace });
  blocktime.reset();
  return { blocktime, lines };
}

test("a vCPU is blocked from its fault until the page is placed", () => {
  const { blocktime } = accounting({ vcpus: 2 });
  blocktime.begin(7, 1, 1000);
  blocktime.end(7, 4500);
  expect(blocktime.read()).toMatchObject({
    totalBlocktimeNs: 0,
    vcpuBlocktimeNs: [0, 3500],
    vcpuFaults: [0, 1],
    vcpuLatencyNs: [0, 3500],
    nonVcpuFaults: 0,
    nonVcpuLatencyNs: 0,
  });
});

test("case 1: a vCPU waits for the next page before the record of the last one is closed", () => {
  const { blocktime } = accounting({ vcpus: 2 });
  blocktime.begin(1, 0, 1000);
  blocktime.begin(2, 0, 1200);
  blocktime.end(1, 1300);
  expect(blocktime.read().vcpuBlocktimeNs).toEqual([0, 0]);
  blocktime.end(2, 2000);
  expect(blocktime.read()).toMatchObject({
    vcpuBlocktimeNs: [1000, 0],
    vcpuLatencyNs: [300 + 800, 0],
    vcpuFaults: [2, 0],
  });
});

test("case 2: a fault that is reported twice blocks once and counts twice", () => {
  const { blocktime } = accounting({ vcpus: 1 });
  blocktime.begin(1, 0, 1000);
  blocktime.begin(1, 0, 1500);
  blocktime.end(1, 2000);
  expect(blocktime.read()).toMatchObject({
    totalBlocktimeNs: 1e3,
    vcpuBlocktimeNs: [1e3],
    vcpuLatencyNs: [1e3 + 500],
    vcpuFaults: [2],
  });
});

test("the total is the time in which all vCPUs are down: from the last one down to the first one up", () => {
  const { blocktime } = accounting({ vcpus: 3 });
  blocktime.begin(1, 0, 2);
  blocktime.begin(2, 1, 5);
  blocktime.end(1, 13);
  blocktime.begin(3, 2, 20);
  blocktime.begin(4, 0, 25);
  blocktime.end(2, 28);
  blocktime.end(3, 35);
  blocktime.end(4, 42);
  expect(blocktime.read()).toMatchObject({ totalBlocktimeNs: 28 - 25, vcpuBlocktimeNs: [11 + 17, 23, 15] });
});

test("another fault of a vCPU that is down does not shorten the time in which all are", () => {
  const { blocktime } = accounting({ vcpus: 2 });
  blocktime.begin(1, 0, 100);
  blocktime.begin(2, 1, 200);
  blocktime.begin(3, 0, 900);
  blocktime.end(2, 1000);
  expect(blocktime.read().totalBlocktimeNs).toBe(800);
});

test("one page wakes all that wait for it", () => {
  const { blocktime } = accounting({ vcpus: 2 });
  blocktime.begin(1, 0, 100);
  blocktime.begin(1, 1, 300);
  blocktime.begin(1, NON_VCPU, 350);
  blocktime.end(1, 400);
  blocktime.end(1, 500);
  expect(blocktime.read()).toMatchObject({
    totalBlocktimeNs: 100,
    vcpuBlocktimeNs: [300, 100],
    nonVcpuFaults: 1,
    nonVcpuLatencyNs: 50,
  });
});

test("a fault of another thread takes no vCPU down", () => {
  const { blocktime } = accounting({ vcpus: 1 });
  blocktime.begin(1, NON_VCPU, 100);
  blocktime.end(1, 5100);
  const figures = blocktime.read();
  expect(figures).toMatchObject({
    totalBlocktimeNs: 0,
    vcpuBlocktimeNs: [0],
    nonVcpuFaults: 1,
    nonVcpuLatencyNs: 5000,
  });
  expect(figures.latencyBuckets.indexOf(1)).toBe(2);
});

test("a page that comes while its fault is recorded leaves nothing", () => {
  const { blocktime, lines } = accounting({ vcpus: 1, isReceived: () => true });
  expect(blocktime.begin(1, 0, 100)).toBe(false);
  expect(blocktime.isAwaited(1)).toBe(false);
  expect(blocktime.read().vcpuFaults).toEqual([0]);
  expect(lines).toEqual([]);
});

test("the record can be seen without the lock when the received mark is looked at", () => {
  const seen: boolean[] = [];
  const isReceived = (page: number): boolean => {
    seen.push(blocktime.isAwaited(page));
    return false;
  };
  const { blocktime } = accounting({ vcpus: 1, isReceived });
  blocktime.begin(1, 0, 100);
  expect(seen).toEqual([true]);
});

test("two objects over the same words are one accounting", () => {
  const size = { vcpus: 1 };
  const memory = new SharedArrayBuffer(Blocktime.lengthBytes(size));
  const [vcpu, migration] = [0, 1].map(() => new Blocktime(memory, 0, size, { isReceived: () => false }));
  migration?.reset();
  vcpu?.begin(1, 0, 100);
  migration?.end(1, 300);
  expect(vcpu?.read().totalBlocktimeNs).toBe(200);
});

test("what cannot be is a bug, and leaves the lock free", () => {
  const { blocktime } = accounting({ vcpus: 1, records: 300 });
  expect(() => blocktime.begin(1, 1, 100)).toThrow("there is no vCPU 1");
  blocktime.begin(1, 0, 100_000);
  expect(() => blocktime.end(1, 80_000)).toThrow("a fault of vCPU 0 ended 20000 ns before it began");
  for (let page = 2; page <= 255; page++) blocktime.begin(page, 0, 1000);
  expect(() => blocktime.begin(256, 0, 1000)).toThrow("vCPU 0 waits for too many pages");
  for (let page = 256; page <= 300; page++) blocktime.begin(page, NON_VCPU, 1000);
  expect(() => blocktime.begin(301, NON_VCPU, 1000)).toThrow("no room for more than 300 faults");
  blocktime.end(2, 1100);
  expect(blocktime.begin(301, NON_VCPU, 1100)).toBe(true);
});

test("a reset starts again from nothing", () => {
  const { blocktime } = accounting({ vcpus: 2 });
  const fresh = blocktime.read();
  blocktime.begin(1, 0, 100);
  blocktime.begin(2, 1, 100);
  blocktime.end(2, 5000);
  blocktime.reset();
  expect(blocktime.isAwaited(1)).toBe(false);
  expect(blocktime.read()).toEqual(fresh);
  blocktime.begin(1, 0, 50);
  blocktime.end(1, 60);
  expect(blocktime.read()).toMatchObject({ vcpuBlocktimeNs: [10, 0], vcpuFaults: [1, 0], totalBlocktimeNs: 0 });
});

test("what is traced", () => {
  const { blocktime, lines } = accounting({ vcpus: 2 });
  blocktime.begin(16, 0, 1000.7);
  blocktime.begin(16, NON_VCPU, 1100);
  blocktime.begin(17, 0, 1200);
  blocktime.end(16, 1300);
  blocktime.end(18, 1350);
  blocktime.end(17, 1400);
  expect(lines).toEqual([
    "postcopy_blocktime_begin addr 0x10000 time 1000 cpu 0 exists 0",
    "postcopy_blocktime_begin addr 0x10000 time 1100 cpu -1 exists 1",
    "postcopy_blocktime_begin addr 0x11000 time 1200 cpu 0 exists 0",
    "postcopy_blocktime_end_one cpu -1 left_faults 0",
    "postcopy_blocktime_end_one cpu 0 left_faults 1",
    "postcopy_blocktime_end addr 0x10000 time 1300 affected_cpus 1 affected_non_cpus 1",
    "postcopy_blocktime_end_one cpu 0 left_faults 0",
    "postcopy_blocktime_end addr 0x11000 time 1400 affected_cpus 1 affected_non_cpus 0",
  ]);
});

test.each([
  [0, 0],
  [999, 0],
  [1000, 0],
  [1999, 0],
  [2000, 1],
  [3999, 1],
  [4000, 2],
  [1_023_999, 9],
  [1_024_000, 10],
  [8_388_607_999, 22],
  [8_388_608_000, 23],
  [1e15, 23],
])("a latency of %i ns is in bucket %i", (ns, bucket) => {
  expect(latencyBucket(ns)).toBe(bucket);
});
