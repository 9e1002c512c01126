/**
 * A small guest's side of virtio-mmio, for tests: brings a device up over its registers and drives its queues.
 * Spec: virtio 1.2, 3.1.1 "Driver Requirements: Device Initialization" and 4.2.3.
 */
import type { Timers } from "#core/host.ts";
import type { Trace } from "#core/trace.ts";
import { PageMissing } from "#hw/bus/page-missing.ts";
import type { Dma, MmioRegion } from "#hw/bus/types.ts";
import { VirtioMmio } from "#hw/bus/virtio/virtio-mmio.ts";
import type { VirtioDevice } from "#hw/bus/virtio/virtio-device.ts";

export const TEST_RAM_START = 0x8000_0000;
const QUEUE_AREA_BYTES = 0x4000;
/** What a missing page is full of. */
const HIDDEN = 0xa5;

export type GuestBuffer = { readonly at: number; readonly lengthBytes: number; readonly write?: boolean };

/** A machine of RAM and one virtio device. */
export class GuestDriver {
  readonly ram: Uint8Array;
  readonly view: DataView;
  readonly transport: VirtioMmio;
  readonly irqLevels: boolean[] = [];
  readonly errors: string[] = [];
  readonly later: (() => void)[] = [];
  /** Ranges that the device said it writes. */
  readonly marked: [start: number, lengthBytes: number][] = [];
  readonly #legacy: boolean;
  readonly #region: MmioRegion;
  readonly #hidden = new Map<number, { content: Uint8Array; there: Promise<void>; arrive: () => void }>();
  readonly #sizes: number[] = [];
  readonly #available: number[] = [];
  readonly #next: number[] = [];

  constructor(device: VirtioDevice | undefined, legacy: boolean, ramBytes = 1 << 20, trace: Trace = {}) {
    this.ram = new Uint8Array(new SharedArrayBuffer(ramBytes));
    this.view = new DataView(this.ram.buffer);
    this.#legacy = legacy;
    const timers: Timers = {
      at: (_, callback) => {
        this.later.push(callback);
        return () => {};
      },
    };
    this.transport = new VirtioMmio(
      {
        irq: { set: (level) => void this.irqLevels.push(level) },
        dma: this.dma(),
        timers,
        guestError: (message) => void this.errors.push(message),
        trace,
      },
      { forceLegacy: legacy, path: "virtio-mmio@0000000010001000" },
      device,
    );
    this.#region = this.transport.regions[0] as MmioRegion;
  }

  dma(): Dma {
    return {
      isIncomplete: () => this.#hidden.size > 0,
      present: async (pages) => {
        for (const page of pages) await this.#hidden.get(page)?.there;
      },
      view: (address, lengthBytes, direction) => {
        const offset = address - TEST_RAM_START;
        if (!(offset >= 0) || offset + lengthBytes > this.ram.length) return undefined;
        for (let page = offset >> 12; page << 12 < offset + lengthBytes; page++) {
          if (this.#hidden.has(page)) throw new PageMissing([page]);
        }
        if (direction === "toGuest") this.marked.push([offset, lengthBytes]);
        return new Uint8Array(this.ram.buffer, offset, lengthBytes);
      },
    };
  }

  /** Pages of `ram`, by index, are missing from now on: they hold something else until they are brought. */
  hide(pages: readonly number[]): void {
    for (const page of pages) {
      const bytes = this.#page(page);
      let arrive = (): void => {};
      const there = new Promise<void>((resolve) => (arrive = resolve));
      this.#hidden.set(page, { content: bytes.slice(), there, arrive });
      bytes.fill(HIDDEN);
    }
  }
  bring(page: number): void {
    const hidden = this.#hidden.get(page);
    if (!hidden) return;
    this.#page(page).set(hidden.content);
    this.#hidden.delete(page);
    hidden.arrive();
  }
  /** Whether nobody has written to a page that is missing. */
  get isUntouched(): boolean {
    return [...this.#hidden.keys()].every((page) => this.#page(page).every((byte) => byte === HIDDEN));
  }
  #page(page: number): Uint8Array {
    return this.ram.subarray(page << 12, (page + 1) << 12);
  }

  read(offset: number, size: 1 | 2 | 4 = 4): number {
    return this.#region.read(offset, size);
  }
  write(offset: number, value: number, size: 1 | 2 | 4 = 4): void {
    this.#region.write(offset, size, value);
  }
  get status(): number {
    return this.read(0x70);
  }
  get irq(): boolean {
    return this.irqLevels.at(-1) ?? false;
  }

  /** Resets the device, takes `features` of what it offers, sets up the first `queues` queues of `size`. */
  start(queues: number, size = 8, features = 0xffff_ffff_ffff_ffffn): void {
    this.write(0x70, 0);
    this.write(0x70, 1 | 2);
    this.write(0x14, 0);
    const low = BigInt(this.read(0x10)) & features;
    this.write(0x24, 0);
    this.write(0x20, Number(BigInt.asUintN(32, low)));
    if (this.#legacy) {
      this.write(0x28, 4096);
    } else {
      this.write(0x14, 1);
      this.write(0x24, 1);
      this.write(0x20, this.read(0x10) & Number(BigInt.asUintN(32, features >> 32n)));
      this.write(0x70, 1 | 2 | 8);
      if (!(this.status & 8)) throw new Error("the device does not take the features");
    }
    for (let i = 0; i < queues; i++) this.placeQueue(i, size);
    this.write(0x70, this.#legacy ? 7 : 15);
  }

  /** Addresses of a queue's parts in `ram`. */
  parts(queue: number): { descriptors: number; available: number; used: number } {
    const descriptors = QUEUE_AREA_BYTES * queue;
    const available = descriptors + 16 * (this.#sizes[queue] as number);
    return { descriptors, available, used: this.#legacy ? descriptors + 0x1000 : descriptors + 0x2000 };
  }

  /** Empties a queue and tells the device where it is. */
  placeQueue(queue: number, size: number): void {
    this.#sizes[queue] = size;
    this.#available[queue] = 0;
    this.#next[queue] = 0;
    const { descriptors, available, used } = this.parts(queue);
    this.ram.fill(0, descriptors, descriptors + QUEUE_AREA_BYTES);
    this.write(0x30, queue);
    this.write(0x38, size);
    if (this.#legacy) {
      this.write(0x3c, 4096);
      this.write(0x40, (TEST_RAM_START + descriptors) / 4096);
      return;
    }
    for (const [offset, part] of [
      [0x80, descriptors],
      [0x90, available],
      [0xa0, used],
    ] as const) {
      this.write(offset, TEST_RAM_START + part);
      this.write(offset + 4, 0);
    }
    this.write(0x44, 1);
  }

  descriptor(queue: number, index: number, address: number, lengthBytes: number, flags: number, next: number): void {
    const at = this.parts(queue).descriptors + 16 * index;
    this.view.setBigUint64(at, BigInt(address), true);
    this.view.setUint32(at + 8, lengthBytes, true);
    this.view.setUint16(at + 12, flags, true);
    this.view.setUint16(at + 14, next, true);
  }

  /** Makes a chain of buffers available, without a kick. Returns its head. */
  offer(queue: number, buffers: readonly GuestBuffer[]): number {
    const size = this.#sizes[queue] as number;
    const head = this.#next[queue] as number;
    for (const [i, { at, lengthBytes, write }] of buffers.entries()) {
      const index = (head + i) % size;
      const last = i === buffers.length - 1;
      const flags = (write ? 2 : 0) | (last ? 0 : 1);
      this.descriptor(queue, index, TEST_RAM_START + at, lengthBytes, flags, last ? 0 : (index + 1) % size);
    }
    this.#next[queue] = (head + buffers.length) % size;
    this.makeAvailable(queue, head);
    return head;
  }

  makeAvailable(queue: number, head: number): void {
    const { available } = this.parts(queue);
    const index = this.#available[queue] as number;
    this.view.setUint16(available + 4 + 2 * (index % (this.#sizes[queue] as number)), head, true);
    this.#available[queue] = (index + 1) & 0xffff;
    Atomics.store(new Uint16Array(this.ram.buffer), (available + 2) / 2, this.#available[queue]);
  }

  kick(queue: number): void {
    this.write(0x50, queue);
  }

  /** What the device put into the used ring so far. */
  used(queue: number): { head: number; lengthBytes: number }[] {
    const { used } = this.parts(queue);
    const count = this.view.getUint16(used + 2, true);
    return Array.from({ length: count }, (_, i) => {
      const at = used + 4 + 8 * (i % (this.#sizes[queue] as number));
      return { head: this.view.getUint32(at, true), lengthBytes: this.view.getUint32(at + 4, true) };
    });
  }

  /** Runs what devices put off, up to `rounds` times. */
  runLater(rounds = 10): void {
    for (let i = 0; i < rounds && this.later.length > 0; i++) for (const callback of this.later.splice(0)) callback();
  }
}
