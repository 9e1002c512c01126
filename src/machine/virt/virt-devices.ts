/**
 * The devices of `-device` on the `virt` board: each virtio device and the transport slot it is plugged into.
 *
 * A device takes the slot that its `bus=` names, or the highest free one, as in QEMU.
 */
import type { CharBackend, Clock, Disk, Random, Timers } from "#core/host.ts";
import type { VirtioDevice } from "#hw/bus/virtio/virtio-device.ts";
import { VirtioBalloon } from "#hw/devices/virtio-balloon.ts";
import { VirtioBlk } from "#hw/devices/virtio-blk.ts";
import { type ConsolePort, VirtioConsole } from "#hw/devices/virtio-console.ts";
import { VirtioRng } from "#hw/devices/virtio-rng.ts";
import type { DeviceConfig, MachineConfig } from "#machine/config.ts";
import { VIRT_VIRTIO_COUNT } from "#machine/virt/memory-map.ts";

/** What the devices are connected to on the host. */
export type DeviceBackends = {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  disk(driveId: string): Disk;
  chardev(chardevId: string): CharBackend;
};

/** A device that the machine does not have, or that does not fit; whoever checked the configuration missed it. */
export class DeviceConfigError extends Error {
  readonly code = "bad-device";
}

const BUS_NAME = /^virtio-mmio-bus\.(\d+)$/;
const MAX_CONSOLE_PORTS = 31;

/** The devices by transport slot. Throws {@link DeviceConfigError}. */
export function makeVirtioDevices(config: MachineConfig, backends: DeviceBackends): Map<number, VirtioDevice> {
  const slots = new Map<number, VirtioDevice>();
  for (const device of config.devices) {
    if (device.driver === "virtconsole" || device.driver === "virtserialport") continue;
    slots.set(freeSlot(device, slots), makeDevice(device, config, backends));
  }
  return slots;
}

function freeSlot(device: DeviceConfig, taken: ReadonlyMap<number, unknown>): number {
  const bus = device.properties["bus"];
  let slot = VIRT_VIRTIO_COUNT - 1;
  if (bus !== undefined) slot = Number(BUS_NAME.exec(String(bus))?.[1] ?? -1);
  else while (taken.has(slot)) slot--;
  if (slot >= 0 && slot < VIRT_VIRTIO_COUNT && !taken.has(slot)) return slot;
  throw new DeviceConfigError(
    bus === undefined
      ? `there is no free bus for device '${device.driver}': all ${VIRT_VIRTIO_COUNT} are taken`
      : `bus '${String(bus)}' of device '${device.driver}' is not there or is taken`,
  );
}

function makeDevice(device: DeviceConfig, config: MachineConfig, backends: DeviceBackends): VirtioDevice {
  const get = properties(device);
  switch (device.driver) {
    case "virtio-blk-device":
      return makeDisk(device, config, backends);
    case "virtio-rng-device":
      return new VirtioRng(backends, {
        ...given("maxBytes", get.number("max-bytes")),
        ...given("periodMs", get.number("period")),
      });
    case "virtio-balloon-device":
      return new VirtioBalloon(backends, {
        memoryBytes: config.memoryBytes,
        ...given("deflateOnOom", get.boolean("deflate-on-oom")),
      });
    case "virtio-serial-device":
      return new VirtioConsole({
        maxPorts: get.number("max_ports") ?? MAX_CONSOLE_PORTS,
        ports: consolePorts(device, config, backends),
      });
    default:
      throw new DeviceConfigError(`'${device.driver}' is not a valid device model name`);
  }
}

function makeDisk(device: DeviceConfig, config: MachineConfig, backends: DeviceBackends): VirtioBlk {
  const get = properties(device);
  const id = get.string("drive") ?? "";
  const drive = config.drives.find((candidate) => candidate.id === id);
  if (!drive) throw new DeviceConfigError(`device '${device.driver}' names the drive '${id}', which does not exist`);
  return new VirtioBlk(backends.disk(id), {
    ...given("serial", get.string("serial")),
    ...given("queueSize", get.number("queue-size")),
    ...given("logicalBlockBytes", get.number("logical_block_size")),
    ...given("physicalBlockBytes", get.number("physical_block_size")),
    ...given("configWce", get.boolean("config-wce")),
    ...given("discard", get.boolean("discard")),
    ...given("writeZeroes", get.boolean("write-zeroes")),
    ...given("writeCache", get.onOff("write-cache")),
  });
}

/** The consoles on this controller: those that name its bus, and if it is the first one those that name none. */
function consolePorts(controller: DeviceConfig, config: MachineConfig, backends: DeviceBackends): ConsolePort[] {
  const controllers = config.devices.filter((device) => device.driver === controller.driver);
  const unnamed = controllers.filter((device) => device.id === undefined);
  const bus = controller.id === undefined ? `virtio-serial-bus.${unnamed.indexOf(controller)}` : `${controller.id}.0`;
  const isFirst = controllers[0] === controller;
  const ports: ConsolePort[] = [];
  const taken = new Set<number>();
  for (const device of config.devices) {
    if (device.driver !== "virtconsole" && device.driver !== "virtserialport") continue;
    const get = properties(device);
    const onBus = get.string("bus");
    if (onBus === undefined ? !isFirst : onBus !== bus) continue;
    let number = get.number("nr") ?? 0;
    while (get.number("nr") === undefined && taken.has(number)) number++;
    taken.add(number);
    const chardev = get.string("chardev");
    if (chardev === undefined) continue;
    ports.push({
      number,
      console: device.driver === "virtconsole",
      ...given("name", get.string("name")),
      chardev: backends.chardev(chardev),
    });
  }
  return ports;
}

function properties(device: DeviceConfig) {
  const get = (name: string) => device.properties[name];
  return {
    string(name: string): string | undefined {
      const value = get(name);
      return value === undefined ? undefined : String(value);
    },
    number(name: string): number | undefined {
      const value = get(name);
      return value === undefined ? undefined : Number(value);
    },
    boolean(name: string): boolean | undefined {
      const value = get(name);
      return typeof value === "boolean" ? value : undefined;
    },
    /** "on", "off" or "auto", which leaves the choice to the device. */
    onOff(name: string): boolean | undefined {
      const value = get(name);
      return value === "on" || value === true ? true : value === "off" || value === false ? false : undefined;
    },
  };
}

/** A property for an object literal, or nothing. */
function given<K extends string, V>(name: K, value: V | undefined): { readonly [key in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [key in K]: V });
}
