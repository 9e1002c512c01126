/** Disks. */
import { hmpCommand, type MonitorModule, qmpCommand, qmpEvent } from "#control/monitor/command.ts";
import type { MonitorContext } from "#control/monitor/context.ts";
import { deviceOfDrive, peripheralPath } from "#control/monitor/inspect/devices.ts";
import { IO_STATUS, IO_STATUSES } from "#control/monitor/io-status.ts";
import { any, array, bool, enumeration, int, object, optional, type ReplyOf, str } from "#control/monitor/schema.ts";
import type { DriveConfig, MachineConfig } from "#machine/config.ts";
import { blkOptions } from "#machine/virt/virtio-options.ts";

const IMAGE_INFO = object("ImageInfo", {
  filename: str,
  format: str,
  "dirty-flag": optional(bool),
  "virtual-size": int,
});
const BLOCK_DEVICE_INFO = object("BlockDeviceInfo", {
  file: str,
  "node-name": optional(str),
  ro: bool,
  drv: str,
  backing_file_depth: int,
  encrypted: bool,
  detect_zeroes: enumeration("BlockdevDetectZeroesOptions", ["off", "on", "unmap"]),
  bps: int,
  bps_rd: int,
  bps_wr: int,
  iops: int,
  iops_rd: int,
  iops_wr: int,
  image: IMAGE_INFO,
  cache: object("BlockdevCacheInfo", { writeback: bool, direct: bool, "no-flush": bool }),
  write_threshold: int,
});
const BLOCK_INFO = object("BlockInfo", {
  device: str,
  qdev: optional(str),
  type: str,
  removable: bool,
  locked: bool,
  inserted: optional(BLOCK_DEVICE_INFO),
  "io-status": optional(enumeration("BlockDeviceIoStatus", IO_STATUSES)),
});
const COUNTS = object("BlockDeviceStats", {
  rd_bytes: int,
  wr_bytes: int,
  unmap_bytes: int,
  rd_operations: int,
  wr_operations: int,
  flush_operations: int,
  unmap_operations: int,
  rd_total_time_ns: int,
  wr_total_time_ns: int,
  flush_total_time_ns: int,
  unmap_total_time_ns: int,
  wr_highest_offset: int,
  rd_merged: int,
  wr_merged: int,
  unmap_merged: int,
  failed_rd_operations: int,
  failed_wr_operations: int,
  failed_flush_operations: int,
  failed_unmap_operations: int,
  invalid_rd_operations: int,
  invalid_wr_operations: int,
  invalid_flush_operations: int,
  invalid_unmap_operations: int,
  account_invalid: bool,
  account_failed: bool,
  timed_stats: array(any),
});
const BLOCK_STATS = object("BlockStats", {
  device: optional(str),
  qdev: optional(str),
  "node-name": optional(str),
  stats: COUNTS,
});

/** The node's name: given with `-blockdev`, made up for a `-drive`. */
function nodeName({ drives }: MachineConfig, drive: DriveConfig): string {
  return drive.isNode ? drive.id : `#block${String(drives.indexOf(drive)).padStart(3, "0")}`;
}

function deviceInfo({ config, host }: MonitorContext, drive: DriveConfig): ReplyOf<typeof BLOCK_DEVICE_INFO> {
  const unlimited = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 };
  const sizeBytes = host.drive(drive.id)?.sizeBytes ?? 0;
  return {
    file: drive.file,
    "node-name": nodeName(config, drive),
    ro: drive.readOnly,
    drv: drive.format,
    backing_file_depth: 0,
    encrypted: false,
    detect_zeroes: "off",
    ...unlimited,
    image: { "virtual-size": sizeBytes, filename: drive.file, format: drive.format, "dirty-flag": false },
    cache: { "no-flush": drive.noFlush, direct: false, writeback: true },
    write_threshold: 0,
  };
}

/** Drives that stand in `query-block`: all but nodes that no device has. */
function attachedDrives({ config }: MonitorContext): readonly DriveConfig[] {
  return config.drives.filter(
    (drive) => !drive.isNode || deviceOfDrive(config, drive.id) || drive.interface === "pflash",
  );
}

function qdevOf(config: MachineConfig, drive: DriveConfig): string | undefined {
  const device = deviceOfDrive(config, drive.id);
  return device && (device.id ?? peripheralPath(config, device));
}

function counts({ host }: MonitorContext, drive: DriveConfig): ReplyOf<typeof COUNTS> {
  const counted = host.drive(drive.id)?.statistics;
  const none = { operations: 0, bytes: 0, timeNs: 0, failed: 0 };
  const { read = none, write = none, flush = none, unmap = none } = counted ?? {};
  return {
    rd_bytes: read.bytes,
    wr_bytes: write.bytes,
    unmap_bytes: unmap.bytes,
    rd_operations: read.operations,
    wr_operations: write.operations,
    flush_operations: flush.operations,
    unmap_operations: unmap.operations,
    rd_total_time_ns: Math.floor(read.timeNs),
    wr_total_time_ns: Math.floor(write.timeNs),
    flush_total_time_ns: Math.floor(flush.timeNs),
    unmap_total_time_ns: Math.floor(unmap.timeNs),
    wr_highest_offset: counted?.highestWrite ?? 0,
    rd_merged: 0,
    wr_merged: 0,
    unmap_merged: 0,
    failed_rd_operations: read.failed,
    failed_wr_operations: write.failed,
    failed_flush_operations: flush.failed,
    failed_unmap_operations: unmap.failed,
    invalid_rd_operations: 0,
    invalid_wr_operations: 0,
    invalid_flush_operations: 0,
    invalid_unmap_operations: 0,
    account_invalid: false,
    account_failed: true,
    timed_stats: [],
  };
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
        "node-name": nodeName(context.config, drive),
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
            inserted: deviceInfo(context, drive),
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
      run: (context) => context.config.drives.map((drive) => deviceInfo(context, drive)),
    }),
    qmpCommand({
      name: "query-blockstats",
      help: "What was done to the disks, or with `query-nodes` to the block nodes.",
      args: { "query-nodes": optional(bool) },
      returns: array(BLOCK_STATS),
      run(context, args) {
        const drives = args["query-nodes"] ? context.config.drives : attachedDrives(context);
        return drives.map((drive) => {
          const qdev = qdevOf(context.config, drive);
          const device = args["query-nodes"] ? {} : { device: deviceName(drive), ...(qdev !== undefined && { qdev }) };
          return { ...device, "node-name": nodeName(context.config, drive), stats: counts(context, drive) };
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
        { name: "verbose", kind: "switch", letter: "v" },
        { name: "device", kind: "word", isOptional: true },
      ],
      help: "the disks, or one of them",
      run: (context, args) =>
        attachedDrives(context)
          .filter((drive) => args.text("device") === undefined || drive.id === args.text("device"))
          .map((drive) => describeDrive(context, drive, args.isOn("verbose")))
          .join("\n"),
    }),
    hmpCommand({
      name: "blockstats",
      help: "what was done to the disks",
      run: (context) =>
        attachedDrives(context)
          .map((drive) => {
            const all: Readonly<Record<string, unknown>> = counts(context, drive);
            const shown = SHOWN_COUNTS.map((name) => `${name}=${String(all[name])}`).join(" ");
            return `${deviceName(drive)}: ${shown}\n`;
          })
          .join(""),
    }),
  ],
};

const SHOWN_COUNTS: readonly string[] = [
  ..."rd_bytes wr_bytes rd_operations wr_operations flush_operations wr_total_time_ns rd_total_time_ns".split(" "),
  ..."flush_total_time_ns rd_merged wr_merged".split(" "),
];

function describeDrive(context: MonitorContext, drive: DriveConfig, isVerbose: boolean): string {
  const { config, host } = context;
  const name = nodeName(config, drive);
  const title = drive.isNode ? name : `${drive.id} (${name})`;
  const qdev = qdevOf(config, drive);
  const status = context.part(IO_STATUS).of(drive.id);
  const lines = [
    `${title}: ${drive.file} (${drive.format}${drive.readOnly ? ", read-only" : ""})`,
    ...(qdev === undefined ? [] : [`    Attached to:      ${qdev}`]),
    ...(stopsOnErrors(config, drive) && status !== "ok" ? [`    I/O status:       ${status}`] : []),
    `    Cache mode:       writeback${drive.noFlush ? ", ignore flushes" : ""}`,
    ...(isVerbose ? [`    Virtual size:     ${host.drive(drive.id)?.sizeBytes ?? 0} bytes`] : []),
  ];
  return `${lines.join("\n")}\n`;
}
