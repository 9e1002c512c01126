/** The buses and their devices in lines, in the manner of QEMU's `info qtree`. */
import type { DeviceConfig, MachineConfig } from "#machine/config.ts";
import { VIRT_MEMORY_MAP, VIRT_VIRTIO_COUNT, virtioEntry } from "#machine/virt/memory-map.ts";

const hex = (value: number): string => value.toString(16).padStart(16, "0");

/** The transport that each virtio device sits on: the one it names, or the highest free one. */
function transports(config: MachineConfig): ReadonlyMap<number, DeviceConfig> {
  const slots = new Map<number, DeviceConfig>();
  for (const device of config.devices) {
    if (device.driver === "virtconsole") continue;
    const named = /^virtio-mmio-bus\.(\d)$/.exec(String(device.properties["bus"] ?? ""))?.[1];
    let slot = named === undefined ? VIRT_VIRTIO_COUNT - 1 : Number(named);
    while (named === undefined && slots.has(slot)) slot--;
    slots.set(slot, device);
  }
  return slots;
}

function describeDevice({ driver, id, properties }: DeviceConfig, indent: string): string {
  const lines = Object.entries(properties).map(
    ([name, value]) => `${indent}  ${name} = ${typeof value === "string" ? JSON.stringify(value) : value}\n`,
  );
  return `${indent}dev: ${driver}, id "${id ?? ""}"\n${lines.join("")}`;
}

export function describeBuses(config: MachineConfig): string {
  if (config.machine === "none") return "bus: main-system-bus\n  type System\n";
  const { rtc, uart0, fwCfg, flash0, flash1, plic, test } = VIRT_MEMORY_MAP;
  const board: readonly (readonly [name: string, base: number, sizeBytes: number])[] = [
    ["fw_cfg_mem", fwCfg.base, fwCfg.sizeBytes],
    ["cfi.pflash01", flash1.base, flash1.sizeBytes],
    ["cfi.pflash01", flash0.base, flash0.sizeBytes],
    ["goldfish_rtc", rtc.base, 0x24],
    ["serial-mm", uart0.base, 8],
  ];
  const line = (name: string, base: number, sizeBytes: number): string =>
    `  dev: ${name}, id ""\n    mmio ${hex(base)}/${hex(sizeBytes)}\n`;
  const slots = transports(config);
  const consoles = config.devices.filter(({ driver }) => driver === "virtconsole");
  let text = `bus: main-system-bus\n  type System\n${board.map((row) => line(...row)).join("")}`;
  for (let slot = VIRT_VIRTIO_COUNT - 1; slot >= 0; slot--) {
    text += line("virtio-mmio", virtioEntry(slot).base, 0x200);
    text += `    bus: virtio-mmio-bus.${slot}\n      type virtio-mmio-bus\n`;
    const device = slots.get(slot);
    if (device) text += describeDevice(device, "      ");
    if (device?.driver === "virtio-serial-device") {
      text += consoles.map((console) => describeDevice(console, "        ")).join("");
    }
  }
  return (
    text + line("riscv.sifive.plic", plic.base, plic.sizeBytes) + line("riscv.sifive.test", test.base, test.sizeBytes)
  );
}
