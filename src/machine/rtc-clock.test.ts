import { expect, test } from "vitest";
import { rtcClock } from "#machine/rtc-clock.ts";

const START_MS = 1_700_000_000_000;
const BERLIN_MINUTES = -60;

/** A host whose steady clock and time of day are moved apart, and machine time that stands. */
function makeHost() {
  let [wallMs, nowNs, machineNs] = [START_MS, 5e9, 0];
  return {
    host: { wallMs: () => wallMs, nowNs: () => nowNs },
    machineNs: () => machineNs,
    pass(ms: number, isRunning: boolean) {
      wallMs += ms;
      nowNs += ms * 1e6;
      if (isRunning) machineNs += ms * 1e6;
    },
    setDate: (ms: number) => void (wallMs = ms),
  };
}

test.each<["utc" | "localtime" | number, number]>([
  ["utc", START_MS],
  ["localtime", START_MS + 3_600_000],
  [Date.UTC(2006, 5, 17, 16, 1, 21) / 1000, Date.UTC(2006, 5, 17, 16, 1, 21)],
  [0, 0],
])("base %s", (base, shownMs) => {
  const { host, machineNs } = makeHost();
  const { clock, offsetNs } = rtcClock({ base }, host, machineNs, BERLIN_MINUTES);
  expect(clock.wallMs() + Number(offsetNs / 1_000_000n)).toBe(shownMs);
});

test.each<["host" | "rt" | "vm", number]>([
  ["host", 99_000],
  ["rt", 3000],
  ["vm", 1000],
])("clock %s: what a date set on the host and a stopped machine do to it", (kind, passedMs) => {
  const { host, machineNs, pass, setDate } = makeHost();
  const { clock } = rtcClock({ base: "utc", clock: kind }, host, machineNs, 0);
  pass(1000, true);
  pass(2000, false);
  setDate(START_MS + 99_000);
  expect(clock.wallMs() - START_MS).toBe(passedMs);
  expect(clock.nowNs()).toBe(host.nowNs());
});
