/**
 * virtio-blk: a disk.
 *
 * queue -> request -> disk, several in flight -> status byte -> queue. Data goes through buffers of our own, so that
 * a request that a reset of device or queue has overtaken never writes into memory that the guest uses for something else.
 * One that fails may wait until the machine runs on (`werror=stop`), and migrates then.
 *
 * Spec: virtio 1.2, 5.2 "Block Device".
 * Thread: machine.
 * Not modelled: SCSI passthrough (answered "unsupported"), multiple queues, zoned devices, lifetime.
 */
import type { ByteReader, ByteWriter } from "#core/bytes.ts";
import type { Disk } from "#core/host.ts";
import { StateError } from "#core/vmstate.ts";
import { type BlockFailure, blockFailure, type ErrorPolicy } from "#io/block/block-failure.ts";
import { gather, scatter } from "#hw/bus/virtio/buffers.ts";
import { decodeElement, encodeElement, type SavedElement, savedElement } from "#hw/bus/virtio/saved-element.ts";
import type { VirtioDevice, VirtioHost } from "#hw/bus/virtio/virtio-device.ts";
import { DRIVER_OK, UNCONNECTED, VIRTIO_F_ANY_LAYOUT } from "#hw/bus/virtio/virtio-device.ts";
import type { Chain, Virtqueue } from "#hw/bus/virtio/virtqueue.ts";
import { VIRTQUEUE_MAX_SIZE } from "#hw/bus/virtio/virtqueue.ts";

const DEVICE_ID = 2;
const SECTOR_BYTES = 512;

const VIRTIO_BLK_F_SEG_MAX = 1n << 2n;
const VIRTIO_BLK_F_GEOMETRY = 1n << 4n;
const VIRTIO_BLK_F_RO = 1n << 5n;
const VIRTIO_BLK_F_BLK_SIZE = 1n << 6n;
const VIRTIO_BLK_F_SCSI = 1n << 7n;
const VIRTIO_BLK_F_FLUSH = 1n << 9n;
const VIRTIO_BLK_F_TOPOLOGY = 1n << 10n;
const VIRTIO_BLK_F_CONFIG_WCE = 1n << 11n;
const VIRTIO_BLK_F_DISCARD = 1n << 13n;
const VIRTIO_BLK_F_WRITE_ZEROES = 1n << 14n;

const VIRTIO_BLK_T_IN = 0;
const VIRTIO_BLK_T_OUT = 1;
const VIRTIO_BLK_T_SCSI_CMD = 2;
const VIRTIO_BLK_T_FLUSH = 4;
const VIRTIO_BLK_T_GET_ID = 8;
const VIRTIO_BLK_T_DISCARD = 11;
const VIRTIO_BLK_T_WRITE_ZEROES = 13;
/** Legacy: waits for what came before; the types are otherwise the same. */
const VIRTIO_BLK_T_BARRIER = 0x8000_0000;

const VIRTIO_BLK_S_OK = 0;
const VIRTIO_BLK_S_IOERR = 1;
const VIRTIO_BLK_S_UNSUPP = 2;

const HEADER_BYTES = 16;
const ID_BYTES = 20;
/** Sectors of one discard or write-zeroes, as QEMU's (2 GiB less a sector). */
const MAX_RANGE_SECTORS = 0x3f_ffff;
const WRITE_ZEROES_FLAG_UNMAP = 1;
/** One read or write above this is refused, and no more is begun above that: a guest must not eat the host's memory. */
const MAX_TRANSFER_BYTES = 64 << 20;
const MAX_IN_FLIGHT_BYTES = 64 << 20;

export type VirtioBlkOptions = {
  /** What GET_ID tells the guest; at most 20 characters count. */
  readonly serial?: string;
  /** `queue-size`; at least 3. */
  readonly queueSize?: number;
  readonly logicalBlockBytes?: number;
  readonly physicalBlockBytes?: number;
  /** `config-wce`, `discard`, `write-zeroes`: offered unless false. */
  readonly configWce?: boolean;
  readonly discard?: boolean;
  readonly writeZeroes?: boolean;
  /** `write-cache`: whether the guest starts with a write-back cache. */
  readonly writeCache?: boolean;
  /** `rerror` and `werror`; by default a read is reported, and a write stops the machine when the host has no space. */
  readonly readErrors?: ErrorPolicy;
  readonly writeErrors?: ErrorPolicy;
  /** The disk has failed. With `action` "stop" the machine is to stop. */
  readonly failed?: (failure: BlockFailure) => void;
};

type Status = typeof VIRTIO_BLK_S_OK | typeof VIRTIO_BLK_S_IOERR | typeof VIRTIO_BLK_S_UNSUPP;

export class VirtioBlk implements VirtioDevice {
  readonly typeName = "virtio-blk-device";
  readonly sectionName = "virtio-blk";
  readonly sectionVersion = 2;
  readonly deviceId = DEVICE_ID;
  readonly queueSizes: readonly number[];
  readonly configBytes: number;
  readonly #disk: Disk;
  readonly #options: Required<Omit<VirtioBlkOptions, "serial">> & { readonly serial: string };
  #host: VirtioHost = UNCONNECTED;
  #writeBack: boolean;
  #inFlight = 0;
  #inFlightBytes = 0;
  /** Requests that failed, or that a migration brought: they are done when the machine runs. */
  #waiting: SavedElement[] = [];
  #isRunning = false;
  #drained: (() => void)[] = [];

  constructor(disk: Disk, options: VirtioBlkOptions = {}) {
    this.#disk = disk;
    this.#options = {
      serial: "",
      queueSize: 256,
      logicalBlockBytes: SECTOR_BYTES,
      physicalBlockBytes: options.logicalBlockBytes ?? SECTOR_BYTES,
      configWce: true,
      discard: true,
      writeZeroes: true,
      writeCache: true,
      readErrors: "report",
      writeErrors: "enospc",
      failed: () => {},
      ...options,
    };
    this.queueSizes = [this.#options.queueSize];
    this.configBytes = this.#options.writeZeroes ? 57 : this.#options.discard ? 48 : 36;
    this.#writeBack = this.#options.writeCache;
  }

  offeredFeatures(common: bigint, legacy: boolean): bigint {
    const { configWce, discard, writeZeroes, writeCache } = this.#options;
    let features = VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_GEOMETRY | VIRTIO_BLK_F_TOPOLOGY | VIRTIO_BLK_F_BLK_SIZE;
    if (this.#disk.readOnly) features |= VIRTIO_BLK_F_RO;
    if (writeCache) features |= VIRTIO_BLK_F_FLUSH;
    if (configWce) features |= VIRTIO_BLK_F_CONFIG_WCE;
    if (discard) features |= VIRTIO_BLK_F_DISCARD;
    if (writeZeroes) features |= VIRTIO_BLK_F_WRITE_ZEROES;
    // As QEMU's legacy device, which a stream from there expects.
    return legacy ? features | VIRTIO_BLK_F_SCSI | (common & ~VIRTIO_F_ANY_LAYOUT) : features | common;
  }

  /** The mode of the cache, which the driver may switch. */
  get writesBack(): boolean {
    return this.#writeBack;
  }

  connect(host: VirtioHost): void {
    this.#host = host;
  }

  /** Spec: 5.2.4 "Device configuration layout". */
  readConfig(into: Uint8Array): void {
    const config = new Uint8Array(60);
    const view = new DataView(config.buffer);
    const { queueSize, logicalBlockBytes, physicalBlockBytes } = this.#options;
    const geometry = guessGeometry(this.#sectors);
    view.setBigUint64(0, BigInt(this.#sectors), true);
    view.setUint32(12, queueSize - 2, true); // seg_max: without the header and the status
    view.setUint16(16, geometry.cylinders, true);
    view.setUint8(18, geometry.heads);
    view.setUint8(19, geometry.sectors);
    view.setUint32(20, logicalBlockBytes, true);
    view.setUint8(24, Math.log2(physicalBlockBytes / logicalBlockBytes));
    view.setUint8(32, this.#writeBack ? 1 : 0);
    view.setUint16(34, 1, true); // num_queues
    if (this.#options.discard) {
      view.setUint32(36, MAX_RANGE_SECTORS, true);
      view.setUint32(40, 1, true);
      view.setUint32(44, logicalBlockBytes / SECTOR_BYTES, true);
    }
    if (this.#options.writeZeroes) {
      view.setUint32(48, MAX_RANGE_SECTORS, true);
      view.setUint32(52, 1, true);
      view.setUint8(56, 1);
    }
    into.set(config.subarray(0, into.length));
  }

  /** Only writeback is the driver's to write. */
  writeConfig(config: Uint8Array): void {
    this.#writeBack = config[32] !== 0;
  }

  /** The mode that the driver chose is nowhere else in the section; a configuration without a capacity says nothing. */
  loadConfig(config: Uint8Array): void {
    if (config.subarray(0, 8).some((byte) => byte !== 0)) this.writeConfig(config);
  }

  /** Spec: 5.2.5: a driver that took neither CONFIG_WCE nor FLUSH has no way to flush, so writes go through. */
  statusChanged(status: number): void {
    if (!(status & DRIVER_OK)) return;
    const features = this.#host.features();
    if (!(features & VIRTIO_BLK_F_CONFIG_WCE)) this.#writeBack = (features & VIRTIO_BLK_F_FLUSH) !== 0n;
  }

  handleQueue(): void {
    const queue = this.#host.queues[0];
    if (!queue) return;
    for (let taken = 0; taken < queue.size; taken++) {
      // The rest is taken up when one of the requests under way is done.
      if (this.#inFlightBytes >= MAX_IN_FLIGHT_BYTES) return;
      const chain = queue.pop();
      if (!chain) return;
      this.#start(queue, chain);
    }
    this.#host.handleLater(0);
  }

  reset(): void {
    this.#waiting = [];
    this.#writeBack = this.#options.writeCache;
  }

  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#drained.push(resolve);
      this.#settle();
    });
  }

  /** Whoever waits for a drain goes on when nothing is under way. */
  #settle(): void {
    if (this.#inFlight > 0) return;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** The requests that wait; none is under way: the machine drains before it saves. */
  saveDevicePart(out: ByteWriter): void {
    for (const element of this.#waiting) {
      out.u8(1);
      out.bytes(encodeElement(element));
    }
    out.u8(0);
  }

  loadDevicePart(from: ByteReader): void {
    for (;;) {
      const more = from.u8();
      if (more === 0) return;
      if (more !== 1 || this.#waiting.length === VIRTQUEUE_MAX_SIZE) {
        throw new StateError("a virtio-blk section has a bad list of requests");
      }
      this.#waiting.push(decodeElement(from));
    }
  }

  machineRuns(isRunning: boolean): void {
    this.#isRunning = isRunning;
    if (isRunning) this.#host.attempt("requests that wait", () => this.#resume());
  }

  #resume(): void {
    // It may have stopped again while their pages were waited for.
    if (!this.#isRunning) return;
    const queue = this.#host.queues[0];
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const chain = queue?.take(next.head);
      this.#waiting.shift();
      if (queue && chain) this.#start(queue, chain);
    }
    // What the driver queued while the source was already stopping.
    if (queue?.hasAvailable()) this.#host.handle(0);
  }

  get #sectors(): number {
    return Math.floor(this.#disk.sizeBytes / SECTOR_BYTES);
  }

  #start(queue: Virtqueue, chain: Chain): void {
    if (chain.readableBytes < HEADER_BYTES || chain.writableBytes < 1) {
      return this.#host.fail("a virtio-blk request has no room for its header or its status");
    }
    const header = new DataView(new ArrayBuffer(HEADER_BYTES));
    gather(chain.readable, 0, new Uint8Array(header.buffer));
    const lengthBytes = chain.readableBytes + chain.writableBytes;
    this.#inFlight++;
    this.#inFlightBytes += lengthBytes;
    void this.#perform(queue, chain, header)
      .catch((error: unknown) =>
        this.#failed(queue, chain, typeOf(header) === VIRTIO_BLK_T_IN ? "read" : "write", error),
      )
      .then((status) => {
        const wasFull = this.#inFlightBytes >= MAX_IN_FLIGHT_BYTES;
        this.#inFlight--;
        this.#inFlightBytes -= lengthBytes;
        if (status !== undefined && queue.holds(chain)) this.#finish(queue, chain, status);
        if (wasFull) this.#host.handle(0);
        this.#settle();
      });
  }

  /** The status for the guest; undefined when the request waits. */
  #failed(queue: Virtqueue, chain: Chain, operation: "read" | "write", error: unknown): Status | undefined {
    if (!queue.holds(chain)) return undefined;
    const { readErrors, writeErrors, failed } = this.#options;
    const failure = blockFailure(operation, error, operation === "read" ? readErrors : writeErrors);
    if (failure.action === "stop") this.#waiting.push(savedElement(chain));
    failed(failure);
    if (failure.action === "stop") return undefined;
    return failure.action === "ignore" ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
  }

  #finish(queue: Virtqueue, chain: Chain, status: Status): void {
    scatter(chain.writable, chain.writableBytes - 1, Uint8Array.of(status));
    queue.push(chain, chain.writableBytes);
    queue.notify();
  }

  /** Rejects when the disk does. */
  async #perform(queue: Virtqueue, chain: Chain, header: DataView): Promise<Status> {
    const type = typeOf(header);
    const sector = header.getBigUint64(8, true);
    switch (type) {
      case VIRTIO_BLK_T_IN:
        return this.#readSectors(queue, chain, sector);
      case VIRTIO_BLK_T_OUT:
        return this.#writeSectors(chain, sector);
      case VIRTIO_BLK_T_FLUSH:
        await this.#disk.flush();
        return VIRTIO_BLK_S_OK;
      case VIRTIO_BLK_T_GET_ID:
        scatter(chain.writable, 0, serialBytes(this.#options.serial).subarray(0, chain.writableBytes - 1));
        return VIRTIO_BLK_S_OK;
      case VIRTIO_BLK_T_DISCARD:
      case VIRTIO_BLK_T_WRITE_ZEROES:
        return this.#clearRange(chain, type);
      case VIRTIO_BLK_T_SCSI_CMD:
        // Passthrough is off; QEMU calls a command without its parts an error.
        return chain.readable.length < 2 || chain.writable.length < 3 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_UNSUPP;
      default:
        return VIRTIO_BLK_S_UNSUPP;
    }
  }

  async #readSectors(queue: Virtqueue, chain: Chain, sector: bigint): Promise<Status> {
    const lengthBytes = chain.writableBytes - 1;
    const offset = this.#offsetOf(sector, lengthBytes);
    if (offset === undefined || lengthBytes > MAX_TRANSFER_BYTES) return VIRTIO_BLK_S_IOERR;
    const bytes = new Uint8Array(lengthBytes);
    await this.#disk.read(offset, bytes);
    if (queue.holds(chain)) scatter(chain.writable, 0, bytes);
    return VIRTIO_BLK_S_OK;
  }

  async #writeSectors(chain: Chain, sector: bigint): Promise<Status> {
    const lengthBytes = chain.readableBytes - HEADER_BYTES;
    const offset = this.#offsetOf(sector, lengthBytes);
    if (offset === undefined || lengthBytes > MAX_TRANSFER_BYTES || this.#disk.readOnly) return VIRTIO_BLK_S_IOERR;
    const bytes = new Uint8Array(lengthBytes);
    gather(chain.readable, HEADER_BYTES, bytes);
    await this.#disk.write(offset, bytes);
    if (!this.#writeBack) await this.#disk.flush();
    return VIRTIO_BLK_S_OK;
  }

  /** Spec: 5.2.6: one segment, since the limits in the configuration say so. */
  async #clearRange(chain: Chain, type: number): Promise<Status> {
    const discards = type === VIRTIO_BLK_T_DISCARD;
    if (!(discards ? this.#options.discard : this.#options.writeZeroes)) return VIRTIO_BLK_S_UNSUPP;
    if (this.#disk.readOnly) return VIRTIO_BLK_S_IOERR;
    if (chain.readableBytes !== HEADER_BYTES + 16) return VIRTIO_BLK_S_UNSUPP;
    const segment = new DataView(new ArrayBuffer(16));
    gather(chain.readable, HEADER_BYTES, new Uint8Array(segment.buffer));
    const sectors = segment.getUint32(8, true);
    const flags = segment.getUint32(12, true);
    if (flags & ~(discards ? 0 : WRITE_ZEROES_FLAG_UNMAP)) return VIRTIO_BLK_S_UNSUPP;
    const offset = this.#offsetOf(segment.getBigUint64(0, true), sectors * SECTOR_BYTES);
    if (offset === undefined || sectors > MAX_RANGE_SECTORS) return VIRTIO_BLK_S_IOERR;
    if (discards) await this.#disk.discard(offset, sectors * SECTOR_BYTES);
    else await this.#disk.writeZeroes(offset, sectors * SECTOR_BYTES);
    if (!this.#writeBack) await this.#disk.flush();
    return VIRTIO_BLK_S_OK;
  }

  /** Where on the disk a range starts; undefined when it is not made of whole blocks inside the disk. */
  #offsetOf(sector: bigint, lengthBytes: number): number | undefined {
    const { logicalBlockBytes } = this.#options;
    const lengthSectors = lengthBytes / SECTOR_BYTES;
    if (sector > BigInt(this.#sectors) || lengthSectors > this.#sectors - Number(sector)) return undefined;
    const offset = Number(sector) * SECTOR_BYTES;
    return offset % logicalBlockBytes || lengthBytes % logicalBlockBytes ? undefined : offset;
  }
}

function typeOf(header: DataView): number {
  return (header.getUint32(0, true) & ~VIRTIO_BLK_T_BARRIER) >>> 0;
}

/** The serial with the zero that ends it, if there is room. */
function serialBytes(serial: string): Uint8Array {
  return Uint8Array.from(`${serial}\0`, (c) => c.charCodeAt(0)).subarray(0, ID_BYTES);
}

/** The usual geometry of a disk of `sectors`: 16 heads, 63 sectors a track. */
function guessGeometry(sectors: number): { cylinders: number; heads: number; sectors: number } {
  const cylinders = Math.min(Math.max(Math.floor(sectors / (16 * 63)), 2), 16_383);
  return { cylinders, heads: 16, sectors: 63 };
}
