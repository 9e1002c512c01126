/**
 * `-machine`: which boards there are and what can be set on them.
 */

import type { Draft, Print } from "./draft.ts";
import type { Value, ValueMap } from "./key-values.ts";
import { OptionError, within } from "./option-error.ts";
import { checkProperty, describeProperties, type PropertyRow, type Scalar } from "./properties.ts";
import { suggestion } from "./suggest.ts";

type MachineRow = {
  readonly name: string;
  readonly help: string;
  readonly maxCpus: number;
  readonly virtioTransports: number;
  readonly properties: readonly PropertyRow[];
};

const COMMON_PROPERTIES: readonly PropertyRow[] = [
  { name: "accel", type: "str", help: "engine to run guest code: a name, or names to try in turn, a:b" },
  { name: "append", type: "str", help: "kernel command line, as -append" },
  { name: "dtb", type: "str", help: "device tree file, as -dtb" },
  { name: "dump-guest-core", type: "bool", help: "keep guest memory in core dumps; no effect here" },
  { name: "dumpdtb", type: "str", help: "write the board's device tree to this file and exit" },
  { name: "firmware", type: "str", help: "firmware file, as -bios" },
  { name: "graphics", type: "bool", help: "off: no display devices; there are none anyway" },
  { name: "initrd", type: "str", help: "initial RAM disk, as -initrd" },
  { name: "kernel", type: "str", help: "kernel image, as -kernel" },
  { name: "mem-merge", type: "bool", help: "let the host merge equal pages; no effect here" },
  { name: "memory-backend", type: "str", help: "id of the memory-backend-ram object that is the machine's RAM" },
  { name: "suppress-vmdesc", type: "bool", only: false, help: "leave the description out of the migration stream" },
  { name: "usb", type: "bool", only: false, help: "USB controller; only off" },
];

const VIRT_PROPERTIES: readonly PropertyRow[] = [
  { name: "acpi", type: ["off", "auto"], help: "ACPI tables; there are none" },
  { name: "aclint", type: "bool", help: "ACLINT devices (mswi, sswi, mtimer) instead of the CLINT" },
  { name: "aia", type: ["none", "aplic", "aplic-imsic"], only: "none", help: "interrupt architecture; only none" },
  { name: "pflash0", type: "str", help: "block node behind flash 0" },
  { name: "pflash1", type: "str", help: "block node behind flash 1" },
];

export const MACHINES: readonly MachineRow[] = [
  { name: "none", help: "no board at all", maxCpus: 1, virtioTransports: 0, properties: COMMON_PROPERTIES },
  {
    name: "virt",
    help: "RISC-V board with virtio transports (default)",
    maxCpus: 512,
    virtioTransports: 8,
    properties: [...COMMON_PROPERTIES, ...VIRT_PROPERTIES],
  },
];

/** QEMU's riscv64 default is another board ("spike"); this program has `virt` only. */
const DEFAULT_MACHINE = "virt";

/** The machine's row and what is set on it. `smp` is what stands in `-machine smp.cpus=2`. */
export type MachineChoice = {
  readonly name: string;
  readonly maxCpus: number;
  readonly virtioTransports: number;
  readonly properties: ReadonlyMap<string, Scalar>;
  readonly smp: ValueMap | undefined;
};

/** What all `-machine` options together say. Throws `OptionError`. */
export function resolveMachine(draft: Draft): MachineChoice {
  let row = requireMachine(DEFAULT_MACHINE);
  for (const { use, value } of draft.machine) {
    const type = value.get("type");
    if (type !== undefined) row = within(use, () => requireMachine(type));
  }
  const properties = new Map<string, Scalar>();
  let smp: ValueMap | undefined;
  for (const { use, value } of draft.machine) {
    within(use, () => {
      for (const [key, item] of value) {
        if (key === "type") continue;
        if (key === "smp" && item instanceof Map) smp = new Map([...(smp ?? []), ...(item as ValueMap)]);
        else properties.set(key, checkMachineProperty(row, key, item));
      }
    });
  }
  const { name, maxCpus, virtioTransports } = row;
  return { name, maxCpus, virtioTransports, properties, smp };
}

function checkMachineProperty(machine: MachineRow, key: string, value: Value): Scalar {
  const row = machine.properties.find((candidate) => candidate.name === key);
  if (!row) {
    const names = machine.properties.map((candidate) => candidate.name);
    throw new OptionError(
      "unknown-name",
      `Property '${machine.name}-machine.${key}' not found${suggestion(key, names)}`,
    );
  }
  return checkProperty(row, value, false);
}

function requireMachine(name: Value): MachineRow {
  const row = MACHINES.find((candidate) => candidate.name === name);
  if (!row) {
    const names = MACHINES.map((machine) => machine.name);
    const hint = suggestion(typeof name === "string" ? name : "", names);
    throw new OptionError(
      "unknown-name",
      `unsupported machine type; use -machine help to list supported machines${hint}`,
    );
  }
  return row;
}

/** Text of `-machine help`, or of `-machine NAME,help`. */
export function machineHelp(text: string): Print {
  const named = text.split(",")[0]?.replace(/^type=/, "");
  const row = MACHINES.find((candidate) => candidate.name === named);
  if (row) return { text: `${row.name}-machine options:\n${describeProperties(row.properties)}`, exitCode: 0 };
  const lines = MACHINES.map(({ name, help }) => `${name.padEnd(20)} ${help}\n`);
  return { text: `Supported machines are:\n${lines.join("")}`, exitCode: 0 };
}
