/**
 * The `virt` board on the machine thread: its devices, where they are, and how they are wired.
 *
 *   vCPU thread -> shared devices (UART, PLIC, ACLINT) at once
 *               -> the others by a call (mmio-call.ts) -> this board's map -> device
 *
 * Thread: machine.
 */
import type { Clock, Disk } from "#core/host.ts";
import type { MemoryLayout } from "#cpu/vcpu/layout.ts";
import { MmioMap } from "#hw/bus/mmio-map.ts";
import type { Device, IrqLine } from "#hw/bus/types.ts";
import { VirtioMmio } from "#hw/bus/virtio/virtio-mmio.ts";
import { FwCfg, FW_CFG_KEY, type FwCfgItem } from "#hw/devices/fw-cfg.ts";
import { GoldfishRtc } from "#hw/devices/goldfish-rtc.ts";
import { type FinisherPort, SifiveTest } from "#hw/devices/sifive-test.ts";
import type { MachineConfig } from "#machine/config.ts";
import { guestDma } from "#machine/guest-dma.ts";
import type { MachineClock } from "#machine/machine-clock.ts";
import type { RemoteRegion } from "#machine/mmio-call.ts";
import type { VcpuControl } from "#machine/vcpu-control.ts";
import { virtFwCfgItems } from "#machine/virt/fw-cfg-items.ts";
import { VIRT_IRQ, VIRT_MEMORY_MAP, VIRT_VIRTIO_COUNT, virtioEntry } from "#machine/virt/memory-map.ts";
import { type DeviceBackends, makeVirtioDevices } from "#machine/virt/virt-devices.ts";
import { makeFlash } from "#machine/virt/virt-flash.ts";
import type { SharedDevices } from "#machine/virt/virt-shared-devices.ts";

export type VirtBoardParts = {
  readonly memory: WebAssembly.Memory;
  readonly layout: MemoryLayout;
  readonly config: MachineConfig;
  readonly control: VcpuControl;
  readonly clock: MachineClock;
  readonly shared: SharedDevices;
  readonly backends: DeviceBackends;
  /** The drives of flash 0 and 1. */
  readonly flashDisks: readonly [Disk | undefined, Disk | undefined];
  /** What firmware in flash loads through fw_cfg. */
  readonly directBoot?: { kernel: Uint8Array; initrd?: Uint8Array | undefined; kernelCommandLine?: string | undefined };
  readonly finisher: FinisherPort;
};

export type VirtBoard = {
  /** The machine thread's devices. */
  readonly map: MmioMap;
  /** The same for vCPU threads. */
  readonly remoteRegions: readonly RemoteRegion[];
  /** All devices, the shared ones too, to their power-on state. While every vCPU is parked. */
  reset(): void;
  /** Resolves when no request is in the host's hands. */
  drain(): Promise<void>;
  /** Resolves when what the guest wrote to flash is in the files. */
  flush(): Promise<void>;
};

/** Rejects with `DeviceConfigError`, `FlashError` or the error of a drive. */
export async function makeVirtBoard(parts: VirtBoardParts): Promise<VirtBoard> {
  const { memory, layout, config, control, shared, backends } = parts;
  const dma = guestDma(memory, layout);
  const irq = (source: number): IrqLine => {
    const line = shared.plic.source(source);
    return { set: (level) => shared.lock.with(() => line.set(level)) };
  };
  const flashes = await Promise.all(
    ([0, 1] as const).map((index) => makeFlash(memory, layout, control, index, parts.flashDisks[index])),
  );
  const slots = makeVirtioDevices(config, backends);
  const transports = Array.from({ length: VIRT_VIRTIO_COUNT }, (_, slot) => {
    const path = `virtio-mmio@${virtioEntry(slot).base.toString(16).padStart(16, "0")}`;
    const ports = { irq: irq(VIRT_IRQ.virtioFirst + slot), dma, timers: backends.timers };
    const options = { forceLegacy: config.machineOptions.virtioForceLegacy ?? true, path };
    return new VirtioMmio(ports, options, slots.get(slot));
  });
  const rtcClock = guestWallClock(config, backends.clock, parts.clock);
  const rtc = new GoldfishRtc(
    { irq: irq(VIRT_IRQ.rtc), clock: rtcClock, timers: backends.timers },
    { offsetNs: rtcOffsetNs(config, rtcClock) },
  );
  const { test, rtc: rtcEntry, fwCfg, flash0, flash1 } = VIRT_MEMORY_MAP;
  const placed: readonly (readonly [number, Device])[] = [
    [test.base, new SifiveTest(parts.finisher)],
    [rtcEntry.base, rtc],
    [fwCfg.base, new FwCfg({ dma }, fwCfgItems(parts))],
    [flash0.base, flashes[0]?.device as Device],
    [flash1.base, flashes[1]?.device as Device],
    ...transports.map((transport, slot) => [virtioEntry(slot).base, transport] as const),
  ];
  const map = new MmioMap();
  const remoteRegions: RemoteRegion[] = [];
  for (const [base, device] of placed) {
    for (const region of device.regions) {
      map.add(base, region);
      remoteRegions.push({ base, sizeBytes: region.sizeBytes, accessSizes: region.accessSizes });
    }
  }
  return {
    map,
    remoteRegions,
    reset() {
      shared.reset();
      for (const [, device] of placed) device.reset();
    },
    drain: async () => void (await Promise.all(transports.map((transport) => transport.drain()))),
    flush: async () => void (await Promise.all(flashes.map((flash) => flash.flush()))),
  };
}

/** Those that the device makes itself are left out. */
function fwCfgItems(parts: VirtBoardParts): FwCfgItem[] {
  const { config } = parts;
  const own: readonly number[] = [FW_CFG_KEY.SIGNATURE, FW_CFG_KEY.ID, FW_CFG_KEY.FILE_DIR];
  return virtFwCfgItems({
    cpus: config.smp.cpus,
    uuid: config.uuid,
    noGraphic: true,
    bootOrder: [],
    directBoot: parts.directBoot,
  })
    .filter(({ key }) => !own.includes(key))
    .map(({ key, name, data }) => (name === undefined ? { key, data } : { name, data }));
}

/** `-rtc clock=vm`: the guest's wall clock stands still while the machine does. */
function guestWallClock(config: MachineConfig, host: Clock, machine: MachineClock): Clock {
  if (config.rtc.clock !== "vm") return host;
  const startMs = host.wallMs();
  return { nowNs: () => host.nowNs(), wallMs: () => startMs + machine.nowNs() / 1e6 };
}

function rtcOffsetNs(config: MachineConfig, clock: Clock): bigint {
  const { base } = config.rtc;
  if (base === "utc") return 0n;
  const nowMs = clock.wallMs();
  if (base === "localtime") return BigInt(-new Date(nowMs).getTimezoneOffset()) * 60_000_000_000n;
  return BigInt(base) * 1_000_000_000n - BigInt(Math.round(nowMs)) * 1_000_000n;
}
