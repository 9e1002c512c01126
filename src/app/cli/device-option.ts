/**
 * `-device driver,property=value` or JSON: names, types, and what each device refers to.
 *
 * A device is checked when all options are read, in command line order: a chardev, drive or object may come after it,
 * the bus that it sits on may not.
 */

import type { DeviceConfig } from "#machine/config.ts";
import { BOARD_DEVICES, DEVICES, type DeviceBus, type DeviceRow, findDevice } from "./device-table.ts";
import type { Draft, Print } from "./draft.ts";
import type { Structured } from "./key-values.ts";
import { OptionError, within } from "./option-error.ts";
import { checkProperty, describeProperties, type PropertyRow, requireIdentifier, type Scalar } from "./properties.ts";
import { suggestion } from "./suggest.ts";

const MAX_SERIAL_PORTS = 31;
const LOGICAL_BLOCK_LIMITS = { lowest: 512, highest: 2 * 1024 * 1024 } as const;

/** What a device's properties may name. */
export type Backends = {
  /** Number of the board's virtio transports. */
  readonly virtioTransports: number;
  readonly drives: ReadonlySet<string>;
  /** Chardev ids, and whether several frontends may share one. */
  readonly chardevs: ReadonlyMap<string, boolean>;
  /** Chardevs that the board's serial ports took. */
  readonly usedChardevs: ReadonlySet<string>;
};

/** Text of `-device help`, or of `-device DRIVER,help`. Throws `OptionError` for an unknown driver. */
export function deviceHelp(text: string): Print {
  const driver = text.split(",")[0]?.replace(/^driver=/, "") ?? "";
  if (driver !== "help" && driver !== "?") {
    const row = findDevice(driver);
    if (!row) throw new OptionError("unknown-name", `Device '${driver}' not found`);
    return { text: `${driver} options:\n${describeProperties(row.properties)}`, exitCode: 0 };
  }
  const sections = (["Storage", "Input", "Misc"] as const).map((category) => {
    const rows = DEVICES.filter((row) => row.category === category);
    const lines = rows.map((row) => `name "${row.driver}", bus ${row.bus}, desc "${row.description}"\n`);
    return `${category} devices:\n${lines.join("")}`;
  });
  return { text: sections.join("\n"), exitCode: 0 };
}

/** All devices, in order. Throws `OptionError`. */
export function resolveDevices(draft: Draft, backends: Backends): DeviceConfig[] {
  const globals = checkGlobals(draft);
  const topology = new Topology(backends);
  const ids = new Set<string>();
  return draft.devices.map(({ use, value }) =>
    within(use, () => {
      const device = readDevice(value, globals);
      if (device.id !== undefined) {
        if (ids.has(device.id)) throw new OptionError("duplicate", `Duplicate ID '${device.id}' for device`);
        ids.add(device.id);
      }
      topology.add(requireDevice(device.driver), device, draft);
      return device;
    }),
  );
}

function requireDevice(driver: string): DeviceRow {
  const row = findDevice(driver);
  if (row) return row;
  if (BOARD_DEVICES.includes(driver)) {
    throw new OptionError("bad-value", "Parameter 'driver' expects a pluggable device type");
  }
  // QEMU's short names and its PCI names, on a board that has no PCI.
  const onTransport = `${driver.replace(/-pci(?:-.*)?$/, "")}-device`;
  const drivers = DEVICES.map((row) => row.driver);
  const hint = findDevice(onTransport) ? `; use ${onTransport}` : suggestion(driver, drivers);
  throw new OptionError("unknown-name", `'${driver}' is not a valid device model name${hint}`);
}

function readDevice({ map, isJson }: Structured, globals: ReadonlyMap<string, Scalar>): DeviceConfig {
  const driver = map.get("driver");
  if (typeof driver !== "string") throw new OptionError("missing-parameter", "Parameter 'driver' is missing");
  const row = requireDevice(driver);
  const properties: Record<string, Scalar> = {};
  for (const property of row.properties) {
    const value = globals.get(`${driver}.${property.name}`);
    if (value !== undefined) properties[property.name] = value;
  }
  let id: string | undefined;
  for (const [key, value] of map) {
    if (key === "driver") continue;
    if (key === "id") id = requireIdentifier(typeof value === "string" ? value : "");
    else if (key === "bus") properties[key] = checkProperty({ name: key, type: "str", help: "" }, value, isJson);
    else properties[key] = checkProperty(requireProperty(row, key), value, isJson);
  }
  return id === undefined ? { driver, properties } : { driver, id, properties };
}

function requireProperty(row: DeviceRow, key: string): PropertyRow {
  const property = row.properties.find((candidate) => candidate.name === key);
  if (!property) {
    const names = row.properties.map(({ name }) => name);
    throw new OptionError("unknown-name", `Property '${row.driver}.${key}' not found${suggestion(key, names)}`);
  }
  return property;
}

/** Values of `-global` by "driver.property"; those for the board and the CPU are read elsewhere. */
function checkGlobals(draft: Draft): ReadonlyMap<string, Scalar> {
  const values = new Map<string, Scalar>();
  for (const { use, value } of draft.globals) {
    const row = findDevice(value.driver);
    if (!row) continue;
    within(use, () => {
      const property = requireProperty(row, value.property);
      values.set(`${value.driver}.${value.property}`, checkProperty(property, value.value, false));
    });
  }
  return values;
}

/** Which slots, ports, disks and character devices are taken so far. */
class Topology {
  readonly #backends: Backends;
  readonly #chardevsInUse: Set<string>;
  readonly #drivesInUse = new Set<string>();
  /** Taken virtio transports by number. */
  readonly #transports = new Set<number>();
  readonly #serialBuses = new Map<string, SerialBus>();

  constructor(backends: Backends) {
    this.#backends = backends;
    this.#chardevsInUse = new Set(backends.usedChardevs);
  }

  add(row: DeviceRow, device: DeviceConfig, draft: Draft): void {
    const bus = device.properties["bus"];
    if (row.bus === "virtio-bus") this.#takeTransport(row, bus);
    else this.#takePort(row.bus, device, bus);
    for (const property of row.properties) {
      const name = device.properties[property.name];
      if (property.link !== undefined && typeof name === "string") this.#link(row, property, name, draft);
    }
    if (row.driver === "virtio-blk-device") checkDisk(device);
    if (row.offers === "virtio-serial-bus") this.#addSerialBus(device);
  }

  /** A device without `bus` takes the highest free transport, as in QEMU. */
  #takeTransport(row: DeviceRow, bus: Scalar | undefined): void {
    const count = this.#backends.virtioTransports;
    if (bus === undefined) {
      let slot = count - 1;
      while (this.#transports.has(slot)) slot--;
      if (slot < 0) {
        const why = count === 0 ? "" : `: all ${count} are taken`;
        throw new OptionError("conflict", `No '${row.bus}' bus found for device '${row.driver}'${why}`);
      }
      this.#transports.add(slot);
      return;
    }
    const slot = Number(/^virtio-mmio-bus\.([0-9])$/.exec(String(bus))?.[1] ?? count);
    if (slot >= count) throw new OptionError("unknown-reference", `Bus '${String(bus)}' not found`);
    if (this.#transports.has(slot)) throw new OptionError("conflict", `Bus '${String(bus)}' is full`);
    this.#transports.add(slot);
  }

  #addSerialBus(device: DeviceConfig): void {
    const maxPorts = Number(device.properties["max_ports"] ?? MAX_SERIAL_PORTS);
    if (maxPorts < 1 || maxPorts > MAX_SERIAL_PORTS) {
      throw new OptionError("bad-value", `Parameter 'max_ports' expects 1 to ${MAX_SERIAL_PORTS}`);
    }
    const name = device.id ?? "virtio-serial-bus";
    const isNamed = device.id !== undefined;
    let index = 0;
    while (!isNamed && this.#serialBuses.has(`${name}.${index}`)) index++;
    this.#serialBuses.set(`${name}.${index}`, { maxPorts, ports: new Set() });
  }

  #takePort(kind: DeviceBus, device: DeviceConfig, busName: Scalar | undefined): void {
    const bus = busName === undefined ? [...this.#serialBuses.values()][0] : this.#serialBuses.get(String(busName));
    if (!bus) {
      if (busName !== undefined) throw new OptionError("unknown-reference", `Bus '${String(busName)}' not found`);
      throw new OptionError("unknown-reference", `No '${kind}' bus found for device '${device.driver}'`);
    }
    const wanted = device.properties["nr"];
    let port = typeof wanted === "number" ? wanted : 0;
    // A port without a number takes the first free one.
    while (wanted === undefined && bus.ports.has(port)) port++;
    if (port >= bus.maxPorts) {
      throw new OptionError(
        "bad-value",
        `virtio-serial-bus: Out-of-range port id specified, max. allowed: ${bus.maxPorts - 1}`,
      );
    }
    if (bus.ports.has(port)) {
      throw new OptionError("duplicate", `virtio-serial-bus: A port already exists at id ${port}`);
    }
    bus.ports.add(port);
  }

  #link(row: DeviceRow, property: PropertyRow, name: string, draft: Draft): void {
    const path = `Property '${row.driver}.${property.name}'`;
    switch (property.link) {
      case "drive":
        if (!this.#backends.drives.has(name))
          throw new OptionError("unknown-reference", `${path} can't find value '${name}'`);
        if (this.#drivesInUse.has(name)) {
          throw new OptionError("conflict", `Drive '${name}' is already in use by another device`);
        }
        this.#drivesInUse.add(name);
        break;
      case "chardev":
        if (!this.#backends.chardevs.has(name))
          throw new OptionError("unknown-reference", `${path} can't find value '${name}'`);
        if (this.#chardevsInUse.has(name) && this.#backends.chardevs.get(name) !== true) {
          throw new OptionError("conflict", `${path} can't take value '${name}': Device '${name}' is in use`);
        }
        this.#chardevsInUse.add(name);
        break;
      case "rng-backend":
        requireObject(draft, name, "rng-", property.link);
        break;
      case "iothread":
        requireObject(draft, name, "iothread", property.link);
        break;
      case undefined:
        break;
    }
  }
}

type SerialBus = { readonly maxPorts: number; readonly ports: Set<number> };

function requireObject(draft: Draft, id: string, typePrefix: string, expected: string): void {
  const object = draft.objects.find(({ value }) => value.id === id);
  if (!object) throw new OptionError("unknown-reference", `Device '${id}' not found`);
  if (!object.value.type.startsWith(typePrefix)) {
    throw new OptionError("unknown-reference", `Invalid parameter type for '${id}', expected: ${expected}`);
  }
}

function checkDisk(device: DeviceConfig): void {
  if (device.properties["drive"] === undefined) throw new OptionError("missing-parameter", "drive property not set");
  for (const key of ["logical_block_size", "physical_block_size"] as const) {
    const size = device.properties[key];
    if (typeof size !== "number" || size === 0) continue;
    const isPower = Number.isInteger(Math.log2(size));
    if (!isPower || size < LOGICAL_BLOCK_LIMITS.lowest || size > LOGICAL_BLOCK_LIMITS.highest) {
      throw new OptionError("bad-value", `Property ${device.driver}.${key} expects a power of two from 512 to 2097152`);
    }
  }
}

/** Reads `-global driver.property=value` or `driver=,property=,value=`; the text may be anything. */
export function readGlobal(text: string): { driver: string; property: string; value: string } {
  const dotted = /^([^.=,]+(?:\.[^.=,]+)*)\.([^.=,]+)=(.*)$/s.exec(text);
  if (dotted) return { driver: dotted[1] ?? "", property: dotted[2] ?? "", value: dotted[3] ?? "" };
  const parts = new Map<string, string>();
  for (const part of text.split(",")) {
    const [, key = "", value = ""] = /^(driver|property|value)=(.*)$/s.exec(part) ?? [];
    if (key === "") throw new OptionError("syntax", `Invalid parameter '${part}'; use driver.property=value`);
    parts.set(key, value);
  }
  for (const key of ["driver", "property", "value"]) {
    if (!parts.has(key)) throw new OptionError("missing-parameter", `Parameter '${key}' is missing`);
  }
  return {
    driver: parts.get("driver") ?? "",
    property: parts.get("property") ?? "",
    value: parts.get("value") ?? "",
  };
}
