/**
 * Devices that `-device` can make: names, the bus each sits on, and their properties.
 *
 * Names, types and meaning are QEMU's; a property with `only` has one value that works here.
 */

import type { PropertyRow } from "./properties.ts";

export type DeviceBus = "virtio-bus" | "virtio-serial-bus";

export type DeviceRow = {
  readonly driver: string;
  readonly bus: DeviceBus;
  /** The kind of bus that the device itself offers to others. */
  readonly offers?: "virtio-serial-bus";
  readonly category: "Storage" | "Input" | "Misc";
  readonly description: string;
  readonly properties: readonly PropertyRow[];
};

const VIRTIO_PROPERTIES: readonly PropertyRow[] = [
  { name: "any_layout", type: "bool", help: "offer VIRTIO_F_ANY_LAYOUT" },
  { name: "event_idx", type: "bool", help: "offer VIRTIO_RING_F_EVENT_IDX" },
  { name: "indirect_desc", type: "bool", help: "offer VIRTIO_RING_F_INDIRECT_DESC" },
  { name: "iommu_platform", type: "bool", only: false, help: "offer VIRTIO_F_ACCESS_PLATFORM; only off" },
  { name: "notify_on_empty", type: "bool", help: "offer VIRTIO_F_NOTIFY_ON_EMPTY" },
  { name: "packed", type: "bool", only: false, help: "packed rings; only off" },
  { name: "queue_reset", type: "bool", help: "offer VIRTIO_F_RING_RESET" },
];

const IOTHREAD: PropertyRow = { name: "iothread", type: "str", link: "iothread", help: "accepted; has no effect here" };
const ERROR_ACTIONS = ["report", "ignore", "enospc", "stop", "auto"] as const;

const BLOCK_PROPERTIES: readonly PropertyRow[] = [
  { name: "bootindex", type: "int32", help: "accepted; the firmware does not read it" },
  { name: "config-wce", type: "bool", help: "let the guest switch the write cache" },
  { name: "discard", type: "bool", help: "offer VIRTIO_BLK_F_DISCARD" },
  { name: "discard_granularity", type: "size", help: "unit of discards in bytes" },
  { name: "drive", type: "str", link: "drive", help: "id or node name of the disk behind it" },
  IOTHREAD,
  { name: "logical_block_size", type: "size", help: "bytes; a power of two from 512 to 2 MiB" },
  { name: "max-discard-sectors", type: "uint32", help: "most sectors in one discard" },
  { name: "max-write-zeroes-sectors", type: "uint32", help: "most sectors in one write-zeroes" },
  { name: "min_io_size", type: "size", help: "hint to the guest, in bytes" },
  { name: "num-queues", type: "uint16", help: "number of request queues" },
  { name: "opt_io_size", type: "size", help: "hint to the guest, in bytes" },
  { name: "physical_block_size", type: "size", help: "bytes; a power of two from 512 to 2 MiB" },
  { name: "queue-size", type: "uint16", help: "entries in a queue" },
  { name: "report-discard-granularity", type: "bool", help: "tell the guest discard_granularity" },
  { name: "request-merging", type: "bool", help: "accepted; requests are never merged" },
  { name: "rerror", type: ERROR_ACTIONS, help: "what a failed read does" },
  { name: "scsi", type: "bool", only: false, help: "SCSI passthrough; only off" },
  { name: "seg-max-adjust", type: "bool", help: "derive seg_max from queue-size" },
  { name: "serial", type: "str", help: "what the guest reads as serial number; the first 20 bytes count" },
  { name: "share-rw", type: "bool", help: "accepted; files are not locked" },
  { name: "werror", type: ERROR_ACTIONS, help: "what a failed write does" },
  { name: "write-cache", type: "on-off-auto", help: "whether the guest sees a write-back cache" },
  { name: "write-zeroes", type: "bool", help: "offer VIRTIO_BLK_F_WRITE_ZEROES" },
];

export const DEVICES: readonly DeviceRow[] = [
  {
    driver: "virtio-blk-device",
    bus: "virtio-bus",
    category: "Storage",
    description: "virtio disk",
    properties: [...BLOCK_PROPERTIES, ...VIRTIO_PROPERTIES],
  },
  {
    driver: "virtio-serial-device",
    bus: "virtio-bus",
    offers: "virtio-serial-bus",
    category: "Input",
    description: "virtio serial controller",
    properties: [
      { name: "emergency-write", type: "bool", help: "offer VIRTIO_CONSOLE_F_EMERG_WRITE" },
      { name: "max_ports", type: "uint32", help: "number of ports; 31 at most" },
      ...VIRTIO_PROPERTIES,
    ],
  },
  {
    driver: "virtconsole",
    bus: "virtio-serial-bus",
    category: "Input",
    description: "console on a virtio serial controller",
    properties: [
      { name: "chardev", type: "str", link: "chardev", help: "id of the character device behind it" },
      { name: "name", type: "str", help: "name that the guest sees" },
      { name: "nr", type: "uint32", help: "port number" },
    ],
  },
  {
    driver: "virtio-balloon-device",
    bus: "virtio-bus",
    category: "Misc",
    description: "virtio memory balloon",
    properties: [
      { name: "deflate-on-oom", type: "bool", help: "offer VIRTIO_BALLOON_F_DEFLATE_ON_OOM" },
      { name: "free-page-hint", type: "bool", only: false, help: "free page hinting; only off" },
      { name: "free-page-reporting", type: "bool", help: "offer VIRTIO_BALLOON_F_REPORTING" },
      { name: "guest-stats-polling-interval", type: "int64", help: "seconds between statistics" },
      IOTHREAD,
      { name: "page-poison", type: "bool", help: "offer VIRTIO_BALLOON_F_PAGE_POISON" },
      ...VIRTIO_PROPERTIES,
    ],
  },
  {
    driver: "virtio-rng-device",
    bus: "virtio-bus",
    category: "Misc",
    description: "virtio entropy source",
    properties: [
      { name: "max-bytes", type: "uint64", help: "most bytes in a period" },
      { name: "period", type: "uint32", help: "milliseconds" },
      { name: "rng", type: "str", link: "rng-backend", help: "id of the rng object behind it" },
      ...VIRTIO_PROPERTIES,
    ],
  },
];

/** Devices of QEMU's riscv64 that sit on the board and are no argument of `-device`. */
export const BOARD_DEVICES: readonly string[] = [
  "virtio-mmio",
  "riscv.sifive.plic",
  "riscv.aclint.mtimer",
  "riscv.aclint.swi",
  "riscv.sifive.test",
  "goldfish_rtc",
  "serial-mm",
  "fw_cfg_mem",
  "cfi.pflash01",
];

export function findDevice(driver: string): DeviceRow | undefined {
  return DEVICES.find((row) => row.driver === driver);
}
