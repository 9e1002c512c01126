/** Disks. */
import { hmpCommand, type MonitorModule, qmpCommand, qmpEvent } from "#control/monitor/command.ts";
import type { MonitorContext } from "#control/monitor/context.ts";
import { deviceOfDrive, peripheralPath } from "#control/monitor/inspect/devices.ts";
import {
  BLOCK_DEVICE_INFO,
  BLOCK_STATS,
  type BlockNode,
  deviceCounts,
  nodeInfo,
  nodesOf,
  nodeStats,
} from "#control/monitor/inspect/block-nodes.ts";
import { IO_STATUS, IO_STATUSES } from "#control/monitor/io-status.ts";
import { array, bool, enumeration, object, optional, str } from "#control/monitor/schema.ts";
import type { DriveConfig, MachineConfig } from "#machine/config.ts";
import { blkOptions } from "#machine/virt/virtio-options.ts";

const BLOCK_INFO = object("BlockInfo", {
  device: str,
  qdev: optional(str),
  type: str,
  removable: bool,
  locked: bool,
  inserted: optional(BLOCK_DEVICE_INFO),
  "io-status": optional(enumeration("BlockDeviceIoStatus", IO_STATUSES)),
});
/** Drives that stand in `query-block`: all but nodes that no device has. */
function attachedDrives({ config }: MonitorContext): readonly DriveConfig[] {
  return config.drives.filter(
    (drive) => !drive.isNode || deviceOfDrive(config, drive.id) || drive.interface === "pflash",
  );
}

/** All block nodes, each with those below it. */
function allNodes({ config }: MonitorContext) {
  return config.drives.flatMap((drive) => {
    const nodes = nodesOf(config, drive);
    return nodes.map((node, i) => ({ drive, nodes: [node, ...nodes.slice(i + 1)] as const }));
  });
}

/** Whether the device of a drive has a write cache now, which its guest may switch. */
function writesBack({ machine }: MonitorContext, drive: DriveConfig): boolean {
  return machine?.disk(drive.id)?.writesBack ?? true;
}

function qdevOf(config: MachineConfig, drive: DriveConfig): string | undefined {
  const device = deviceOfDrive(config, drive.id);
  return device && (device.id ?? peripheralPath(config, device));
}

const deviceName = (drive: DriveConfig): string => (drive.isNode ? "" : drive.id);

/** What a failed read or write of a drive does, by its device's properties and its own. */
function errorPolicies(config: MachineConfig, drive: DriveConfig) {
  const { readErrors = "report", writeErrors = "enospc" } = blkOptions(
    deviceOfDrive(config, drive.id)?.properties ?? {},
    drive,
  );
  return { readErrors, writeErrors };
}
function stopsOnErrors(config: MachineConfig, drive: DriveConfig): boolean {
  if (!deviceOfDrive(config, drive.id)) return false;
  const { readErrors, writeErrors } = errorPolicies(config, drive);
  return readErrors === "stop" || writeErrors === "stop" || writeErrors === "enospc";
}

export const BLOCK: MonitorModule = {
  title: "Disks",
  start(context) {
    // It follows the machine from now on.
    context.part(IO_STATUS);
    context.machine?.on((event) => {
      if (event.kind !== "io-error") return;
      const drive = context.config.drives.find(({ id }) => id === event.drive);
      if (!drive) return;
      context.emit("BLOCK_IO_ERROR", {
        device: deviceName(drive),
        "node-name": nodesOf(context.config, drive)[0].name,
        operation: event.operation,
        action: event.action,
        ...(stopsOnErrors(context.config, drive) && { nospace: event.isOutOfSpace }),
        reason: event.reason,
      });
    });
  },
  events: [
    qmpEvent("BLOCK_IO_ERROR", "A disk has failed. With the action `stop` the machine stops, and STOP follows.", {
      device: str,
      "node-name": optional(str),
      operation: enumeration("IoOperationType", ["read", "write"]),
      action: enumeration("BlockErrorAction", ["ignore", "report", "stop"]),
      nospace: optional(bool),
      reason: str,
    }),
  ],
  commands: [
    qmpCommand({
      name: "query-block",
      help: "The disks that devices have.",
      returns: array(BLOCK_INFO),
      run: (context) =>
        attachedDrives(context).map((drive) => {
          const qdev = qdevOf(context.config, drive);
          return {
            ...(stopsOnErrors(context.config, drive) && { "io-status": context.part(IO_STATUS).of(drive.id) }),
            device: deviceName(drive),
            locked: false,
            removable: false,
            inserted: nodeInfo(context, drive, nodesOf(context.config, drive)[0], writesBack(context, drive)),
            ...(qdev === undefined ? {} : { qdev }),
            type: "unknown",
          };
        }),
    }),
    qmpCommand({
      name: "query-named-block-nodes",
      help: "All block nodes.",
      args: { flat: optional(bool) },
      returns: array(BLOCK_DEVICE_INFO),
      run: (context) => allNodes(context).map(({ drive, nodes: [node] }) => nodeInfo(context, drive, node)),
    }),
    qmpCommand({
      name: "query-blockstats",
      help: "What was done to the disks, or with `query-nodes` to the block nodes.",
      args: { "query-nodes": optional(bool) },
      returns: array(BLOCK_STATS),
      run(context, args) {
        if (args["query-nodes"]) return allNodes(context).map(({ drive, nodes }) => nodeStats(context, drive, nodes));
        return attachedDrives(context).map((drive) => {
          const qdev = qdevOf(context.config, drive);
          return {
            device: deviceName(drive),
            ...(qdev !== undefined && { qdev }),
            ...nodeStats(context, drive, nodesOf(context.config, drive)),
            stats: deviceCounts(context, drive),
          };
        });
      },
    }),
    qmpCommand({
      name: "query-block-jobs",
      help: "Jobs on disks: none.",
      returns: array(object("BlockJobInfo", {})),
      run: () => [],
    }),
  ],
  info: [
    hmpCommand({
      name: "block",
      parameters: [
        { name: "nodes", kind: "switch", letter: "n" },
        { name: "verbose", kind: "switch", letter: "v" },
        { name: "device", kind: "word", isOptional: true },
      ],
      help: "the disks, or one of them; with -v more of them, with -n the block nodes",
      run(context, args) {
        const isVerbose = args.isOn("verbose");
        const wanted = args.text("device");
        if (args.isOn("nodes")) {
          return allNodes(context)
            .filter(({ nodes: [node] }) => wanted === undefined || node.name === wanted)
            .map(({ drive, nodes: [node] }) => describeNode(context, drive, node, isVerbose))
            .join("\n");
        }
        return attachedDrives(context)
          .filter((drive) => wanted === undefined || drive.id === wanted)
          .map((drive) => describeDrive(context, drive, isVerbose))
          .join("\n");
      },
    }),
    hmpCommand({
      name: "blockstats",
      help: "what was done to the disks",
      run: (context) =>
        attachedDrives(context)
          .map((drive) => {
            const all: Readonly<Record<string, unknown>> = { idle_time_ns: 0, ...deviceCounts(context, drive) };
            const shown = SHOWN_COUNTS.map((name) => `${name}=${String(all[name])}`).join(" ");
            return `${deviceName(drive)}: ${shown}\n`;
          })
          .join(""),
    }),
  ],
};

const SHOWN_COUNTS: readonly string[] = [
  ..."rd_bytes wr_bytes rd_operations wr_operations flush_operations wr_total_time_ns rd_total_time_ns".split(" "),
  ..."flush_total_time_ns rd_merged wr_merged idle_time_ns".split(" "),
];

function describeDrive(context: MonitorContext, drive: DriveConfig, isVerbose: boolean): string {
  const { config } = context;
  const [node] = nodesOf(config, drive);
  const qdev = qdevOf(config, drive);
  const status = context.part(IO_STATUS).of(drive.id);
  return describe(context, drive, node, isVerbose, {
    title: drive.isNode ? node.name : `${drive.id} (${node.name})`,
    more: [
      ...(qdev === undefined ? [] : [`    Attached to:      ${qdev}`]),
      ...(stopsOnErrors(config, drive) && status !== "ok" ? [`    I/O status:       ${status}`] : []),
    ],
    writeback: writesBack(context, drive),
  });
}

function describeNode(context: MonitorContext, drive: DriveConfig, node: BlockNode, isVerbose: boolean): string {
  return describe(context, drive, node, isVerbose, { title: node.name, more: [], writeback: true });
}

type Described = { readonly title: string; readonly more: readonly string[]; readonly writeback: boolean };

function describe(
  { host }: MonitorContext,
  drive: DriveConfig,
  node: BlockNode,
  isVerbose: boolean,
  { title, more, writeback }: Described,
): string {
  const { sizeBytes = 0, allocatedBytes } = host.drive(drive.id) ?? {};
  const lines = [
    `${title}: ${drive.file} (${node.driver}${drive.readOnly ? ", read-only" : ""})`,
    ...more,
    `    Cache mode:       ${writeback ? "writeback" : "writethrough"}${drive.noFlush ? ", ignore flushes" : ""}`,
  ];
  if (isVerbose) {
    lines.push("", "Images:", `image: ${drive.file}`, `file format: ${node.driver}`);
    lines.push(`virtual size: ${sizeText(sizeBytes)} (${sizeBytes} bytes)`);
    if (allocatedBytes !== undefined) lines.push(`disk size: ${sizeText(allocatedBytes)}`);
  }
  return `${lines.join("\n")}\n`;
}

/** Three digits, as QEMU: "1 MiB", "1.5 GiB", "990 B", "0.98 KiB". */
function sizeText(bytes: number): string {
  const units = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
  let [value, unit] = [bytes, 0];
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1024;
  return `${Number(value.toPrecision(3))} ${units[unit]}B`;
}
