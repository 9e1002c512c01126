/**
 * The block nodes of drives, as `query-block` and its kin show them: a format above a file, or a file alone
 * (`-blockdev driver=file`).
 */
import type { MonitorContext } from "#control/monitor/context.ts";
import { any, array, bool, enumeration, int, object, optional, type ReplyOf, str } from "#control/monitor/schema.ts";
import type { DriveConfig, MachineConfig } from "#machine/config.ts";

export const BLOCK_DEVICE_INFO = object("BlockDeviceInfo", {
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
  image: object("ImageInfo", {
    filename: str,
    format: str,
    "dirty-flag": optional(bool),
    "actual-size": optional(int),
    "virtual-size": int,
  }),
  cache: object("BlockdevCacheInfo", { writeback: bool, direct: bool, "no-flush": bool }),
  write_threshold: int,
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
  idle_time_ns: optional(int),
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
const NODE_STATS = {
  device: optional(str),
  qdev: optional(str),
  "node-name": optional(str),
  stats: COUNTS,
  "driver-specific": optional(
    object("BlockStatsSpecific", {
      driver: str,
      "discard-nb-ok": int,
      "discard-nb-failed": int,
      "discard-bytes-ok": int,
    }),
  ),
};
export const BLOCK_STATS = object("BlockStats", {
  ...NODE_STATS,
  parent: optional(object("BlockStats", NODE_STATS)),
});

export type BlockNode = { readonly name: string; readonly driver: "raw" | "file" };

/** From the top. A name that is not given is made up. */
export function nodesOf(config: MachineConfig, drive: DriveConfig): readonly [BlockNode, ...BlockNode[]] {
  const made = (layer: number): string => `#block${String(2 * config.drives.indexOf(drive) + layer).padStart(3, "0")}`;
  const name = drive.isNode ? drive.id : made(0);
  if (drive.isFileAlone) return [{ name, driver: "file" }];
  return [
    { name, driver: drive.format },
    { name: drive.fileNode ?? made(1), driver: "file" },
  ];
}

/** `writeback` is the mode of the device that has the drive. */
export function nodeInfo(
  { host }: MonitorContext,
  drive: DriveConfig,
  { name, driver }: BlockNode,
  writeback = true,
): ReplyOf<typeof BLOCK_DEVICE_INFO> {
  const unlimited = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 };
  const { sizeBytes = 0, allocatedBytes } = host.drive(drive.id) ?? {};
  return {
    file: drive.file,
    "node-name": name,
    ro: drive.readOnly,
    drv: driver,
    backing_file_depth: 0,
    encrypted: false,
    detect_zeroes: "off",
    ...unlimited,
    image: {
      "virtual-size": sizeBytes,
      filename: drive.file,
      format: driver,
      ...(allocatedBytes !== undefined && { "actual-size": allocatedBytes }),
      "dirty-flag": false,
    },
    cache: { "no-flush": drive.noFlush, direct: false, writeback },
    write_threshold: 0,
  };
}

/** What a device has done to its drive. */
export function deviceCounts({ host }: MonitorContext, drive: DriveConfig): ReplyOf<typeof COUNTS> {
  const counted = host.drive(drive.id)?.statistics;
  const none = { operations: 0, bytes: 0, timeNs: 0, failed: 0 };
  const { read = none, write = none, flush = none, unmap = none, idleNs } = counted ?? {};
  return {
    ...NO_COUNTS,
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
    ...(idleNs !== undefined && { idle_time_ns: Math.floor(idleNs) }),
    failed_rd_operations: read.failed,
    failed_wr_operations: write.failed,
    failed_flush_operations: flush.failed,
    failed_unmap_operations: unmap.failed,
    account_invalid: true,
    account_failed: true,
  };
}

/** Of a node QEMU keeps but one figure; the others are the device's. Discards do not reach the file. */
export function nodeStats(
  context: MonitorContext,
  drive: DriveConfig,
  nodes: readonly BlockNode[],
): ReplyOf<typeof BLOCK_STATS> {
  const [node, below] = nodes;
  return {
    ...(node && { "node-name": node.name }),
    stats: { ...NO_COUNTS, wr_highest_offset: context.host.drive(drive.id)?.statistics.highestWrite ?? 0 },
    ...fileStats(node),
    ...(below && { parent: nodeStats(context, drive, [below]) }),
  };
}

function fileStats(node: BlockNode | undefined): Pick<ReplyOf<typeof BLOCK_STATS>, "driver-specific"> {
  if (node?.driver !== "file") return {};
  return {
    "driver-specific": { driver: "file", "discard-nb-ok": 0, "discard-nb-failed": 0, "discard-bytes-ok": 0 },
  };
}

const NO_COUNTS: ReplyOf<typeof COUNTS> = {
  rd_bytes: 0,
  wr_bytes: 0,
  unmap_bytes: 0,
  rd_operations: 0,
  wr_operations: 0,
  flush_operations: 0,
  unmap_operations: 0,
  rd_total_time_ns: 0,
  wr_total_time_ns: 0,
  flush_total_time_ns: 0,
  unmap_total_time_ns: 0,
  wr_highest_offset: 0,
  rd_merged: 0,
  wr_merged: 0,
  unmap_merged: 0,
  failed_rd_operations: 0,
  failed_wr_operations: 0,
  failed_flush_operations: 0,
  failed_unmap_operations: 0,
  invalid_rd_operations: 0,
  invalid_wr_operations: 0,
  invalid_flush_operations: 0,
  invalid_unmap_operations: 0,
  account_invalid: false,
  account_failed: false,
  timed_stats: [],
};
