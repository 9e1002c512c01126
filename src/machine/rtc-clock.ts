/**
 * `-rtc`: what the real-time clock runs on, and where it starts.
 *
 *   host: the host's time of day;  rt: the host's steady clock;  vm: machine time, which stands while the machine does
 */
import type { Clock } from "#core/host.ts";
import type { MachineConfig } from "#machine/config.ts";

export type RtcClock = {
  /** `wallMs` is the time without the offset. Timers run on `nowNs`. */
  readonly clock: Clock;
  /** The guest's time less that. */
  readonly offsetNs: bigint;
};

/** `timezoneOffsetMinutes` is ECMAScript's: UTC less local time. Thread: machine. */
export function rtcClock(
  rtc: MachineConfig["rtc"],
  host: Clock,
  machineNs: () => number,
  timezoneOffsetMinutes: number,
): RtcClock {
  const startMs = host.wallMs();
  return {
    clock: { nowNs: () => host.nowNs(), wallMs: wallClock(rtc.clock ?? "host", host, machineNs, startMs) },
    offsetNs: BigInt(Math.round(offsetMs(rtc.base, startMs, timezoneOffsetMinutes) * 1000)) * 1000n,
  };
}

function wallClock(kind: "host" | "rt" | "vm", host: Clock, machineNs: () => number, startMs: number): () => number {
  if (kind === "host") return () => host.wallMs();
  const steadyNs = kind === "rt" ? () => host.nowNs() : machineNs;
  const startNs = steadyNs();
  return () => startMs + (steadyNs() - startNs) / 1e6;
}

function offsetMs(base: MachineConfig["rtc"]["base"], startMs: number, timezoneOffsetMinutes: number): number {
  if (base === "utc") return 0;
  // The guest's clock shows local time, as if it were UTC.
  if (base === "localtime") return -timezoneOffsetMinutes * 60_000;
  return base * 1000 - startMs;
}
