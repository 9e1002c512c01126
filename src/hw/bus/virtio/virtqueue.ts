/**
 * A split virtqueue, seen from the device.
 *
 * driver: descriptors -> available ring -> `pop` -> the device works -> `push` -> used ring -> `notify` -> interrupt.
 * Everything in the rings is the guest's word: each value is read once and checked. What cannot be right breaks the
 * device (`fail`); nothing throws, no loop is longer than `MAX_SEGMENTS`, and only guest RAM is ever touched.
 *
 * Spec: virtio 1.2, 2.7 "Split Virtqueues"; 2.7.2 and 2.7.4.3 for the legacy layout.
 * Thread: machine. The vCPUs touch the rings at the same time, so indices, flags and events go through Atomics:
 * available index before its entries, used entry before the used index, used index before the suppression words.
 *
 * While guest pages are still to come (postcopy) `pop`, `take`, `hasAvailable` and `putBack` throw `PageMissing` and have
 * changed nothing. Whoever has a chain has met all that `push` and `notify` touch: those two never throw.
 */
import { PageMissing } from "#hw/bus/page-missing.ts";
import type { Dma, Gpa } from "#hw/bus/types.ts";

export const VIRTQUEUE_MAX_SIZE = 1024;
/** Buffers in one chain. */
const MAX_SEGMENTS = 1024;

const VIRTQ_DESC_F_NEXT = 1;
const VIRTQ_DESC_F_WRITE = 2;
const VIRTQ_DESC_F_INDIRECT = 4;
const VIRTQ_AVAIL_F_NO_INTERRUPT = 1;

const DESCRIPTOR_BYTES = 16;
const USED_ELEMENT_BYTES = 8;
/** Of both rings: flags and index. */
const RING_HEADER_BYTES = 4;
const GUEST_PAGE_BYTES = 4096;

/** A request of the driver: its buffers as live views of guest memory. */
export type Chain = {
  readonly head: number;
  readonly readable: readonly Uint8Array[];
  readonly writable: readonly Uint8Array[];
  readonly readableBytes: number;
  readonly writableBytes: number;
  /** Guest addresses of the buffers, one for one. */
  readonly readableAt: readonly Gpa[];
  readonly writableAt: readonly Gpa[];
  /** Resets of the queue before it was taken; see {@link Virtqueue.holds}. */
  readonly resets: number;
};

export type VirtqueuePorts = {
  readonly dma: Dma;
  /** Raises the used-buffer interrupt. */
  interrupt(): void;
  /** The rings are broken: the device needs a reset. */
  fail(reason: string): void;
  readonly eventIdx: () => boolean;
  readonly notifyOnEmpty: () => boolean;
};

export class Virtqueue {
  readonly defaultSize: number;
  /** Entries of the rings, as the driver chose; 1 to 1024, any number. */
  size: number;
  /** Legacy layout: alignment of the used ring. */
  alignBytes = 4096;
  /** Addresses of the three parts; 0 when not set up. */
  descriptors: Gpa = 0;
  available: Gpa = 0;
  used: Gpa = 0;
  /** Index of the next available entry to take, and of the next used entry to write; modulo 2^16. */
  lastAvailable = 0;
  usedIndex = 0;
  /** Chains popped and not yet pushed. */
  inUse = 0;
  #signalledUsed = 0;
  #signalledUsedValid = false;
  #broken = false;
  #resets = 0;
  /** What `adoptRings` could not look at yet. */
  #adopts = false;
  readonly #ports: VirtqueuePorts;
  #words: Uint16Array = new Uint16Array(0);

  constructor(defaultSize: number, ports: VirtqueuePorts) {
    this.defaultSize = defaultSize;
    this.size = defaultSize;
    this.#ports = ports;
  }

  /** Back to not set up. The alignment stays, as it does in QEMU. */
  reset(): void {
    this.size = this.defaultSize;
    this.descriptors = 0;
    this.available = 0;
    this.used = 0;
    this.lastAvailable = 0;
    this.usedIndex = 0;
    this.inUse = 0;
    this.#signalledUsedValid = false;
    this.#broken = false;
    this.#adopts = false;
    this.#resets++;
  }

  /** False for a chain from before a reset: its buffers are the driver's again, and are not touched any more. */
  holds(chain: Chain): boolean {
    return chain.resets === this.#resets;
  }

  /** Whether the driver has set it up and it is not broken. */
  get usable(): boolean {
    return this.descriptors !== 0 && this.available !== 0 && this.used !== 0 && !this.#broken;
  }

  /** Stops the queue until the next reset, without a report. */
  breakDown(): void {
    this.#broken = true;
  }

  /**
   * Places the parts as the legacy interface does, one after the other from `descriptors`.
   * Spec: virtio 1.2, 2.7.2 "Legacy Interfaces: A Note on Virtqueue Layout".
   */
  placeLegacy(): void {
    if (this.descriptors === 0 || this.alignBytes === 0) return;
    this.available = this.descriptors + DESCRIPTOR_BYTES * this.size;
    const end = this.available + 2 * (3 + this.size);
    this.used = Math.ceil(end / this.alignBytes) * this.alignBytes;
  }

  /** Whether a chain waits. Unlike `pop`, it does not ask the driver for a notification. */
  hasAvailable(): boolean {
    if (!this.usable || !this.#isReady()) return false;
    const index = this.#load(this.available + 2);
    return index !== undefined && index !== this.lastAvailable;
  }

  /** After a load: puts the chains that the source had popped back, to be popped again. */
  putBack(): void {
    if (!this.usable || !this.#isReady()) return;
    this.lastAvailable = (this.lastAvailable - this.inUse) & 0xffff;
    this.inUse = 0;
  }

  /**
   * Takes the next chain; undefined when there is none (the driver then notifies about the next one) or when the
   * queue is not usable.
   */
  pop(): Chain | undefined {
    if (!this.usable || !this.#isReady()) return undefined;
    let pending = this.#pending();
    if (pending === 0 && this.#ports.eventIdx()) {
      // 2.7.10: publish what we wait for, then look again, so that no chain is missed in between.
      if (!this.#store(this.#availEventAt(), this.lastAvailable)) return this.#fail("the used ring is not in RAM");
      pending = this.#pending();
    }
    if (pending === undefined) return this.#fail("the available ring is not in RAM");
    if (pending === 0) return undefined;
    if (pending > this.size) {
      return this.#fail(`the available index is ${pending} entries ahead in a queue of ${this.size}`);
    }
    if (this.inUse >= this.size) return this.#fail(`more than ${this.size} chains are in flight`);
    const entry = this.available + RING_HEADER_BYTES + 2 * (this.lastAvailable % this.size);
    const head = this.#load(entry);
    if (head === undefined) return this.#fail("the available ring is not in RAM");
    const chain = this.take(head);
    if (!chain) return undefined;
    this.lastAvailable = (this.lastAvailable + 1) & 0xffff;
    this.inUse++;
    return chain;
  }

  /** Maps the chain that begins at `head`, without taking it off the ring: for requests that a migration brought. */
  take(head: number): Chain | undefined {
    if (this.usable && !this.#isReady()) return undefined;
    const readable: Uint8Array[] = [];
    const writable: Uint8Array[] = [];
    const readableAt: Gpa[] = [];
    const writableAt: Gpa[] = [];
    let [readableBytes, writableBytes] = [0, 0];
    let table = this.#ports.dma.view(this.descriptors, DESCRIPTOR_BYTES * this.size, "fromGuest");
    let tableLength = this.size;
    let indirect = false;
    let steps = 0;
    for (let index = head; ; ) {
      if (!table) return this.#fail("a descriptor table is not in RAM");
      if (index >= tableLength) return this.#fail(`descriptor ${index} is outside a table of ${tableLength}`);
      if (++steps > tableLength) return this.#fail("a chain of descriptors is a loop");
      const at = index * DESCRIPTOR_BYTES;
      const address = u32(table, at + 4) * 2 ** 32 + u32(table, at);
      const lengthBytes = u32(table, at + 8);
      const flags = u16(table, at + 12);
      const next = u16(table, at + 14);
      if (flags & VIRTQ_DESC_F_INDIRECT) {
        // 2.7.5.3.1: an indirect table ends its chain, is not nested, and holds whole descriptors.
        if (indirect || flags & VIRTQ_DESC_F_NEXT) return this.#fail("an indirect table is nested or chained");
        if (lengthBytes === 0 || lengthBytes % DESCRIPTOR_BYTES !== 0) {
          return this.#fail(`an indirect table has ${lengthBytes} bytes`);
        }
        table = this.#ports.dma.view(address, lengthBytes, "fromGuest");
        [tableLength, indirect, steps, index] = [lengthBytes / DESCRIPTOR_BYTES, true, 0, 0];
        continue;
      }
      if (lengthBytes === 0) return this.#fail("a descriptor has length 0");
      if (readable.length + writable.length === MAX_SEGMENTS) {
        return this.#fail(`a chain has more than ${MAX_SEGMENTS} buffers`);
      }
      const toDriver = (flags & VIRTQ_DESC_F_WRITE) !== 0;
      const bytes = this.#ports.dma.view(address, lengthBytes, toDriver ? "toGuest" : "fromGuest");
      if (!bytes) return this.#fail(`a buffer at 0x${address.toString(16)} is not in RAM`);
      if (toDriver) {
        writable.push(bytes);
        writableAt.push(address);
        writableBytes += lengthBytes;
      } else if (writable.length > 0) {
        return this.#fail("a readable buffer follows a writable one");
      } else {
        readable.push(bytes);
        readableAt.push(address);
        readableBytes += lengthBytes;
      }
      if (!(flags & VIRTQ_DESC_F_NEXT)) break;
      index = next;
    }
    const resets = this.#resets;
    return { head, readable, writable, readableBytes, writableBytes, readableAt, writableAt, resets };
  }

  /**
   * Gives a chain back, with the first `writtenBytes` of its writable buffers filled. Call `notify` after the last.
   * One from before a reset is forgotten.
   */
  push(chain: Chain, writtenBytes: number): void {
    if (!this.usable || !this.holds(chain) || !this.#hasMetRings()) return;
    this.#markWritten(chain, writtenBytes);
    const at = this.used + RING_HEADER_BYTES + USED_ELEMENT_BYTES * (this.usedIndex % this.size);
    const element = this.#ports.dma.view(at, USED_ELEMENT_BYTES, "toGuest");
    if (!element) return void this.#fail("the used ring is not in RAM");
    putU32(element, 0, chain.head);
    putU32(element, 4, writtenBytes);
    const index = (this.usedIndex + 1) & 0xffff;
    if (!this.#store(this.used + 2, index)) return void this.#fail("the used ring is not in RAM");
    this.usedIndex = index;
    this.inUse--;
    // A whole turn without an interrupt: what the driver was told last says nothing any more.
    if (index === this.#signalledUsed) this.#signalledUsedValid = false;
  }

  /** Interrupts the driver if it wants to hear of what was pushed since the last call. Spec: 2.7.7. */
  notify(): void {
    if (this.usable && this.#hasMetRings() && this.#driverWaits()) this.#ports.interrupt();
  }

  /**
   * After a load: takes the used index from guest memory and checks the rings against it.
   * Returns what is wrong, or undefined. While the rings are not there it is put off: what is wrong breaks the device then.
   */
  adoptRings(): string | undefined {
    this.#adopts = false;
    try {
      this.#meetRings();
      return this.#adopt();
    } catch (error) {
      if (!(error instanceof PageMissing)) throw error;
      this.#adopts = true;
      return undefined;
    }
  }

  /** False when the rings that a load brought are no good. */
  #isReady(): boolean {
    this.#meetRings();
    if (!this.#adopts) return true;
    this.#adopts = false;
    const problem = this.#adopt();
    if (problem) this.#fail(problem);
    return problem === undefined;
  }

  /** Throws `PageMissing` unless both rings are there as far as they are RAM; the table is looked at with a chain. */
  #meetRings(): void {
    const { dma } = this.#ports;
    if (!dma.isIncomplete()) return;
    this.#meet(this.available, RING_HEADER_BYTES + 2 * this.size + 2);
    this.#meet(this.used, RING_HEADER_BYTES + USED_ELEMENT_BYTES * this.size + 2);
  }
  #meet(address: Gpa, lengthBytes: number): void {
    const { dma } = this.#ports;
    if (dma.view(address, lengthBytes, "fromGuest")) return;
    // Page by page: the event word of a ring that has none may lie behind the RAM's end.
    const end = address + lengthBytes;
    for (let at = address, next: Gpa; at < end; at = next) {
      next = Math.min(end, (Math.floor(at / GUEST_PAGE_BYTES) + 1) * GUEST_PAGE_BYTES);
      dma.view(at, next - at, "fromGuest");
    }
  }
  /** For `push` and `notify`: false, and the device breaks, when the driver has moved the rings under a chain's feet. */
  #hasMetRings(): boolean {
    try {
      this.#meetRings();
      return true;
    } catch (error) {
      if (!(error instanceof PageMissing)) throw error;
      this.#fail("the rings were moved while chains were in flight");
      return false;
    }
  }

  #adopt(): string | undefined {
    this.#signalledUsedValid = false;
    const pending = this.#pending();
    const used = this.#load(this.used + 2);
    if (pending === undefined || used === undefined) return "its rings are not in RAM";
    if (pending > this.size) return `its available index is ${pending} entries ahead of ${this.size}`;
    this.usedIndex = used;
    this.inUse = (this.lastAvailable - used) & 0xffff;
    if (this.inUse > this.size) return `${this.inUse} of its ${this.size} entries are in flight`;
    return undefined;
  }

  #driverWaits(): boolean {
    if (this.#ports.notifyOnEmpty() && this.inUse === 0 && !this.hasAvailable()) return true;
    if (!this.#ports.eventIdx()) {
      const flags = this.#load(this.available);
      return flags !== undefined && (flags & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0;
    }
    const [last, wasValid] = [this.#signalledUsed, this.#signalledUsedValid];
    this.#signalledUsed = this.usedIndex;
    this.#signalledUsedValid = true;
    if (!wasValid) return true;
    const event = this.#load(this.available + RING_HEADER_BYTES + 2 * this.size);
    // 2.7.10.1: the event's entry is among those used since the last interrupt.
    return event !== undefined && ((this.usedIndex - event - 1) & 0xffff) < ((this.usedIndex - last) & 0xffff);
  }

  #pending(): number | undefined {
    const index = this.#load(this.available + 2);
    return index === undefined ? undefined : (index - this.lastAvailable) & 0xffff;
  }

  #availEventAt(): Gpa {
    return this.used + RING_HEADER_BYTES + USED_ELEMENT_BYTES * this.size;
  }

  /** The pages were marked when the chain was popped, but they may have been sent by a migration since. */
  #markWritten(chain: Chain, writtenBytes: number): void {
    let left = writtenBytes;
    for (let i = 0; i < chain.writable.length && left > 0; i++) {
      const part = Math.min(left, (chain.writable[i] as Uint8Array).length);
      this.#ports.dma.view(chain.writableAt[i] as Gpa, part, "toGuest");
      left -= part;
    }
  }

  #fail(reason: string): undefined {
    this.#broken = true;
    this.#ports.fail(reason);
    return undefined;
  }

  #load(address: Gpa): number | undefined {
    const at = this.#word(address, "fromGuest");
    return at === undefined ? undefined : Atomics.load(this.#words, at);
  }
  #store(address: Gpa, value: number): boolean {
    const at = this.#word(address, "toGuest");
    if (at === undefined) return false;
    Atomics.store(this.#words, at, value);
    return true;
  }
  /** The index in `#words` of the 16-bit word at `address`; undefined when it is misaligned or not in RAM. */
  #word(address: Gpa, direction: "toGuest" | "fromGuest"): number | undefined {
    const view = this.#ports.dma.view(address, 2, direction);
    if (!view || view.byteOffset % 2 !== 0) return undefined;
    const memory = view.buffer;
    if (this.#words.buffer !== memory) this.#words = new Uint16Array(memory, 0, Math.floor(memory.byteLength / 2));
    return view.byteOffset / 2;
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}
function u32(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0;
}
function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
