/**
 * The contract between a virtio device and its transport.
 * Spec: virtio 1.2, chapter 2; feature bits in chapter 6.
 */
import type { ByteReader, ByteWriter } from "#core/bytes.ts";
import type { Virtqueue } from "#hw/bus/virtio/virtqueue.ts";

export const VIRTIO_F_NOTIFY_ON_EMPTY = 1n << 24n;
export const VIRTIO_F_ANY_LAYOUT = 1n << 27n;
export const VIRTIO_F_INDIRECT_DESC = 1n << 28n;
export const VIRTIO_F_EVENT_IDX = 1n << 29n;
export const VIRTIO_F_VERSION_1 = 1n << 32n;
export const VIRTIO_F_RING_RESET = 1n << 40n;

export const DRIVER_OK = 4;
export const FEATURES_OK = 8;
export const DEVICE_NEEDS_RESET = 64;

/** What a device has of its transport. Thread: machine. */
export type VirtioHost = {
  readonly queues: readonly Virtqueue[];
  /** The negotiated features. */
  features(): bigint;
  status(): number;
  /** The configuration changed: interrupts the driver. */
  notifyConfig(): void;
  /** The driver broke the rules: the device stops until it is reset. */
  fail(reason: string): void;
  /** Has the device handle a queue now, or when the guest pages that it lacks have come. */
  handle(queue: number): void;
  /** The same soon, from the event loop, so that a guest that keeps a device busy does not hold up the machine. */
  handleLater(queue: number): void;
  /**
   * Does `work` now. If it throws `PageMissing` it is done anew when those pages have come, or `again` in its place; not
   * after a reset. While work with the same `key` waits nothing is begun: what waits does it all.
   */
  attempt(key: string, work: () => void, again?: () => void): void;
};

/** Does nothing: what a device has before it is connected. */
export const UNCONNECTED: VirtioHost = {
  queues: [],
  features: () => 0n,
  status: () => 0,
  notifyConfig() {},
  fail() {},
  handle() {},
  handleLater() {},
  attempt() {},
};

/**
 * A virtio device without its registers. Nothing here throws on what a guest does. `handleQueue` may throw `PageMissing`
 * (from `pop`) and is called again then; whatever else pops runs in `attempt`.
 */
export type VirtioDevice = {
  /** QEMU's `-device` name, for example "virtio-blk-device". */
  readonly typeName: string;
  /** Name and version of its migration section, for example "virtio-blk" and 2. */
  readonly sectionName: string;
  readonly sectionVersion: number;
  readonly deviceId: number;
  /** The features offered: the device's own with those of `common` (the transport's) that it allows. */
  offeredFeatures(common: bigint, legacy: boolean): bigint;
  readonly queueSizes: readonly number[];
  readonly configBytes: number;
  connect(host: VirtioHost): void;
  /** Fills the configuration space; little-endian. `into` has `configBytes`. */
  readConfig(into: Uint8Array): void;
  /** The configuration space after the driver's write. */
  writeConfig(config: Uint8Array): void;
  /** The status changed, for example to DRIVER_OK: the features are settled then. */
  statusChanged(status: number): void;
  /** The driver notified queue `index`. Takes at most a queueful of chains in one call. */
  handleQueue(index: number): void;
  /** Drops what is under way. The queues are reset by the transport. */
  reset(): void;
  /** The machine runs from now on, or has stopped. */
  machineRuns?(isRunning: boolean): void;
  /** Resolves when no request is in the host's hands; the queues may then be saved. */
  drain?(): Promise<void>;
  /** The configuration as the driver of the source saw it last, or zeros if it never looked. */
  loadConfig?(config: Uint8Array): void;
  /** The device's part of its migration section. */
  saveDevicePart(out: ByteWriter): void;
  /** Throws `StateError` or `TruncatedError`. */
  loadDevicePart(from: ByteReader): void;
  /** Everything is loaded, the queues too. */
  loaded?(): void;
};
