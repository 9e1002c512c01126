/**
 * The virtio-mmio transport: the registers between a driver and one virtio device, or an empty slot.
 *
 * driver -> registers -> queues, features, status -> device; device -> interrupt status -> line.
 * `forceLegacy` (QEMU's `force-legacy`, on by default) gives version 1 with page frame numbers, else version 2.
 *
 * Spec: virtio 1.2, 4.2.2 (registers) and 4.2.4 (legacy interface). Behaviour outside it as QEMU 7.2's: selectors are
 * 0 or 1, a queue of a device always takes up to 1024 entries, a legacy PFN of 0 resets the device. QueueNumMax is the
 * device's own number, as QEMU 11.1's, which loads no larger queue; 7.2 says 1024.
 * Thread: machine.
 * Not modelled: shared memory regions (their length reads as all ones, which says that there are none).
 */
import type { Timers } from "#core/host.ts";
import { NO_TRACE, type Trace } from "#core/trace.ts";
import type { RegisterBank, RegisterRow } from "#hw/bus/register-bank.ts";
import { registerBank } from "#hw/bus/register-bank.ts";
import { PageMissing } from "#hw/bus/page-missing.ts";
import type { Device, Dma, IrqLine, MigrationSection, MmioRegion } from "#hw/bus/types.ts";
import type { VirtioDevice, VirtioHost } from "#hw/bus/virtio/virtio-device.ts";
import {
  DEVICE_NEEDS_RESET,
  DRIVER_OK,
  FEATURES_OK,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_NOTIFY_ON_EMPTY,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
} from "#hw/bus/virtio/virtio-device.ts";
import { virtioSection } from "#hw/bus/virtio/virtio-state.ts";
import { VIRTQUEUE_MAX_SIZE, Virtqueue } from "#hw/bus/virtio/virtqueue.ts";

export const VIRTIO_MMIO_BYTES = 0x200;
const CONFIG_OFFSET = 0x100;
const MAGIC = 0x74726976; // "virt"
const VENDOR_ID = 0x554d4551; // QEMU's, which drivers know
const QUEUE_INTERRUPT = 1;
const CONFIG_INTERRUPT = 2;
/** Queue selectors that are remembered; queues beyond the device's have no entries. */
const MAX_QUEUES = 1024;

const COMMON_FEATURES =
  VIRTIO_F_NOTIFY_ON_EMPTY | VIRTIO_F_ANY_LAYOUT | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_RING_RESET;
const LEGACY_ONLY_FEATURES = VIRTIO_F_NOTIFY_ON_EMPTY | VIRTIO_F_ANY_LAYOUT;

export type VirtioMmioPorts = {
  readonly irq: IrqLine;
  readonly dma: Dma;
  readonly timers: Timers;
  /** Told about what the guest does wrong (`-d guest_errors`). */
  guestError?(message: string): void;
  readonly trace?: Trace;
};

export type VirtioMmioOptions = {
  readonly forceLegacy: boolean;
  /** What comes before the device's name in its migration section: "virtio-mmio@0000000010001000". */
  readonly path: string;
};

/** What the driver set through the modern interface, before it takes effect with QueueReady. */
export type PendingQueue = {
  /** 0: the driver has not said. */
  size: number;
  ready: boolean;
  readonly descriptors: [number, number];
  readonly available: [number, number];
  readonly used: [number, number];
};

/** What migrates, beside the queues. */
export type TransportState = {
  hostFeaturesSel: number;
  guestFeaturesSel: number;
  guestPageShift: number;
  status: number;
  interruptStatus: number;
  queueSel: number;
  features: bigint;
  started: boolean;
  broken: boolean;
  readonly guestFeatures: [number, number];
  /** By queue selector, which need not be a queue of the device; only those that the driver touched. */
  readonly pending: Map<number, PendingQueue>;
};

export class VirtioMmio implements Device {
  readonly typeName = "virtio-mmio";
  readonly regions: readonly MmioRegion[];
  readonly migration: readonly MigrationSection[];
  readonly device: VirtioDevice | undefined;
  readonly #ports: VirtioMmioPorts;
  readonly #trace: Trace;
  readonly #legacy: boolean;
  readonly #queues: readonly Virtqueue[];
  readonly #registers: RegisterBank;
  readonly #config: Uint8Array;
  readonly #offered: bigint;
  #generation = 0;
  /** What waits for guest pages. */
  #waiting = new Set<string>();
  readonly #state: TransportState = {
    hostFeaturesSel: 0,
    guestFeaturesSel: 0,
    guestPageShift: 0,
    status: 0,
    interruptStatus: 0,
    queueSel: 0,
    features: 0n,
    started: false,
    broken: false,
    guestFeatures: [0, 0],
    pending: new Map(),
  };

  /** Without a device it is an empty slot: magic, version and vendor answer, the device ID is 0. */
  constructor(ports: VirtioMmioPorts, options: VirtioMmioOptions, device?: VirtioDevice) {
    this.#ports = ports;
    this.#trace = ports.trace ?? NO_TRACE;
    this.#legacy = options.forceLegacy;
    this.device = device;
    const common = COMMON_FEATURES | (this.#legacy ? 0n : VIRTIO_F_VERSION_1);
    this.#offered = device?.offeredFeatures(common, this.#legacy) ?? 0n;
    this.#config = new Uint8Array(device?.configBytes ?? 0);
    this.#queues = (device?.queueSizes ?? []).map(
      (size, index) =>
        new Virtqueue(size, {
          dma: ports.dma,
          interrupt: () => {
            this.#trace.virtio_notify?.(this.#name, index);
            this.#interrupt(QUEUE_INTERRUPT);
          },
          fail: (reason) => this.#fail(reason),
          eventIdx: () => (this.#state.features & VIRTIO_F_EVENT_IDX) !== 0n,
          notifyOnEmpty: () => (this.#state.features & VIRTIO_F_NOTIFY_ON_EMPTY) !== 0n,
        }),
    );
    this.#registers = registerBank({ width: 4 }, [
      ...this.#commonRegisters(),
      ...(this.#legacy ? this.#legacyRegisters() : this.#modernRegisters()),
    ]);
    this.regions = [
      {
        sizeBytes: VIRTIO_MMIO_BYTES,
        accessSizes: [1, 2, 4, 8],
        read: (offset, size) => this.#read(offset, size),
        write: (offset, size, value) => this.#write(offset, size, value),
      },
    ];
    device?.connect(this.#host());
    this.migration = device
      ? [
          virtioSection({
            name: `${options.path}/${device.sectionName}`,
            device,
            queues: this.#queues,
            state: this.#state,
            legacy: this.#legacy,
            offeredFeatures: this.#offered,
            config: this.#config,
            reset: () => this.reset(),
            loaded: () => this.#updateLine(),
          }),
        ]
      : [];
    this.reset();
  }

  reset(): void {
    const state = this.#state;
    state.hostFeaturesSel = 0;
    state.guestFeaturesSel = 0;
    state.guestPageShift = 0;
    state.guestFeatures.fill(0);
    state.pending.clear();
    for (const queue of this.#queues) queue.alignBytes = 4096;
    this.#resetDevice();
  }

  machineRuns(isRunning: boolean): void {
    this.device?.machineRuns?.(isRunning);
  }

  /** Resolves when no request is in the host's hands. */
  async drain(): Promise<void> {
    await this.device?.drain?.();
  }

  #host(): VirtioHost {
    return {
      queues: this.#queues,
      features: () => this.#state.features,
      status: () => this.#state.status,
      notifyConfig: () => this.#notifyConfig(),
      fail: (reason) => this.#fail(reason),
      handle: (queue) => this.#handle(queue),
      handleLater: (queue) => void this.#ports.timers.at(0, () => this.#handle(queue)),
      attempt: (key, work, again) => this.#attempt(key, work, again),
    };
  }

  get #name(): string {
    return this.device?.typeName ?? "empty slot";
  }

  // Registers.

  #read(offset: number, size: 1 | 2 | 4): number {
    this.#trace.virtio_mmio_read?.(offset);
    if (!this.device) {
      const answers = offset === 0x000 || offset === 0x004 || offset === 0x00c;
      return answers ? this.#registers.read(offset) % 2 ** (8 * size) : 0;
    }
    if (offset >= CONFIG_OFFSET) return this.#readConfig(offset - CONFIG_OFFSET, size);
    if (size === 4) return this.#registers.read(offset);
    this.#guestError(`${this.#nameAt(offset)} was read with ${size} bytes`);
    return 0;
  }

  #write(offset: number, size: 1 | 2 | 4, value: number): void {
    this.#trace.virtio_mmio_write_offset?.(offset, value);
    if (!this.device) return;
    if (offset >= CONFIG_OFFSET) this.#writeConfig(offset - CONFIG_OFFSET, size, value);
    else if (size === 4) this.#registers.write(offset, value >>> 0);
    else this.#guestError(`${this.#nameAt(offset)} was written with ${size} bytes`);
  }

  #nameAt(offset: number): string {
    return this.#registers.nameAt(offset) ?? `the register at 0x${offset.toString(16)}`;
  }

  #commonRegisters(): RegisterRow[] {
    const state = this.#state;
    return [
      [0x000, "MagicValue", { read: () => MAGIC }],
      [0x004, "Version", { read: () => (this.#legacy ? 1 : 2) }],
      [0x008, "DeviceID", { read: () => this.device?.deviceId ?? 0 }],
      [0x00c, "VendorID", { read: () => VENDOR_ID }],
      [0x014, "DeviceFeaturesSel", { write: (value) => void (state.hostFeaturesSel = value ? 1 : 0) }],
      [0x024, "DriverFeaturesSel", { write: (value) => void (state.guestFeaturesSel = value ? 1 : 0) }],
      [0x030, "QueueSel", { write: (value) => void (value < MAX_QUEUES && (state.queueSel = value)) }],
      [0x034, "QueueNumMax", { read: () => this.#selected?.defaultSize ?? 0 }],
      [0x038, "QueueNum", { write: (value) => this.#setQueueSize(value) }],
      [0x050, "QueueNotify", { write: (value) => this.#queueNotified(value) }],
      [0x060, "InterruptStatus", { read: () => state.interruptStatus }],
      [0x064, "InterruptACK", { write: (value) => this.#acknowledge(value) }],
      [0x070, "Status", { read: () => state.status, write: (value) => this.#setStatus(value & 0xff) }],
      [0x0b0, "SHMLenLow", { read: () => 0xffff_ffff }],
      [0x0b4, "SHMLenHigh", { read: () => 0xffff_ffff }],
    ];
  }

  /** Spec: 4.2.4. */
  #legacyRegisters(): RegisterRow[] {
    const state = this.#state;
    const low = (): number => Number(BigInt.asUintN(32, this.#offered));
    return [
      [0x010, "HostFeatures", { read: () => (state.hostFeaturesSel === 0 ? low() : 0) }],
      [0x020, "GuestFeatures", { write: (value) => this.#setLegacyFeatures(value) }],
      [0x028, "GuestPageSize", { write: (value) => void (state.guestPageShift = pageShift(value)) }],
      [0x03c, "QueueAlign", { write: (value) => this.#setQueueAlign(value) }],
      [0x040, "QueuePFN", { read: () => this.#queuePfn(), write: (value) => this.#setQueuePfn(value) }],
    ];
  }

  /** Spec: 4.2.2. */
  #modernRegisters(): RegisterRow[] {
    const state = this.#state;
    const offered = this.#offered & ~LEGACY_ONLY_FEATURES;
    const half = (): number => Number(BigInt.asUintN(32, offered >> BigInt(32 * state.hostFeaturesSel)));
    const accept = (value: number): void => void (state.guestFeatures[state.guestFeaturesSel ? 1 : 0] = value);
    const ready = (): number => (this.#selectedPending.ready ? 1 : 0);
    const part = (of: "descriptors" | "available" | "used", half: 0 | 1): RegisterRow[2] => ({
      write: (value) => void (this.#selectedPending[of][half] = value),
    });
    return [
      [0x010, "DeviceFeatures", { read: half }],
      [0x020, "DriverFeatures", { write: accept }],
      [0x044, "QueueReady", { read: ready, write: (value) => this.#setQueueReady(value) }],
      [0x080, "QueueDescLow", part("descriptors", 0)],
      [0x084, "QueueDescHigh", part("descriptors", 1)],
      [0x090, "QueueDriverLow", part("available", 0)],
      [0x094, "QueueDriverHigh", part("available", 1)],
      [0x0a0, "QueueDeviceLow", part("used", 0)],
      [0x0a4, "QueueDeviceHigh", part("used", 1)],
      [0x0c0, "QueueReset", { write: (value) => value === 1 && this.#resetQueue() }],
      [0x0fc, "ConfigGeneration", { read: () => this.#generation }],
    ];
  }

  get #selected(): Virtqueue | undefined {
    return this.#queues[this.#state.queueSel];
  }
  get #selectedPending(): PendingQueue {
    const { pending, queueSel } = this.#state;
    const found = pending.get(queueSel) ?? newPendingQueue();
    pending.set(queueSel, found);
    return found;
  }

  // Queues.

  #setQueueSize(size: number): void {
    if (!this.#legacy) this.#selectedPending.size = size & 0xffff;
    const queue = this.#selected;
    if (!queue || size === 0 || size > VIRTQUEUE_MAX_SIZE) return;
    queue.size = size;
    if (this.#legacy) queue.placeLegacy();
  }

  #setQueueAlign(alignBytes: number): void {
    const queue = this.#selected;
    if (!queue || alignBytes === 0) return;
    queue.alignBytes = alignBytes;
    queue.placeLegacy();
  }

  #queuePfn(): number {
    const descriptors = this.#selected?.descriptors ?? 0;
    return Math.floor(descriptors / 2 ** this.#state.guestPageShift) % 2 ** 32;
  }

  #setQueuePfn(pfn: number): void {
    if (pfn === 0) return this.reset();
    const queue = this.#selected;
    if (!queue) return;
    queue.descriptors = pfn * 2 ** this.#state.guestPageShift;
    queue.placeLegacy();
  }

  #setQueueReady(value: number): void {
    const [queue, pending] = [this.#selected, this.#selectedPending];
    pending.ready = value !== 0;
    if (!pending.ready || !queue) return;
    if (pending.size !== 0 && pending.size <= VIRTQUEUE_MAX_SIZE) queue.size = pending.size;
    queue.descriptors = address(pending.descriptors);
    queue.available = address(pending.available);
    queue.used = address(pending.used);
  }

  /** Spec: 2.6.1 "Virtqueue Reset". */
  #resetQueue(): void {
    const { queueSel } = this.#state;
    this.#queues[queueSel]?.reset();
    this.#state.pending.delete(queueSel);
  }

  #queueNotified(index: number): void {
    const queue = this.#queues[index];
    if (!queue?.usable || this.#state.broken) return;
    // QEMU: a legacy driver may kick before DRIVER_OK, and the device counts as started then.
    if (!(this.#state.features & VIRTIO_F_VERSION_1)) this.#state.started = true;
    this.#trace.virtio_queue_notify?.(this.#name, index);
    this.#handle(index);
  }

  #handle(index: number): void {
    this.#attempt(`queue ${index}`, () => this.device?.handleQueue(index));
  }

  #attempt(key: string, work: () => void, again = work): void {
    const waiting = this.#waiting;
    if (waiting.has(key)) return;
    try {
      work();
    } catch (error) {
      if (!(error instanceof PageMissing)) throw error;
      waiting.add(key);
      void this.#ports.dma.present(error.pages).then(() => {
        // A reset has forgotten it.
        if (waiting === this.#waiting && waiting.delete(key)) this.#attempt(key, again);
      });
    }
  }

  // Status, features, interrupts.

  #setLegacyFeatures(low: number): void {
    if (this.#state.guestFeaturesSel === 0) this.#setFeatures(BigInt(low));
    else this.#guestError("a legacy device has no second word of features");
  }

  #setFeatures(wanted: bigint): void {
    if (this.#state.status & FEATURES_OK) return;
    this.#state.features = wanted & this.#offered;
  }

  #setStatus(status: number): void {
    const state = this.#state;
    this.#trace.virtio_set_status?.(this.#name, status);
    if (!this.#legacy && status & FEATURES_OK) {
      const [low, high] = state.guestFeatures;
      this.#setFeatures((BigInt(high) << 32n) | BigInt(low));
    }
    if (status === 0) {
      this.#resetDevice();
      for (const pending of state.pending.values()) pending.ready = false;
      return;
    }
    // 2.2.2: features that were not offered do not become FEATURES_OK.
    let next = status | (state.broken ? state.status & DEVICE_NEEDS_RESET : 0);
    if (!this.#legacy && status & FEATURES_OK && !this.#featuresAcceptable()) next &= ~FEATURES_OK;
    if ((state.status ^ next) & DRIVER_OK) state.started = (next & DRIVER_OK) !== 0;
    state.status = next;
    this.device?.statusChanged(next);
  }

  #featuresAcceptable(): boolean {
    const [low, high] = this.#state.guestFeatures;
    return (((BigInt(high) << 32n) | BigInt(low)) & ~this.#offered) === 0n;
  }

  #resetDevice(): void {
    const state = this.#state;
    state.features = 0n;
    state.queueSel = 0;
    state.status = 0;
    state.interruptStatus = 0;
    state.started = false;
    state.broken = false;
    this.#waiting = new Set();
    for (const queue of this.#queues) queue.reset();
    this.device?.reset();
    this.#updateLine();
  }

  #interrupt(bits: number): void {
    this.#state.interruptStatus |= bits;
    this.#updateLine();
  }

  #notifyConfig(): void {
    if (!(this.#state.status & DRIVER_OK)) return;
    this.#generation = (this.#generation + 1) >>> 0;
    this.#interrupt(QUEUE_INTERRUPT | CONFIG_INTERRUPT);
  }

  #acknowledge(bits: number): void {
    this.#state.interruptStatus &= ~bits;
    this.#updateLine();
  }

  #updateLine(): void {
    const level = this.#state.interruptStatus !== 0;
    this.#trace.virtio_mmio_setting_irq?.(this.#name, level);
    this.#ports.irq.set(level);
  }

  /** Spec: 2.1.2. QEMU does not show it to a legacy driver; we do, as the bit means nothing else there. */
  #fail(reason: string): void {
    if (this.#state.broken) return;
    this.#guestError(`${this.device?.typeName} needs a reset: ${reason}`);
    this.#state.broken = true;
    for (const queue of this.#queues) queue.breakDown();
    this.#state.status |= DEVICE_NEEDS_RESET;
    this.#notifyConfig();
  }

  // Configuration space.

  #readConfig(offset: number, size: number): number {
    if (offset + size > this.#config.length) return size === 4 ? 0xffff_ffff : 2 ** (8 * size) - 1;
    this.device?.readConfig(this.#config);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + (this.#config[offset + i] as number);
    return value;
  }

  #writeConfig(offset: number, size: number, value: number): void {
    if (offset + size > this.#config.length) return;
    this.device?.readConfig(this.#config);
    for (let i = 0; i < size; i++) this.#config[offset + i] = value >>> (8 * i);
    this.device?.writeConfig(this.#config);
  }

  #guestError(message: string): void {
    this.#ports.guestError?.(`virtio-mmio: ${message}`);
  }
}

function newPendingQueue(): PendingQueue {
  return { size: 0, ready: false, descriptors: [0, 0], available: [0, 0], used: [0, 0] };
}

function address([low, high]: readonly [number, number]): number {
  return high * 2 ** 32 + low;
}

/** The number of zero bits below the lowest one bit; 0 for 0, as in QEMU. */
function pageShift(pageBytes: number): number {
  return pageBytes === 0 ? 0 : 31 - Math.clz32(pageBytes & -pageBytes);
}
