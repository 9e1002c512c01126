/**
 * The PMP registers, kept in TypeScript because they are rarely written: pmpcfg, pmpaddr, and the list of ranges that
 * `pmpCheck` walks.
 * Spec: RISC-V Privileged Architecture 1.13, 3.7.
 */
import { VCPU } from "#cpu/vcpu/layout.ts";

const ENTRIES = 16;
const LOCKED = 0x80;
const MODE_TOR = 1;
const MODE_NA4 = 2;
const ADDRESS_MASK = (1n << 54n) - 1n;

const modeOf = (config: number): number => (config >> 3) & 3;

/** Reads and writes the PMP CSRs of the vCPU whose block starts at `cpu`. Thread: the vCPU's own, or while it is stopped. */
export class Pmp {
  readonly #view: DataView;
  readonly #cpu: number;
  readonly #guestError: ((message: string) => void) | undefined;

  constructor(memory: ArrayBufferLike, cpu: number, guestError?: (message: string) => void) {
    this.#view = new DataView(memory);
    this.#cpu = cpu;
    this.#guestError = guestError;
  }

  read(csr: number): bigint {
    if (csr >= 0x3b0) return this.#address(csr - 0x3b0);
    return this.#view.getBigUint64(this.#cpu + VCPU.pmpcfg + (csr - 0x3a0) * 4, true);
  }

  write(csr: number, value: bigint): void {
    if (csr >= 0x3b0) this.#writeAddress(csr - 0x3b0, value);
    else for (let i = 0; i < 8; i++) this.#writeConfig((csr - 0x3a0) * 4 + i, Number((value >> BigInt(8 * i)) & 0xffn));
    this.refresh();
  }

  #config(entry: number): number {
    return this.#view.getUint8(this.#cpu + VCPU.pmpcfg + entry);
  }
  #address(entry: number): bigint {
    return this.#view.getBigUint64(this.#cpu + VCPU.pmpaddr + 8 * entry, true);
  }

  #writeConfig(entry: number, value: number): void {
    const before = this.#config(entry);
    if (before & LOCKED) {
      // The other entries of the register are written along, so only a change is worth a word.
      if (value !== before)
        this.#guestError?.(`pmpcfg of entry ${entry} is locked; the write of 0x${value.toString(16)} is ignored`);
      return;
    }
    // R=0 W=1 is reserved: the write is ignored.
    if ((value & 3) === 2) {
      this.#guestError?.(`pmpcfg of entry ${entry} would be writable and not readable; the write is ignored`);
      return;
    }
    this.#view.setUint8(this.#cpu + VCPU.pmpcfg + entry, value & 0x9f);
  }

  #writeAddress(entry: number, value: bigint): void {
    if (this.#config(entry) & LOCKED) {
      this.#guestError?.(`pmpaddr${entry} is locked; the write is ignored`);
      return;
    }
    const next = entry + 1 < ENTRIES ? this.#config(entry + 1) : 0;
    if (next & LOCKED && modeOf(next) === MODE_TOR) {
      this.#guestError?.(`pmpaddr${entry} is locked by entry ${entry + 1}; the write is ignored`);
      return;
    }
    this.#view.setBigUint64(this.#cpu + VCPU.pmpaddr + 8 * entry, value & ADDRESS_MASK, true);
  }

  /** Rebuilds the list of ranges after a write or a load. The caller flushes the TLBs. */
  refresh(): void {
    let count = 0;
    for (let entry = 0; entry < ENTRIES; entry++) {
      const range = this.#range(entry);
      if (!range) continue;
      const at = this.#cpu + VCPU.pmpRanges + 24 * count++;
      this.#view.setBigUint64(at, range.first, true);
      this.#view.setBigUint64(at + 8, range.last, true);
      this.#view.setBigUint64(at + 16, BigInt(this.#config(entry)), true);
    }
    this.#view.setInt32(this.#cpu + VCPU.pmpCount, count, true);
  }

  #range(entry: number): { first: bigint; last: bigint } | undefined {
    const address = this.#address(entry);
    switch (modeOf(this.#config(entry))) {
      case 0:
        return undefined;
      case MODE_TOR: {
        const first = entry === 0 ? 0n : this.#address(entry - 1) << 2n;
        const last = (address << 2n) - 1n;
        return last < first ? undefined : { first, last };
      }
      case MODE_NA4:
        return { first: address << 2n, last: (address << 2n) + 3n };
      default: {
        // NAPOT: as many low bits as there are trailing ones, and one more.
        const ones = address ^ (address + 1n);
        return { first: (address & ~ones) << 2n, last: ((address | ones) << 2n) + 3n };
      }
    }
  }
}
