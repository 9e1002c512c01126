/**
 * The devices of the `virt` board that the machine thread serves: RTC, test finisher, fw_cfg, flash, virtio.
 */
import type { CharBackend, Clock, Disk, Random, Timers } from "#core/host.ts";
import type { Log } from "#core/log.ts";
import type { MemoryLayout } from "#cpu/vcpu/layout.ts";
import { MmioMap } from "#hw/bus/mmio-map.ts";
import type { Device, Dma, IrqLine, MmioRegion } from "#hw/bus/types.ts";
import type { VirtioDevice } from "#hw/bus/virtio/virtio-device.ts";
import { VirtioMmio } from "#hw/bus/virtio/virtio-mmio.ts";
import { FwCfg } from "#hw/devices/fw-cfg.ts";
import { GoldfishRtc } from "#hw/devices/goldfish-rtc.ts";
import { PflashCfi01 } from "#hw/devices/pflash-cfi01.ts";
import { SifiveTest } from "#hw/devices/sifive-test.ts";
import { VirtioBalloon } from "#hw/devices/virtio-balloon.ts";
import { VirtioBlk } from "#hw/devices/virtio-blk.ts";
import { VirtioConsole } from "#hw/devices/virtio-console.ts";
import { VirtioRng } from "#hw/devices/virtio-rng.ts";
import type { BlockFailure } from "#io/block/block-failure.ts";
import type { DeviceConfig, MachineConfig } from "#machine/config.ts";
import type { RtcClock } from "#machine/rtc-clock.ts";
import { VIRT_IRQ, VIRT_MEMORY_MAP, VIRT_VIRTIO_COUNT, virtioEntry } from "#machine/virt/memory-map.ts";
import { virtFwCfgItems } from "#machine/virt/fw-cfg-items.ts";
import { blkOptions, consoleOptions, DeviceError, rngOptions } from "#machine/virt/virtio-options.ts";
import { VirtBlock } from "#machine/virt/virt-layout.ts";
import { DirtyMap } from "#memory/dirty-map.ts";

/** Every hart starts here, in the boot ROM. */
export const VIRT_RESET_VECTOR = BigInt(VIRT_MEMORY_MAP.mrom.base);

const { test, rtc, virtio, fwCfg, flash0, flash1, mrom } = VIRT_MEMORY_MAP;
const RANGES = [
  mrom,
  { base: test.base, sizeBytes: test.sizeBytes },
  { base: rtc.base, sizeBytes: rtc.sizeBytes },
  { base: virtio.base, sizeBytes: virtio.sizeBytes * VIRT_VIRTIO_COUNT },
  fwCfg,
  flash0,
  flash1,
];

/** True for an address that a device of the machine thread answers. */
export function isMachineDevice(address: number): boolean {
  return RANGES.some((range) => address >= range.base && address < range.base + range.sizeBytes);
}

export type MachineDevicePorts = {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly dma: Dma;
  /** Input `source` of the PLIC. */
  irq(source: number): IrqLine;
  shutdown(exitCode: number): void;
  reset(): void;
  setFlashReadable(block: number, on: boolean): void;
  /** Throws `PageMissing` when a page of that range of the machine's memory has not come yet. */
  requireMemory(host: number, lengthBytes: number): void;
  readonly disks: ReadonlyMap<string, Disk>;
  readonly chardevs: ReadonlyMap<string, CharBackend>;
  readonly log: Log;
  readonly rtc: RtcClock;
  /** A drive has failed; with the action "stop" the machine is to stop. */
  diskFailed(drive: string, failure: BlockFailure): void;
  /** The guest has changed the size of the balloon. */
  balloonChanged(guestBytes: number): void;
};

export type MachineDevices = {
  readonly map: MmioMap;
  readonly devices: readonly Device[];
  readonly balloon: VirtioBalloon | undefined;
  /** By the ids of their drives. */
  readonly disks: ReadonlyMap<string, VirtioBlk>;
};

export function makeMachineDevices(
  memory: ArrayBufferLike,
  layout: MemoryLayout,
  config: MachineConfig,
  ports: MachineDevicePorts,
): MachineDevices {
  const map = new MmioMap();
  const devices: Device[] = [];
  const add = (base: number, device: Device): void => {
    devices.push(device);
    for (const region of device.regions) map.add(base, region);
  };
  add(test.base, new SifiveTest({ shutdown: (code) => ports.shutdown(code), reset: () => ports.reset() }));
  const { clock, offsetNs } = ports.rtc;
  add(rtc.base, new GoldfishRtc({ irq: ports.irq(VIRT_IRQ.rtc), clock, timers: ports.timers }, { offsetNs }));
  // The device makes the signature, its ID and the file directory itself.
  const items = virtFwCfgItems({
    cpus: config.smp.cpus,
    uuid: config.uuid,
    noGraphic: true,
    bootOrder: [],
    bootMenu: config.boot.menu,
    rebootTimeoutMs: config.boot.rebootTimeoutMs,
  })
    .filter(({ key }) => ![0x00, 0x01, 0x19].includes(key))
    .map(({ key, name, data }) => (name === undefined ? { key, data } : { name, data }));
  add(fwCfg.base, new FwCfg({ dma: ports.dma }, items));
  map.add(mrom.base, ignoredWrites(mrom.sizeBytes));
  [VirtBlock.Flash0, VirtBlock.Flash1].forEach((block, index) => {
    const ram = layout.blocks[block];
    if (!ram) return;
    const flash = new PflashCfi01({
      memory: new Uint8Array(memory, ram.host, ram.sizeBytes),
      setRomd: (on) => ports.setFlashReadable(block, on),
      require: (offset, lengthBytes) => ports.requireMemory(ram.host + offset, lengthBytes),
      store: flashStore(memory, layout, ram.host, ports.disks.get(`pflash${index}`)),
    });
    add(index === 0 ? flash0.base : flash1.base, flash);
  });
  const disks = new Map<string, VirtioBlk>();
  const slots = virtioSlots(config, ports, disks);
  const { dma, timers, log } = ports;
  const logError = log.writer("guest_errors");
  for (let slot = 0; slot < VIRT_VIRTIO_COUNT; slot++) {
    const { base } = virtioEntry(slot);
    const path = `virtio-mmio@${base.toString(16).padStart(16, "0")}`;
    const forceLegacy = config.machineOptions.virtioForceLegacy ?? true;
    const irq = ports.irq(VIRT_IRQ.virtioFirst + slot);
    const guestError = logError && ((message: string): void => logError(`${message}\n`));
    const transport = { irq, dma, timers, trace: log.trace, ...(guestError && { guestError }) };
    add(base, new VirtioMmio(transport, { forceLegacy, path }, slots[slot]));
  }
  const balloon = slots.find((device) => device instanceof VirtioBalloon);
  return { map, devices, balloon, disks };
}

function ignoredWrites(sizeBytes: number): MmioRegion {
  return { sizeBytes, accessSizes: [1, 2, 4, 8], read: () => 0, write: () => {} };
}

/** What the guest programs is marked as written, and goes to the flash's file; the order of writes is kept. */
function flashStore(
  memory: ArrayBufferLike,
  layout: MemoryLayout,
  host: number,
  disk: Disk | undefined,
): (offset: number, lengthBytes: number) => void {
  const dirty = new DirtyMap(memory, layout);
  let last = Promise.resolve();
  return (offset, lengthBytes) => {
    dirty.mark(host + offset, lengthBytes);
    if (!disk || disk.readOnly) return;
    const bytes = new Uint8Array(memory, host + offset, lengthBytes).slice();
    last = last.then(() => disk.write(offset, bytes)).catch(() => {});
  };
}

/** A device without a bus takes the highest free slot, as in QEMU. */
function virtioSlots(
  config: MachineConfig,
  ports: MachineDevicePorts,
  disks: Map<string, VirtioBlk>,
): (VirtioDevice | undefined)[] {
  const slots: (VirtioDevice | undefined)[] = Array.from({ length: VIRT_VIRTIO_COUNT }, () => undefined);
  for (const device of config.devices) {
    if (device.driver === "virtconsole") continue;
    const made = makeVirtio(device, config, ports);
    const bus = /^virtio-mmio-bus\.(\d)$/.exec(String(device.properties["bus"] ?? ""));
    const slot = bus ? Number(bus[1]) : slots.lastIndexOf(undefined);
    if (slot < 0 || slots[slot]) throw new DeviceError(`-device ${device.driver}: no free virtio-mmio slot`);
    slots[slot] = made;
    if (made instanceof VirtioBlk) disks.set(String(device.properties["drive"]), made);
  }
  return slots;
}

function makeVirtio(device: DeviceConfig, config: MachineConfig, ports: MachineDevicePorts): VirtioDevice {
  const { driver, properties } = device;
  switch (driver) {
    case "virtio-blk-device": {
      const id = String(properties["drive"]);
      const disk = ports.disks.get(id);
      if (!disk) throw new DeviceError(`-device ${driver}: drive '${id}' was not found`);
      const drive = config.drives.find((one) => one.id === id);
      return new VirtioBlk(disk, {
        ...blkOptions(properties, drive),
        failed: (failure) => ports.diskFailed(id, failure),
      });
    }
    case "virtio-rng-device":
      return new VirtioRng({ random: ports.random, clock: ports.clock, timers: ports.timers }, rngOptions(properties));
    case "virtio-balloon-device":
      return new VirtioBalloon(
        {
          clock: ports.clock,
          timers: ports.timers,
          changed: (guestBytes) => ports.balloonChanged(guestBytes),
        },
        { memoryBytes: config.memoryBytes, deflateOnOom: properties["deflate-on-oom"] === true },
      );
    case "virtio-serial-device":
      return new VirtioConsole(consoleOptions(device, config.devices, ports.chardevs));
    default:
      throw new DeviceError(`-device ${driver}: this device is not available`);
  }
}
