import { expect, test } from "vitest";
import { ticks, timeText } from "./axis.ts";
import { parseEvents } from "./events.ts";
import { makePage } from "./page.ts";
import { simulate } from "./simulate.ts";
import { makeTimeline } from "./timeline.ts";

const RECORD = `
tinamou: something else
4711@1700000000.000001:postcopy_blocktime_tid_cpu_map cpu 1 tid 42
postcopy_place_page addr 0x1000 time 100
postcopy_blocktime_begin addr 0x5000 time 200 cpu 0 exists 0
postcopy_vcpu_down cpu 0 time 190
{"event":"postcopy_blocktime_begin","addr":24576,"time":300,"cpu":1,"exists":0}
postcopy_blocktime_begin addr 0x7000 time 320 cpu -1 exists 0
postcopy_blocktime_begin addr 0x8000 time 350 cpu 0 exists 0
postcopy_blocktime_end_one cpu 0 left_faults 1
postcopy_blocktime_end addr 0x5000 time 400 affected_cpus 1 affected_non_cpus 0
{"event":"postcopy_place_page","addr":24576,"time":480}
postcopy_blocktime_end addr 0x6000 time 500 affected_cpus 1 affected_non_cpus 0
postcopy_vcpu_up cpu 0 time 590
postcopy_blocktime_end addr 0x8000 time 600 affected_cpus 1 affected_non_cpus 0
riscv_trap hart:0, async:1
`;

test("a timeline from log lines and JSON lines", () => {
  expect(makeTimeline(parseEvents(RECORD))).toEqual({
    lengthNs: 500,
    lanes: [
      {
        blocked: [
          {
            from: 100,
            to: 500,
          },
        ],
        seen: [
          {
            from: 90,
            to: 490,
          },
        ],
      },
      {
        blocked: [
          {
            from: 200,
            to: 400,
          },
        ],
        seen: [],
      },
    ],
    allDown: [
      {
        from: 200,
        to: 400,
      },
    ],
    pageTimes: [0, 380],
    awaitedPages: 3,
    openFaults: 1,
    figures: {
      totalBlocktimeNs: 200,
      vcpuBlocktimeNs: [400, 200],
      vcpuFaults: [2, 1],
      vcpuLatencyNs: [450, 200],
      nonVcpuFaults: 1,
      nonVcpuLatencyNs: 0,
      latencyBuckets: [3, ...Array.from({ length: 23 }, () => 0)],
    },
  });
});

test("what is wrong with a record is said", () => {
  expect(() => parseEvents("\npostcopy_blocktime_end addr 0x1000")).toThrow(
    "line 2: postcopy_blocktime_end has no number time",
  );
  expect(() => makeTimeline(parseEvents("nothing\n"))).toThrow("no event of a postcopy migration");
});

test.each([1, 4, 64])("a simulated migration of %i vCPUs ends, and the same seed gives the same", (vcpus) => {
  const record = simulate({ vcpus, pages: 1000, seed: 7 });
  expect(simulate({ vcpus, pages: 1000, seed: 7 })).toBe(record);
  const { lanes, openFaults, pageTimes, figures } = makeTimeline(parseEvents(record));
  expect(lanes).toHaveLength(vcpus);
  expect(pageTimes).toHaveLength(1000);
  expect(openFaults).toBe(0);
  expect(figures.vcpuBlocktimeNs.every((ns) => ns > 0)).toBe(true);
});

test("what the vCPUs' threads saw is the blocktime, but for the time until a record is closed", () => {
  const { lanes, figures } = makeTimeline(parseEvents(simulate({ vcpus: 2, pages: 4000, seed: 3 })));
  lanes.forEach(({ seen }, vcpu) => {
    const seenNs = seen.reduce((sum, { from, to }) => sum + to - from, 0);
    const blockedNs = figures.vcpuBlocktimeNs[vcpu] ?? 0;
    expect(blockedNs).toBeGreaterThanOrEqual(seenNs);
    expect(blockedNs - seenNs).toBeLessThan(seenNs * 0.05);
  });
});

test("the page refers to nothing outside and has a lane for each vCPU", () => {
  const page = makePage(makeTimeline(parseEvents(simulate({ vcpus: 16, pages: 500, seed: 1 }))));
  expect(page).not.toMatch(/(src|href)=|url\(|@import|<script/);
  expect(page.match(/>vCPU \d+</g)).toHaveLength(16);
  expect(page).not.toMatch(/NaN|undefined|Infinity/);
});

test("round values on an axis", () => {
  expect(ticks(95, 10)).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
  expect(ticks(3, 4)).toEqual([0, 1, 2, 3]);
  expect([0, 12, 1500, 2_500_000, 12e9].map(timeText)).toEqual(["0", "12 ns", "1.5 us", "2.5 ms", "12 s"]);
});
