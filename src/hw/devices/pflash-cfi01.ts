/**
 * Parallel flash with Intel's command set, as QEMU's `pflash_cfi01` stands on the virt board: two 16-bit chips side by
 * side on a 32-bit bus, 256 KiB sectors.
 *
 * Its memory is a RAM block. In read-array mode guests read that block directly (`setRomd(true)`); a write is always a
 * command, and most commands turn direct reads off until the next "read array".
 *
 * Spec: JEDEC JESD68.01 "Common Flash Interface", Intel StrataFlash (28F128J3A) "Command set";
 * migration: QEMU section "pflash_cfi01" v1. The memory itself migrates as a RAM block.
 * Thread: machine.
 * Not modelled: time (every operation is over at once); protection of single blocks (lock and unlock are accepted without
 * effect); suspend; programming replaces bytes instead of only clearing bits (as in QEMU).
 */
import { u32, u64, u8, u8Array, vmstate } from "#core/vmstate.ts";
import { bindState } from "#hw/bus/bound-state.ts";
import type { BoundState, Device, MigrationSection, MmioRegion } from "#hw/bus/types.ts";

export type PflashPorts = {
  /** The flash's RAM block. */
  readonly memory: Uint8Array;
  /** Throws `PageMissing` when a page of that part of `memory` has not come yet; absent: all are there. */
  readonly require?: (offset: number, lengthBytes: number) => void;
  /** Whether guest reads go straight to `memory`. */
  readonly setRomd: (on: boolean) => void;
  /** These bytes of `memory` changed and go to the file. */
  readonly store?: (offset: number, lengthBytes: number) => void;
};

const SECTOR_BYTES = 256 * 1024;
const BANK_BYTES = 4;
const CHIP_BYTES = 2;
const CHIPS = BANK_BYTES / CHIP_BYTES;
const MANUFACTURER_INTEL = 0x89;
const DEVICE_28F128J3A = 0x18;
/** log2 of the bytes of a chip's program buffer. */
const CHIP_BUFFER_BIT = 11;
const BUFFER_BYTES = CHIPS << CHIP_BUFFER_BIT;

// Intel StrataFlash, "Command set", first and second cycles.
const CMD_READ_ARRAY_QEMU = 0x00; // What QEMU keeps in `cmd` for read-array mode, and takes for 0xff.
const CMD_PROGRAM = 0x10;
const CMD_ERASE = 0x20;
const CMD_PROGRAM_ALTERNATE = 0x40;
const CMD_CLEAR_STATUS = 0x50;
const CMD_LOCK = 0x60;
const CMD_READ_STATUS = 0x70;
const CMD_READ_ID = 0x90;
const CMD_READ_CFI = 0x98;
const CMD_PROGRAM_BUFFER = 0xe8;
const CMD_READ_ARRAY_AMD = 0xf0;
const CMD_READ_ARRAY = 0xff;
const CONFIRM = 0xd0;
const LOCK_BLOCK = 0x01;

const STATUS_PROGRAM_ERROR = 1 << 4;
const STATUS_ERASE_ERROR = 1 << 5;
const STATUS_READY = 1 << 7;

const NO_BUFFER = 0xffff_ffff;

const PFLASH_STATE = vmstate(
  "pflash_cfi01",
  1,
  {
    /** Bus cycles of the current command that are done. */
    wcycle: u8(),
    cmd: u8(CMD_READ_ARRAY_QEMU),
    status: u8(STATUS_READY),
    /** Words of a buffered program that are left, minus one. */
    counter: u64(),
    /** The program buffer: what memory will hold from `blk_offset` on. */
    blk_bytes: u8Array(BUFFER_BYTES),
    blk_offset: u32(NO_BUFFER),
  },
  {
    subsections: [
      {
        name: "pflash_cfi01_blk_write",
        version: 1,
        fields: ["blk_bytes", "blk_offset"],
        needed: (s) => s.blk_offset !== NO_BUFFER,
      },
    ],
  },
);

export class PflashCfi01 implements Device {
  readonly typeName = "cfi.pflash01";
  readonly regions: readonly MmioRegion[];
  readonly migration: readonly MigrationSection[];
  readonly #ports: PflashPorts;
  readonly #readOnly: boolean;
  readonly #view: DataView;
  readonly #cfi: Uint8Array;
  readonly #bound: BoundState<typeof PFLASH_STATE.fields>;
  readonly #buffer: DataView;

  /** The flash is as large as `ports.memory`, a power of two and at least one sector of 256 KiB. */
  constructor(ports: PflashPorts, options: { readonly readOnly?: boolean } = {}) {
    const { memory } = ports;
    this.#ports = ports;
    this.#readOnly = options.readOnly ?? false;
    this.#view = new DataView(memory.buffer, memory.byteOffset, memory.length);
    this.#cfi = cfiTable(memory.length);
    const place = { memory: new ArrayBuffer(PFLASH_STATE.sizeBytes), offset: 0 };
    this.#bound = bindState(PFLASH_STATE, place, () => this.#afterLoad());
    this.#bound.reset();
    const buffer = this.#bound.state.blk_bytes;
    this.#buffer = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    this.migration = [this.#bound.section];
    this.regions = [
      {
        sizeBytes: memory.length,
        accessSizes: [1, 2, 4, 8],
        read: (offset, size) => this.#read(offset, size),
        write: (offset, size, value) => this.#write(offset, size, value),
        write64: (offset, value) => this.#write64(offset, value),
      },
    ];
  }

  /** Back to read-array mode; the memory keeps its content. */
  reset(): void {
    this.#bound.reset();
    this.#ports.setRomd(true);
  }

  #inArrayMode(): boolean {
    return this.#bound.state.wcycle === 0 && this.#bound.state.cmd === CMD_READ_ARRAY_QEMU;
  }

  #read(offset: number, size: 1 | 2 | 4): number {
    const s = this.#bound.state;
    switch (s.cmd) {
      case CMD_PROGRAM:
      case CMD_ERASE:
      case CMD_PROGRAM_ALTERNATE:
      case CMD_LOCK:
      case CMD_READ_STATUS:
      case CMD_PROGRAM_BUFFER:
        return onBus(s.status, size);
      case CMD_READ_ID:
        return onBus(identification((offset >> 2) & 0xff), size);
      case CMD_READ_CFI:
        return onBus(this.#cfi[offset >> 2] ?? 0, size);
      default:
        // A stream may bring any command byte: everything else is read-array mode.
        this.#ports.require?.(offset, size);
        if (!this.#inArrayMode()) this.#enterArrayMode();
        return this.#readArray(offset, size);
    }
  }

  #readArray(offset: number, size: 1 | 2 | 4): number {
    if (size === 1) return this.#view.getUint8(offset);
    return size === 2 ? this.#view.getUint16(offset, true) : this.#view.getUint32(offset, true);
  }

  #write(offset: number, size: 1 | 2 | 4, value: number): void {
    const s = this.#bound.state;
    this.#requireFor(offset, size, value);
    if (this.#inArrayMode()) this.#ports.setRomd(false);
    if (s.wcycle === 0) this.#firstCycle(value & 0xff);
    else if (s.wcycle === 1) this.#secondCycle(offset, size, value);
    else if (s.wcycle === 2 && s.cmd === CMD_PROGRAM_BUFFER) this.#bufferCycle(offset, size, value);
    else if (s.wcycle === 3 && s.cmd === CMD_PROGRAM_BUFFER && (value & 0xff) === CONFIRM) this.#programBuffer();
    else this.#enterArrayMode();
  }

  /** Two writes of 4 bytes; the second must not find a page missing, as the first would be done twice then. */
  #write64(offset: number, value: bigint): void {
    const { blk_offset } = this.#bound.state;
    this.#ports.require?.(offset - (offset % SECTOR_BYTES), SECTOR_BYTES);
    if (blk_offset !== NO_BUFFER) this.#ports.require?.(blk_offset, BUFFER_BYTES);
    this.#write(offset, 4, Number(BigInt.asUintN(32, value)));
    this.#write(offset + 4, 4, Number(BigInt.asUintN(32, value >> 32n)));
  }

  /** The memory that a write will read or change, before anything has changed. */
  #requireFor(offset: number, size: number, value: number): void {
    const { require } = this.#ports;
    const { wcycle, cmd, blk_offset } = this.#bound.state;
    if (!require || wcycle === 0) return;
    if (wcycle === 3 && blk_offset !== NO_BUFFER) return require(blk_offset, BUFFER_BYTES);
    if (wcycle !== 1) return;
    if (cmd === CMD_PROGRAM || cmd === CMD_PROGRAM_ALTERNATE) require(offset, size);
    if (cmd === CMD_PROGRAM_BUFFER) require(offset - (offset % BUFFER_BYTES), BUFFER_BYTES);
    if (cmd === CMD_ERASE && (value & 0xff) === CONFIRM) require(offset - (offset % SECTOR_BYTES), SECTOR_BYTES);
  }

  #firstCycle(command: number): void {
    const s = this.#bound.state;
    switch (command) {
      case CMD_PROGRAM:
      case CMD_PROGRAM_ALTERNATE:
      case CMD_ERASE:
      case CMD_LOCK:
      case CMD_READ_CFI:
        s.cmd = command;
        s.wcycle = 1;
        break;
      case CMD_PROGRAM_BUFFER:
        s.cmd = command;
        s.wcycle = 1;
        s.status |= STATUS_READY; // The buffer is free.
        break;
      case CMD_READ_STATUS:
      case CMD_READ_ID:
        s.cmd = command;
        break;
      case CMD_CLEAR_STATUS:
        // All of it, the ready bit too, until the next operation sets it (as QEMU).
        s.status = 0;
        this.#enterArrayMode();
        break;
      case CMD_READ_ARRAY_QEMU:
      case CMD_READ_ARRAY_AMD:
      case CMD_READ_ARRAY:
      default:
        this.#enterArrayMode();
    }
  }

  #secondCycle(offset: number, size: 1 | 2 | 4, value: number): void {
    const s = this.#bound.state;
    const confirm = value & 0xff;
    switch (s.cmd) {
      case CMD_PROGRAM:
      case CMD_PROGRAM_ALTERNATE:
        this.#program(offset, size, value);
        break;
      case CMD_ERASE:
        if (confirm === CONFIRM) this.#erase(offset - (offset % SECTOR_BYTES));
        else this.#enterArrayMode();
        break;
      case CMD_LOCK:
        if (confirm === CONFIRM || confirm === LOCK_BLOCK) this.#finish();
        else this.#enterArrayMode();
        break;
      case CMD_READ_CFI:
        // Nothing else leaves the query (as QEMU).
        if (confirm === CMD_READ_ARRAY) this.#enterArrayMode();
        break;
      case CMD_PROGRAM_BUFFER:
        // Both chips get the same count, in words of their width; the address says which part of memory is meant.
        s.counter = BigInt(value & 0xffff);
        s.wcycle = 2;
        s.blk_offset = offset - (offset % BUFFER_BYTES);
        s.blk_bytes.set(this.#ports.memory.subarray(s.blk_offset, s.blk_offset + BUFFER_BYTES));
        break;
      default:
        this.#enterArrayMode();
    }
  }

  /** A word for the buffer. One outside the buffer's part of memory spoils the whole program. */
  #bufferCycle(offset: number, size: 1 | 2 | 4, value: number): void {
    const s = this.#bound.state;
    const at = offset - s.blk_offset;
    if (this.#readOnly || at < 0 || at + size > BUFFER_BYTES) s.status |= STATUS_PROGRAM_ERROR;
    else put(this.#buffer, at, size, value);
    s.status |= STATUS_READY;
    if (s.counter === 0n) s.wcycle = 3;
    else s.counter -= 1n;
  }

  #programBuffer(): void {
    const s = this.#bound.state;
    if (s.status & STATUS_PROGRAM_ERROR || s.blk_offset === NO_BUFFER) {
      this.#enterArrayMode();
      return;
    }
    this.#ports.memory.set(s.blk_bytes, s.blk_offset);
    this.#ports.store?.(s.blk_offset, BUFFER_BYTES);
    s.blk_offset = NO_BUFFER;
    this.#finish();
  }

  /** Puts a word into memory, or an error into the status if the flash is read-only. */
  #program(offset: number, size: 1 | 2 | 4, value: number): void {
    if (this.#readOnly) {
      this.#bound.state.status |= STATUS_PROGRAM_ERROR;
    } else {
      put(this.#view, offset, size, value);
      this.#ports.store?.(offset, size);
    }
    this.#finish();
  }

  #erase(start: number): void {
    if (this.#readOnly) {
      this.#bound.state.status |= STATUS_ERASE_ERROR;
    } else {
      this.#ports.memory.fill(0xff, start, start + SECTOR_BYTES);
      this.#ports.store?.(start, Math.min(SECTOR_BYTES, this.#ports.memory.length - start));
    }
    this.#finish();
  }

  /** The operation is over; reads give the status until the next command. */
  #finish(): void {
    this.#bound.state.wcycle = 0;
    this.#bound.state.status |= STATUS_READY;
  }

  #enterArrayMode(): void {
    this.#bound.state.wcycle = 0;
    this.#bound.state.cmd = CMD_READ_ARRAY_QEMU;
    this.#bound.state.blk_offset = NO_BUFFER;
    this.#ports.setRomd(true);
  }

  #afterLoad(): void {
    const s = this.#bound.state;
    if (s.blk_offset % BUFFER_BYTES !== 0 || s.blk_offset >= this.#ports.memory.length) s.blk_offset = NO_BUFFER;
    this.#ports.setRomd(this.#inArrayMode());
  }
}

function put(view: DataView, offset: number, size: 1 | 2 | 4, value: number): void {
  if (size === 1) view.setUint8(offset, value);
  else if (size === 2) view.setUint16(offset, value, true);
  else view.setUint32(offset, value, true);
}

/** Each chip answers on its half of the bus; a narrower access sees the low chip's, wherever it points (as QEMU). */
function onBus(value: number, size: 1 | 2 | 4): number {
  return size === 4 ? ((value << 16) | value) >>> 0 : value & (size === 2 ? 0xffff : 0xff);
}

function identification(word: number): number {
  if (word === 0) return MANUFACTURER_INTEL;
  return word === 1 ? DEVICE_28F128J3A : 0;
}

/** The query table of one chip of a flash of `lengthBytes`, by word address. JESD68.01, tables 1 to 4. */
function cfiTable(lengthBytes: number): Uint8Array {
  const table = new Uint8Array(0x52);
  const blocks = lengthBytes / SECTOR_BYTES;
  const chipSectorBytes = SECTOR_BYTES / CHIPS;
  const rows: readonly (readonly [at: number, ...bytes: number[]])[] = [
    [0x10, 0x51, 0x52, 0x59], // "QRY"
    [0x13, 0x01, 0x00], // Intel's extended command set,
    [0x15, 0x31, 0x00], // whose own table is at 0x31.
    [0x1b, 0x45, 0x55, 0x00, 0x00], // Supply of 4.5 to 5.5 V; no programming voltage.
    [0x1f, 7, 7, 10, 0], // log2 of the typical times: word and buffer in us, sector in ms; no chip erase.
    [0x23, 4, 4, 4, 0], // log2 of the factor to the longest times.
    [0x27, Math.log2(lengthBytes / CHIPS)],
    [0x28, 0x02, 0x00], // 8 and 16 bits wide
    [0x2a, CHIP_BUFFER_BIT, 0x00],
    [0x2c, 1], // One region of equal sectors: how many minus one, and how large in units of 256 bytes.
    [0x2d, (blocks - 1) & 0xff, (blocks - 1) >> 8],
    [0x2f, (chipSectorBytes >> 8) & 0xff, chipSectorBytes >> 16],
    [0x31, 0x50, 0x52, 0x49, 0x31, 0x30], // "PRI10"
    [0x3f, 1], // One protection register field.
  ];
  for (const [at, ...bytes] of rows) table.set(bytes, at);
  return table;
}
