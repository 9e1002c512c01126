/** Where the devices of the command line stand in the tree of objects. */
import type { DeviceConfig, MachineConfig } from "#machine/config.ts";

/** The path of a device of `-device`. */
export function peripheralPath(config: MachineConfig, device: DeviceConfig): string {
  if (device.id !== undefined) return `/machine/peripheral/${device.id}`;
  return `/machine/peripheral-anon/device[${anonymousDevices(config).indexOf(device)}]`;
}

export function anonymousDevices(config: MachineConfig): readonly DeviceConfig[] {
  return config.devices.filter(({ id }) => id === undefined);
}

/** The device whose `drive=` is `drive`. */
export function deviceOfDrive(config: MachineConfig, drive: string): DeviceConfig | undefined {
  return config.devices.find(({ properties }) => properties["drive"] === drive);
}
