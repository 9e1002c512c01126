/**
 * What `-device` properties mean to the virtio devices. The command line has checked names and types; ranges that
 * only the device knows are checked here.
 */
import type { CharBackend } from "#core/host.ts";
import { ERROR_POLICIES, type ErrorPolicy } from "#io/block/block-failure.ts";
import { VIRTQUEUE_MAX_SIZE } from "#hw/bus/virtio/virtqueue.ts";
import type { VirtioBlkOptions } from "#hw/devices/virtio-blk.ts";
import type { ConsolePort, VirtioConsoleOptions } from "#hw/devices/virtio-console.ts";
import type { VirtioRngOptions } from "#hw/devices/virtio-rng.ts";
import type { DeviceConfig, DriveConfig } from "#machine/config.ts";

/** Thrown for a device that cannot be made. */
export class DeviceError extends Error {
  readonly code = "bad-device";
}

type Properties = DeviceConfig["properties"];
type Value = Properties[string];

const SERIAL = "virtio-serial-device";
const CONSOLE = "virtconsole";
/** A request has a header, data and a status. */
const MIN_QUEUE_SIZE = 3;

/** The entries that are there; an option that is not given keeps the device's default. */
function given<T extends object>(entries: { readonly [key in keyof T]: T[key] | undefined }): T {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as T;
}
const bool = (value: Value | undefined): boolean | undefined => (value === undefined ? undefined : value === true);
const number = (value: Value | undefined): number | undefined => (value === undefined ? undefined : Number(value));

/** `drive` is behind the device, whose own properties go before the drive's. Throws {@link DeviceError}. */
export function blkOptions(properties: Properties, drive?: DriveConfig): VirtioBlkOptions {
  const queueSize = number(properties["queue-size"]);
  if (queueSize !== undefined && !isQueueSize(queueSize)) {
    throw new DeviceError(
      `-device virtio-blk-device: queue-size=${queueSize} is not a power of two from 4 to ${VIRTQUEUE_MAX_SIZE}`,
    );
  }
  // 0 is "as the drive has it", which for a file is 512.
  const logicalBlockBytes = number(properties["logical_block_size"]) || undefined;
  const physicalBlockBytes = number(properties["physical_block_size"]) || undefined;
  if (physicalBlockBytes !== undefined && physicalBlockBytes < (logicalBlockBytes ?? 512)) {
    throw new DeviceError(
      `-device virtio-blk-device: physical_block_size=${physicalBlockBytes} is less than logical_block_size`,
    );
  }
  const writeCache = properties["write-cache"];
  return given<VirtioBlkOptions>({
    serial: properties["serial"] === undefined ? undefined : String(properties["serial"]),
    queueSize,
    logicalBlockBytes,
    physicalBlockBytes,
    configWce: bool(properties["config-wce"]),
    discard: bool(properties["discard"]),
    writeZeroes: bool(properties["write-zeroes"]),
    writeCache: writeCache === undefined || writeCache === "auto" ? undefined : writeCache === "on",
    readErrors: errorPolicy(properties["rerror"]) ?? drive?.readErrors,
    writeErrors: errorPolicy(properties["werror"]) ?? drive?.writeErrors,
  });
}

/** `auto` is what the drive has. */
const errorPolicy = (value: Value | undefined): ErrorPolicy | undefined =>
  ERROR_POLICIES.find((policy) => policy === value);

const isQueueSize = (size: number): boolean =>
  size >= MIN_QUEUE_SIZE && size <= VIRTQUEUE_MAX_SIZE && Number.isInteger(Math.log2(size));

/** Throws {@link DeviceError}. */
export function rngOptions(properties: Properties): VirtioRngOptions {
  const [maxBytes, periodMs] = [number(properties["max-bytes"]), number(properties["period"])];
  if (maxBytes === 0 || periodMs === 0) {
    throw new DeviceError("-device virtio-rng-device: max-bytes and period must be greater than 0");
  }
  return given<VirtioRngOptions>({ maxBytes, periodMs });
}

/** The options of serial bus `device` with its ports: those that name it, and for the first one those that name none. */
export function consoleOptions(
  device: DeviceConfig,
  all: readonly DeviceConfig[],
  chardevs: ReadonlyMap<string, CharBackend>,
): VirtioConsoleOptions {
  const buses = busNames(all);
  const own = buses.get(device);
  const [first] = buses.values();
  const ports: ConsolePort[] = [];
  for (const { driver, properties } of all) {
    if (driver !== CONSOLE || String(properties["bus"] ?? first) !== own) continue;
    let nr = number(properties["nr"]) ?? 0;
    while (properties["nr"] === undefined && ports.some((port) => port.number === nr)) nr++;
    const chardev = chardevs.get(String(properties["chardev"]));
    const name = properties["name"];
    if (chardev)
      ports.push({ number: nr, console: true, chardev, ...(name === undefined ? {} : { name: String(name) }) });
  }
  return given<VirtioConsoleOptions>({ maxPorts: number(device.properties["max_ports"]), ports });
}

/** The bus of each serial device: its id and ".0", or a name that counts those without an id. */
function busNames(all: readonly DeviceConfig[]): ReadonlyMap<DeviceConfig, string> {
  const names = new Map<DeviceConfig, string>();
  let unnamed = 0;
  for (const device of all) {
    if (device.driver !== SERIAL) continue;
    names.set(device, device.id === undefined ? `virtio-serial-bus.${unnamed++}` : `${device.id}.0`);
  }
  return names;
}
