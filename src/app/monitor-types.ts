/** What the monitor says of the command line: types of devices and objects with their properties, and options. */
import { BOARD_DEVICES, DEVICES } from "#app/cli/device-table.ts";
import { MACHINES } from "#app/cli/machine-option.ts";
import { OBJECTS } from "#app/cli/object-option.ts";
import { SECTIONS } from "#app/cli/options.ts";
import type { PropertyRow } from "#app/cli/properties.ts";
import type { OptionInfo, OptionType, PropertyInfo, TypeInfo } from "#control/monitor/context.ts";

/** Abstract types, and concrete ones that nobody makes by name, each with its parent. */
const ABSTRACT: readonly (readonly [name: string, parent?: string])[] = [
  ["object"],
  ["device", "object"],
  ["machine", "object"],
  ["accel", "object"],
  ["cpu", "device"],
  ["sys-bus-device", "device"],
  ["virtio-device", "device"],
  ["riscv-cpu", "cpu"],
  ["rng-backend", "object"],
  ["memory-backend", "object"],
  ["secret_common", "object"],
];
const CONCRETE: readonly (readonly [name: string, parent: string])[] = [
  ["tcg-accel", "accel"],
  ["rv64-riscv-cpu", "riscv-cpu"],
  ["max-riscv-cpu", "riscv-cpu"],
  ["riscv.hart_array", "sys-bus-device"],
  ["container", "object"],
];
/** libvirt takes this name as the word for "there is a virtio entropy source", whatever its bus. */
const VIRTIO_RNG_PCI = "virtio-rng-pci";

const OBJECT_PARENTS: Readonly<Record<string, string>> = {
  "memory-backend-ram": "memory-backend",
  "rng-builtin": "rng-backend",
  "rng-random": "rng-backend",
  secret: "secret_common",
};

export function monitorTypes(): readonly TypeInfo[] {
  const type = (name: string, parent: string, rows: readonly PropertyRow[] = []): TypeInfo => ({
    name,
    parent,
    properties: rows.map(propertyInfo),
  });
  return [
    ...ABSTRACT.map(([name, parent]) => ({
      name,
      ...(parent === undefined ? {} : { parent }),
      isAbstract: true,
      properties: [],
    })),
    ...CONCRETE.map(([name, parent]) => type(name, parent)),
    ...DEVICES.map(({ driver, bus, properties }) =>
      type(driver, bus === "virtio-bus" ? "virtio-device" : "device", properties),
    ),
    type(VIRTIO_RNG_PCI, "device"),
    ...BOARD_DEVICES.map((name) => type(name, "sys-bus-device")),
    ...OBJECTS.map((row) => type(row.type, OBJECT_PARENTS[row.type] ?? "object", row.properties)),
    ...MACHINES.map((row) => type(`${row.name}-machine`, "machine", row.properties)),
  ];
}

function propertyInfo({ name, type, help, link }: PropertyRow): PropertyInfo {
  return { name, type: link ?? (typeof type === "string" ? (TYPE_NAMES[type] ?? type) : "str"), description: help };
}
const TYPE_NAMES: Readonly<Record<string, string>> = { "on-off-auto": "OnOffAuto" };

/** Options whose argument is `key=value,...`, by QEMU's names of the groups. */
export function monitorOptions(): readonly OptionInfo[] {
  const options = SECTIONS.flatMap(({ rows }) => rows).flatMap(({ names, argument }) =>
    argument === undefined ? [] : names.filter((name) => name.length > 1).map((option) => ({ option, parameters: [] })),
  );
  const machine = MACHINES.flatMap(({ properties }) => properties);
  const names = new Set(machine.map(({ name }) => name));
  const parameters = [...names].map((name) => {
    const row = machine.find((candidate) => candidate.name === name) as PropertyRow;
    return { name, type: optionType(row), help: row.help };
  });
  return options.map((option) => (option.option === "machine" ? { ...option, parameters } : option));
}

function optionType({ type }: PropertyRow): OptionType {
  if (type === "bool") return "boolean";
  if (type === "size") return "size";
  return typeof type === "string" && type.includes("int") ? "number" : "string";
}
