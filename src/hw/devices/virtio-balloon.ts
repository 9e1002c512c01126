/**
 * virtio-balloon: asks the guest to give memory back, and for its memory statistics.
 *
 * `setTargetBytes` -> num_pages -> the driver inflates or deflates -> actual -> `changed`.
 * Pages in the balloon stay where they are: memory of a WebAssembly instance cannot be given back to the host.
 *
 * Spec: virtio 1.2, 5.5 "Traditional Memory Balloon Device".
 * Thread: machine.
 * Not modelled: free page hints and reporting.
 */
import type { ByteReader, ByteWriter } from "#core/bytes.ts";
import type { Clock, Timers } from "#core/host.ts";
import { StateError } from "#core/vmstate.ts";
import { gather } from "#hw/bus/virtio/buffers.ts";
import type { VirtioDevice, VirtioHost } from "#hw/bus/virtio/virtio-device.ts";
import { UNCONNECTED } from "#hw/bus/virtio/virtio-device.ts";
import type { Chain } from "#hw/bus/virtio/virtqueue.ts";

const DEVICE_ID = 5;
const QUEUE_SIZE = 128;
const INFLATE_QUEUE = 0;
const DEFLATE_QUEUE = 1;
const STATS_QUEUE = 2;
/** Pages of the interface, whatever the guest's own page size is. */
const BALLOON_PAGE_BYTES = 4096;

const VIRTIO_BALLOON_F_STATS_VQ = 1n << 1n;
const VIRTIO_BALLOON_F_DEFLATE_ON_OOM = 1n << 2n;
const VIRTIO_BALLOON_F_PAGE_POISON = 1n << 4n;

/** Comes with its mark after the balloon's two numbers when the driver took the feature. */
const PAGE_POISON_SUBSECTION = "virtio-balloon-device/page-poison";
const SUBSECTION = 5;

/** Names as QMP's `guest-stats` has them, in the order of the specification's tags (5.5.6.3). */
const STAT_NAMES = [
  "stat-swap-in",
  "stat-swap-out",
  "stat-major-faults",
  "stat-minor-faults",
  "stat-free-memory",
  "stat-total-memory",
  "stat-available-memory",
  "stat-disk-caches",
  "stat-htlb-pgalloc",
  "stat-htlb-pgfail",
] as const;
const STAT_BYTES = 10;
/** A statistic that the guest did not give. */
const STAT_UNKNOWN = 0xffff_ffff_ffff_ffffn;

export type BalloonStats = { readonly [K in (typeof STAT_NAMES)[number]]: bigint };

export type VirtioBalloonPorts = {
  readonly clock: Clock;
  readonly timers: Timers;
  /** The guest changed the size of the balloon (QMP's BALLOON_CHANGE). */
  changed?(guestBytes: number): void;
};

export type VirtioBalloonOptions = {
  readonly memoryBytes: number;
  readonly deflateOnOom?: boolean;
};

export class VirtioBalloon implements VirtioDevice {
  readonly typeName = "virtio-balloon-device";
  readonly sectionName = "virtio-balloon";
  readonly sectionVersion = 1;
  readonly deviceId = DEVICE_ID;
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE];
  readonly configBytes = 16;
  readonly #ports: VirtioBalloonPorts;
  readonly #options: VirtioBalloonOptions;
  #host: VirtioHost = UNCONNECTED;
  #targetPages = 0;
  #actualPages = 0;
  #poison = 0;
  #stats = new Map<string, bigint>();
  #statsUpdatedMs = 0;
  #statsChain: Chain | undefined;
  #takesBack = false;
  #pollSeconds = 0;
  #cancelPoll: (() => void) | undefined;

  constructor(ports: VirtioBalloonPorts, options: VirtioBalloonOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /** Asks the guest to keep `bytes` of its memory; more than it has means all of it. */
  setTargetBytes(bytes: number): void {
    const { memoryBytes } = this.#options;
    const pages = Math.floor((memoryBytes - Math.min(bytes, memoryBytes)) / BALLOON_PAGE_BYTES);
    if (pages === this.#targetPages) return;
    this.#targetPages = pages;
    this.#host.notifyConfig();
  }

  /** Memory that the guest has now, in bytes. */
  get guestBytes(): number {
    return Math.max(this.#options.memoryBytes - this.#actualPages * BALLOON_PAGE_BYTES, 0);
  }

  /** The statistics of the guest's last report, and its time (0: none yet); -1 as u64 for what it did not say. */
  get guestStats(): { readonly stats: BalloonStats; readonly lastUpdateMs: number } {
    const entries = STAT_NAMES.map((name) => [name, this.#stats.get(name) ?? STAT_UNKNOWN]);
    return { stats: Object.fromEntries(entries) as BalloonStats, lastUpdateMs: this.#statsUpdatedMs };
  }

  /** Asks for statistics every so many seconds; 0 stops that. */
  setPollingSeconds(seconds: number): void {
    this.#pollSeconds = seconds;
    this.#cancelPoll?.();
    this.#cancelPoll = undefined;
    this.#armPoll();
  }
  get pollingSeconds(): number {
    return this.#pollSeconds;
  }

  offeredFeatures(common: bigint): bigint {
    const own = VIRTIO_BALLOON_F_STATS_VQ | VIRTIO_BALLOON_F_PAGE_POISON;
    return common | own | (this.#options.deflateOnOom ? VIRTIO_BALLOON_F_DEFLATE_ON_OOM : 0n);
  }

  connect(host: VirtioHost): void {
    this.#host = host;
  }

  readConfig(into: Uint8Array): void {
    const view = new DataView(into.buffer, into.byteOffset);
    view.setUint32(0, this.#targetPages, true);
    view.setUint32(4, this.#actualPages, true);
    view.setUint32(8, 0, true); // free_page_hint_cmd_id
    view.setUint32(12, this.#poison, true);
  }

  /** `actual` and `poison_val` are the driver's. */
  writeConfig(config: Uint8Array): void {
    const view = new DataView(config.buffer, config.byteOffset);
    const before = this.#actualPages;
    this.#actualPages = view.getUint32(4, true);
    if (this.#poisons) this.#poison = view.getUint32(12, true);
    if (this.#actualPages !== before) this.#ports.changed?.(this.guestBytes);
  }

  statusChanged(): void {
    // A loaded or freshly started driver keeps a chain waiting in the stats queue.
    this.#armPoll();
  }

  handleQueue(index: number): void {
    const queue = this.#host.queues[index];
    if (!queue) return;
    if (index === STATS_QUEUE && this.#takesBack) {
      queue.putBack();
      this.#takesBack = false;
    }
    for (let taken = 0; taken < queue.size; taken++) {
      const chain = queue.pop();
      if (!chain) return;
      if (index === INFLATE_QUEUE || index === DEFLATE_QUEUE) {
        queue.push(chain, 0);
        queue.notify();
      } else {
        this.#takeStats(chain);
      }
    }
    this.#host.handleLater(index);
  }

  reset(): void {
    this.#statsChain = undefined;
    this.#takesBack = false;
    this.#poison = 0;
    this.#cancelPoll?.();
    this.#cancelPoll = undefined;
  }

  saveDevicePart(out: ByteWriter): void {
    out.u32(this.#targetPages);
    out.u32(this.#actualPages);
    if (!this.#poisons) return;
    out.u8(SUBSECTION);
    out.shortString(PAGE_POISON_SUBSECTION);
    out.u32(1);
    out.u32(this.#poison);
  }
  loadDevicePart(from: ByteReader): void {
    this.#targetPages = from.u32();
    this.#actualPages = from.u32();
    if (!this.#poisons) return;
    if (from.u8() !== SUBSECTION || from.shortString() !== PAGE_POISON_SUBSECTION || from.u32() !== 1) {
      throw new StateError("a virtio-balloon section lacks the poison value, though the driver has the feature");
    }
    this.#poison = from.u32();
  }
  loaded(): void {
    // The chain that the source kept is the last one that it took: it is taken again here.
    this.#takesBack = true;
    this.#host.handle(STATS_QUEUE);
  }

  get #poisons(): boolean {
    return (this.#host.features() & VIRTIO_BALLOON_F_PAGE_POISON) !== 0n;
  }

  /** Keeps the chain: giving it back is how the device asks for the next report. Spec: 5.5.6.3. */
  #takeStats(chain: Chain): void {
    const queue = this.#host.queues[STATS_QUEUE];
    if (this.#statsChain && queue) {
      // The driver must not do this; it gets the older one back.
      queue.push(this.#statsChain, 0);
      queue.notify();
    }
    this.#statsChain = chain;
    const record = new DataView(new ArrayBuffer(STAT_BYTES));
    const count = Math.min(Math.floor(chain.readableBytes / STAT_BYTES), QUEUE_SIZE);
    this.#stats = new Map();
    for (let i = 0; i < count; i++) {
      gather(chain.readable, i * STAT_BYTES, new Uint8Array(record.buffer));
      const name = STAT_NAMES[record.getUint16(0, true)];
      if (name) this.#stats.set(name, record.getBigUint64(2, true));
    }
    this.#statsUpdatedMs = this.#ports.clock.wallMs();
    this.#armPoll();
  }

  #armPoll(): void {
    if (this.#pollSeconds === 0 || this.#cancelPoll) return;
    this.#cancelPoll = this.#ports.timers.at(this.#ports.clock.nowNs() + this.#pollSeconds * 1e9, () => {
      this.#cancelPoll = undefined;
      const [queue, chain] = [this.#host.queues[STATS_QUEUE], this.#statsChain];
      if (!queue || !chain) return this.#armPoll();
      this.#statsChain = undefined;
      queue.push(chain, 0);
      queue.notify();
    });
  }
}
