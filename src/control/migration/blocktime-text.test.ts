import { expect, test } from "vitest";
import { type BlocktimeFigures, blocktimeMembers } from "./blocktime-figures.ts";
import { blocktimeText } from "./blocktime-text.ts";

const FIGURES: BlocktimeFigures = {
  totalBlocktimeNs: 712_999_999,
  vcpuBlocktimeNs: [15, 0, 0, 43, 29, 34, 36, 29, 37, 41, 33, 37, 45].map((ms) => ms * 1e6 + 1),
  vcpuFaults: [3, 0, 2, ...Array.from({ length: 10 }, () => 1)],
  vcpuLatencyNs: [7_419_002, 0, 5_000, ...Array.from({ length: 10 }, () => 1)],
  nonVcpuFaults: 4,
  nonVcpuLatencyNs: 5_897_203,
  latencyBuckets: Array.from({ length: 24 }, (_, bucket) => bucket),
};
const NONE: BlocktimeFigures = {
  totalBlocktimeNs: 0,
  vcpuBlocktimeNs: [0, 0],
  vcpuFaults: [0, 0],
  vcpuLatencyNs: [0, 0],
  nonVcpuFaults: 0,
  nonVcpuLatencyNs: 0,
  latencyBuckets: Array.from({ length: 24 }, () => 0),
};

test("the members of query-migrate: whole ms and ns, averages over every fault", () => {
  expect(blocktimeMembers(FIGURES)).toEqual({
    "postcopy-blocktime": 712,
    "postcopy-vcpu-blocktime": [15, 0, 0, 43, 29, 34, 36, 29, 37, 41, 33, 37, 45],
    "postcopy-latency": Math.floor((7_419_002 + 5_000 + 10 + 5_897_203) / (3 + 2 + 10 + 4)),
    "postcopy-vcpu-latency": [2_473_000, 0, 2_500, ...Array.from({ length: 10 }, () => 1)],
    "postcopy-non-vcpu-latency": 1_474_300,
    "postcopy-latency-dist": Array.from({ length: 24 }, (_, bucket) => bucket),
  });
});

test("without a fault every average is 0", () => {
  expect(blocktimeMembers(NONE)).toMatchObject({
    "postcopy-latency": 0,
    "postcopy-vcpu-latency": [0, 0],
    "postcopy-non-vcpu-latency": 0,
  });
});

test("a blocktime that no uint32 holds is the largest", () => {
  expect(blocktimeMembers({ ...NONE, totalBlocktimeNs: 2 ** 53 })["postcopy-blocktime"]).toBe(0xffff_ffff);
});

test("info migrate", () => {
  expect(blocktimeText(blocktimeMembers(FIGURES))).toBe(`Postcopy Blocktime (ms): 712
Postcopy vCPU Blocktime (ms):
 [15, 0, 0, 43, 29, 34, 36, 29, 37, 41,
  33, 37, 45]
Postcopy Latency (ns): 701116
Postcopy non-vCPU Latency (ns): 1474300
Postcopy vCPU Latencies (ns):
 [2473000, 0, 2500, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1]
`);
});

test("info migrate -a has the distribution, too", () => {
  const lines = blocktimeText(blocktimeMembers(FIGURES), { all: true }).split("\n");
  expect(lines).toHaveLength(9 + 1 + 24 + 1);
  expect(lines[9]).toBe("Postcopy Latency Distribution:");
  expect(lines[10]).toBe("  [     1 us -     2 us ]:          0");
  expect(lines[19]).toBe("  [   512 us -     1 ms ]:          9");
  expect(lines[26]).toBe("  [    65 ms -   131 ms ]:         16");
  expect(lines[29]).toBe("  [   524 ms -    1 sec ]:         19");
  expect(lines[33]).toBe("  [    8 sec -   16 sec ]:         23");
});
