/**
 * The tree of objects, with QEMU's paths and type names: made anew for each question from what there is.
 *
 *   /machine: the board, its processors, devices by id (peripheral), without (peripheral-anon), of the board (unattached)
 *   /objects: `-object`s;  /chardevs: character devices
 */
import { OBJECTS_PART } from "#control/monitor/commands/objects.ts";
import type { MonitorContext } from "#control/monitor/context.ts";
import { anonymousDevices } from "#control/monitor/inspect/devices.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { fixed, node, type QomNode, type QomProperty } from "#control/monitor/qom/qom-node.ts";
import type { DeviceConfig, MachineConfig } from "#machine/config.ts";
import type { Machine } from "#machine/machine.ts";
import { VIRT_VIRTIO_COUNT } from "#machine/virt/memory-map.ts";

const BALLOON = "virtio-balloon-device";
const CHARDEV_TYPES: Readonly<Record<string, string>> = { unix: "socket", tcp: "socket", fd: "socket" };
/** Devices of the board before and after its virtio transports. */
const BOARD_BEFORE = ["riscv.aclint.swi", "riscv.aclint.mtimer", "riscv.sifive.plic", "riscv.sifive.test"];
const BOARD_AFTER = ["serial-mm", "goldfish_rtc"];

export function qomTree(context: MonitorContext): QomNode {
  const { config, machine } = context;
  const objects = Object.fromEntries(
    [...context.part(OBJECTS_PART).values()].map(({ id, type, properties }) => [
      id,
      node(type, {}, scalars(properties)),
    ]),
  );
  const chardevs = Object.fromEntries(
    config.chardevs.map(({ id, kind }) => [id, node(`chardev-${CHARDEV_TYPES[kind] ?? kind}`)]),
  );
  return node("container", {
    objects: node("container", objects),
    machine: machine ? board(config, machine) : node("none-machine"),
    chardevs: node("container", chardevs),
  });
}

function board(config: MachineConfig, machine: Machine): QomNode {
  const harts = Array.from({ length: config.smp.cpus }, (_, index): [string, QomNode] => [
    `harts[${index}]`,
    node(`${config.cpu.model}-riscv-cpu`, {}, { realized: fixed("bool", true), hotplugged: fixed("bool", false) }),
  ]);
  const byId = config.devices.flatMap((device): [string, QomNode][] =>
    device.id === undefined ? [] : [[device.id, deviceNode(device, machine)]],
  );
  const anonymous = anonymousDevices(config).map((device, index): [string, QomNode] => [
    `device[${index}]`,
    deviceNode(device, machine),
  ]);
  const virtio = Array.from({ length: VIRT_VIRTIO_COUNT }, (_, slot) =>
    node("virtio-mmio", { [`virtio-mmio-bus.${slot}`]: node("virtio-mmio-bus") }),
  );
  const unattached = [...BOARD_BEFORE.map((type) => node(type)), ...virtio, ...BOARD_AFTER.map((type) => node(type))];
  const text = (value: string | undefined): QomProperty => fixed("string", value ?? "");
  return node(
    "virt-machine",
    {
      soc0: node("riscv.hart_array", Object.fromEntries(harts)),
      peripheral: node("container", Object.fromEntries(byId)),
      "peripheral-anon": node("container", Object.fromEntries(anonymous)),
      unattached: node(
        "container",
        Object.fromEntries(unattached.map((child, index): [string, QomNode] => [`device[${index}]`, child])),
      ),
      fw_cfg: node("fw_cfg_mem"),
      "virt.flash0": node("cfi.pflash01"),
      "virt.flash1": node("cfi.pflash01"),
    },
    {
      kernel: text(config.boot.kernel),
      initrd: text(config.boot.initrd),
      append: text(config.boot.append),
      firmware: text(config.boot.bios),
      dtb: text(config.boot.dtb),
      aclint: fixed("bool", config.machineOptions.aclint),
      aia: text("none"),
      usb: fixed("bool", false),
      graphics: fixed("bool", true),
      "mem-merge": fixed("bool", false),
      "dump-guest-core": fixed("bool", true),
      smp: fixed("SMPConfiguration", { ...config.smp, maxcpus: config.smp.cpus }),
      memory: fixed("MemorySizeConfiguration", { size: config.memoryBytes, "max-size": config.memoryBytes }),
    },
  );
}

function deviceNode(device: DeviceConfig, machine: Machine): QomNode {
  const common = {
    realized: fixed("bool", true),
    hotplugged: fixed("bool", false),
    hotpluggable: fixed("bool", false),
  };
  const own = device.driver === BALLOON ? balloonProperties(machine) : {};
  return node(device.driver, {}, { ...common, ...scalars(device.properties), ...own });
}

function balloonProperties(machine: Machine): Readonly<Record<string, QomProperty>> {
  const { balloon } = machine;
  if (!balloon) return {};
  return {
    "guest-stats": {
      type: "guest statistics",
      get() {
        const { stats, lastUpdateMs } = balloon.guestStats;
        return { stats: { ...stats }, "last-update": Math.floor(lastUpdateMs / 1000) };
      },
    },
    "guest-stats-polling-interval": {
      type: "int",
      get: () => balloon.pollingSeconds,
      set(value) {
        if (typeof value !== "bigint") {
          throw new QmpError("Invalid parameter type for 'guest-stats-polling-interval', expected: integer");
        }
        if (value < 0n) throw new QmpError("timer value must be greater than zero");
        if (value > 0xffff_ffffn) throw new QmpError("timer value is too big");
        balloon.setPollingSeconds(Number(value));
      },
    },
  };
}

const TYPES: Readonly<Record<string, string>> = { string: "string", number: "int", boolean: "bool" };

function scalars(values: Readonly<Record<string, string | number | boolean>>): Readonly<Record<string, QomProperty>> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, fixed(TYPES[typeof value] ?? "string", value)]),
  );
}
