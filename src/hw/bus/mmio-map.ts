/**
 * Which device answers a guest physical address, and how an access reaches its registers.
 *
 * An access that no device takes (nothing there, a size that the device does not answer, misaligned, past the end) is a
 * bus error, given as a value; the CPU makes an access fault of it.
 * Thread: any; a map is filled before the machine runs.
 */
import type { MmioRegion } from "#hw/bus/types.ts";

export type MmioHit = { readonly region: MmioRegion; readonly offset: number };

type Slot = { readonly base: number; readonly end: number; readonly region: MmioRegion };

export class MmioMap {
  /** Sorted by base; the slots do not overlap. */
  readonly #slots: Slot[] = [];
  #last: Slot | undefined;

  /** Maps `region` at `base`. Throws if it overlaps another one: that is a bug of the board. */
  add(base: number, region: MmioRegion): void {
    const slot = { base, end: base + region.sizeBytes, region };
    let index = this.#slots.findIndex((other) => other.base >= base);
    if (index < 0) index = this.#slots.length;
    const [before, after] = [this.#slots[index - 1], this.#slots[index]];
    if ((before && before.end > slot.base) || (after && after.base < slot.end)) {
      throw new RangeError(`the region at 0x${base.toString(16)} overlaps another one`);
    }
    this.#slots.splice(index, 0, slot);
  }

  find(address: number): MmioHit | undefined {
    const slot = this.#slotAt(address);
    return slot && { region: slot.region, offset: address - slot.base };
  }

  /** Reads 1, 2 or 4 bytes, unsigned; -1 is a bus error. */
  read32(address: number, size: 1 | 2 | 4): number {
    const slot = this.#slotAt(address);
    return slot ? mmioRead32(slot.region, address - slot.base, size) : -1;
  }

  /** Writes 1, 2 or 4 bytes; false is a bus error. */
  write32(address: number, size: 1 | 2 | 4, value: number): boolean {
    const slot = this.#slotAt(address);
    return slot !== undefined && mmioWrite32(slot.region, address - slot.base, size, value);
  }

  /** Reads 8 bytes; undefined is a bus error. */
  read64(address: number): bigint | undefined {
    const slot = this.#slotAt(address);
    return slot && mmioRead(slot.region, address - slot.base, 8);
  }

  /** Writes 8 bytes; false is a bus error. */
  write64(address: number, value: bigint): boolean {
    const slot = this.#slotAt(address);
    return slot !== undefined && mmioWrite(slot.region, address - slot.base, 8, value);
  }

  #slotAt(address: number): Slot | undefined {
    const last = this.#last;
    if (last && address >= last.base && address < last.end) return last;
    let low = 0;
    let high = this.#slots.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const slot = this.#slots[middle] as Slot;
      if (address < slot.base) {
        high = middle;
      } else if (address >= slot.end) {
        low = middle + 1;
      } else {
        this.#last = slot;
        return slot;
      }
    }
    return undefined;
  }
}

/** Reads 1, 2 or 4 bytes at `offset`, unsigned; -1 is a bus error. */
export function mmioRead32(region: MmioRegion, offset: number, size: 1 | 2 | 4): number {
  return answers(region, offset, size) ? region.read(offset, size) >>> 0 : -1;
}

/** Writes the low `size` bytes of `value` at `offset`; false is a bus error. */
export function mmioWrite32(region: MmioRegion, offset: number, size: 1 | 2 | 4, value: number): boolean {
  if (!answers(region, offset, size)) return false;
  region.write(offset, size, size === 4 ? value >>> 0 : value & ((1 << (size * 8)) - 1));
  return true;
}

/** Reads `size` bytes at `offset`, zero-extended; undefined is a bus error. */
export function mmioRead(region: MmioRegion, offset: number, size: 1 | 2 | 4 | 8): bigint | undefined {
  if (size !== 8) {
    const value = mmioRead32(region, offset, size);
    return value < 0 ? undefined : BigInt(value);
  }
  if (!answers(region, offset, size)) return undefined;
  if (region.read64) return BigInt.asUintN(64, region.read64(offset));
  const low = BigInt(region.read(offset, 4) >>> 0);
  return (BigInt(region.read(offset + 4, 4) >>> 0) << 32n) | low;
}

/** Writes the low `size` bytes of `value` at `offset`; false is a bus error. */
export function mmioWrite(region: MmioRegion, offset: number, size: 1 | 2 | 4 | 8, value: bigint): boolean {
  if (size !== 8) return mmioWrite32(region, offset, size, Number(BigInt.asUintN(32, value)));
  if (!answers(region, offset, size)) return false;
  if (region.write64) {
    region.write64(offset, BigInt.asUintN(64, value));
  } else {
    region.write(offset, 4, Number(BigInt.asUintN(32, value)));
    region.write(offset + 4, 4, Number(BigInt.asUintN(32, value >> 32n)));
  }
  return true;
}

function answers(region: MmioRegion, offset: number, size: 1 | 2 | 4 | 8): boolean {
  return offset % size === 0 && offset + size <= region.sizeBytes && region.accessSizes.includes(size);
}
