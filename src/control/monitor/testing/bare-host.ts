/** A monitor's surroundings for tests that need no machine. */
import type { MonitorHost } from "#control/monitor/context.ts";
import type { MachineConfig } from "#machine/config.ts";

export function bareHost(changes: Partial<MonitorHost> = {}): MonitorHost {
  return {
    version: { major: 7, minor: 2, micro: 0, package: "test" },
    greeting: "Test",
    processId: 1,
    wallUs: () => 1_500_000,
    end: () => {},
    writeFile: () => Promise.resolve(),
    chardevs: () => [],
    drive: () => undefined,
    types: [],
    options: [],
    ...changes,
  };
}

export function bareConfig(): MachineConfig {
  return {
    machine: "none",
    machineOptions: { aclint: false },
    cpu: { model: "rv64", features: {} },
    smp: { cpus: 1, sockets: 1, cores: 1, threads: 1 },
    memoryBytes: 128 << 20,
    accel: { kind: "wasm" },
    boot: { bios: "none" },
    devices: [],
    drives: [],
    chardevs: [],
    serials: [],
    rtc: { base: "utc" },
    startStopped: false,
    onReboot: "reset",
    onShutdown: "poweroff",
  };
}
