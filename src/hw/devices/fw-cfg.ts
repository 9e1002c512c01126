/**
 * QEMU's firmware configuration device, the memory-mapped variant with DMA: named blobs for firmware and kernel.
 *
 *     selector (write) -> current item, offset 0 -> data (read, byte after byte) or DMA (read, skip)
 *
 * Spec: QEMU docs/specs/fw_cfg; migration: QEMU section "fw_cfg" v2 with "fw_cfg/dma".
 * Thread: machine.
 * Not modelled: items that the guest may write: a DMA write answers with an error, a write to the data register is ignored.
 */
import { u16, u32, u64, vmstate } from "#core/vmstate.ts";
import { bindState } from "#hw/bus/bound-state.ts";
import type { BoundState, Device, Dma, MigrationSection, MmioRegion } from "#hw/bus/types.ts";

/** An item by its key, or a file: it gets its key (0x20 and up, in the order of the names) from the directory. */
export type FwCfgItem =
  | { readonly key: number; readonly data: Uint8Array }
  | { readonly name: string; readonly data: Uint8Array };

/** Keys that the specification names. SIGNATURE, ID and FILE_DIR are made here. */
export const FW_CFG_KEY = {
  SIGNATURE: 0x00,
  ID: 0x01,
  UUID: 0x02,
  RAM_SIZE: 0x03,
  NOGRAPHIC: 0x04,
  NB_CPUS: 0x05,
  KERNEL_ADDR: 0x07,
  KERNEL_SIZE: 0x08,
  INITRD_ADDR: 0x0a,
  INITRD_SIZE: 0x0b,
  BOOT_MENU: 0x0e,
  KERNEL_DATA: 0x11,
  INITRD_DATA: 0x12,
  CMDLINE_SIZE: 0x14,
  CMDLINE_DATA: 0x15,
  FILE_DIR: 0x19,
} as const;

const FILE_FIRST = 0x20;
const FILE_SLOTS = 0x20;
const NAME_BYTES = 56;
const WRITE_CHANNEL = 0x4000;
const ARCH_LOCAL = 0x8000;
const INVALID_ENTRY = 0xffff;
const ID_TRADITIONAL = 1 << 0;
const ID_DMA = 1 << 1;

// "Register locations", memory-mapped, and "Guest-side DMA interface".
const DATA_END = 8;
const SELECTOR = 8;
const DMA_HIGH = 16;
const DMA_LOW = 20;
const DMA_END = 24;
/** "QEMU CFG" in the byte order of the register. */
const DMA_SIGNATURE = 0x51454d55_20434647n;
const DMA_CTL_ERROR = 1 << 0;
const DMA_CTL_READ = 1 << 1;
const DMA_CTL_SKIP = 1 << 2;
const DMA_CTL_SELECT = 1 << 3;
const DMA_CTL_WRITE = 1 << 4;
const DMA_STRUCT_BYTES = 16;

const FW_CFG_STATE = vmstate(
  "fw_cfg",
  2,
  {
    cur_entry: u16(),
    cur_offset: u32(),
    dma_addr: u64(),
    table_mr_size: u64(),
    linker_mr_size: u64(),
    rsdp_mr_size: u64(),
  },
  {
    subsections: [
      { name: "fw_cfg/dma", version: 0, fields: ["dma_addr"], needed: () => true },
      // Sent by newer QEMUs; there are no ACPI tables here to resize.
      {
        name: "fw_cfg/acpi_mr",
        version: 1,
        fields: ["table_mr_size", "linker_mr_size", "rsdp_mr_size"],
        needed: () => false,
      },
    ],
  },
);

export class FwCfg implements Device {
  readonly typeName = "fw_cfg_mem";
  readonly regions: readonly MmioRegion[];
  readonly migration: readonly MigrationSection[];
  readonly #dma: Dma;
  readonly #bound: BoundState<typeof FW_CFG_STATE.fields>;
  readonly #items: ReadonlyMap<number, Uint8Array>;

  /** Throws RangeError for more than 32 files, a name longer than 55 characters, or a key that two items have. */
  constructor(ports: { readonly dma: Dma }, items: readonly FwCfgItem[]) {
    this.#dma = ports.dma;
    this.#items = itemTable(items);
    this.#bound = bindState(FW_CFG_STATE, { memory: new ArrayBuffer(FW_CFG_STATE.sizeBytes), offset: 0 });
    this.#bound.reset();
    this.migration = [this.#bound.section];
    this.regions = [
      {
        sizeBytes: DMA_END,
        accessSizes: [1, 2, 4, 8],
        read: (offset, size) => Number(this.#read(offset, size)),
        write: (offset, size, value) => this.#write(offset, size, BigInt(value >>> 0)),
        read64: (offset) => this.#read(offset, 8),
        write64: (offset, value) => this.#write(offset, 8, BigInt.asUintN(64, value)),
      },
    ];
  }

  reset(): void {
    this.#bound.reset();
  }

  /** The bus is little-endian: the byte at the lowest address is the lowest of the value. */
  #read(offset: number, size: number): bigint {
    if (offset === 0) return this.#readData(size);
    if (offset >= DMA_HIGH && offset + size <= DMA_END) {
      return BigInt.asUintN(size * 8, swap(DMA_SIGNATURE, 8) >> BigInt((offset - DMA_HIGH) * 8));
    }
    return 0n;
  }

  #write(offset: number, size: number, value: bigint): void {
    const s = this.#bound.state;
    if (offset < DATA_END) return;
    if (offset === SELECTOR && size === 2) {
      this.#select(Number(swap(value, 2)));
    } else if (offset === DMA_HIGH && size === 8) {
      s.dma_addr = swap(value, 8);
      this.#transfer();
    } else if (offset === DMA_HIGH && size === 4) {
      s.dma_addr = swap(value, 4) << 32n;
    } else if (offset === DMA_LOW && size === 4) {
      s.dma_addr |= swap(value, 4);
      this.#transfer();
    }
  }

  #select(key: number): void {
    const s = this.#bound.state;
    s.cur_offset = 0;
    s.cur_entry = (key & ~(WRITE_CHANNEL | ARCH_LOCAL)) >= FILE_FIRST + FILE_SLOTS ? INVALID_ENTRY : key;
  }

  /** The current item; empty where there is none. */
  #current(): Uint8Array {
    const entry = this.#bound.state.cur_entry;
    return (entry === INVALID_ENTRY ? undefined : this.#items.get(entry & ~WRITE_CHANNEL)) ?? EMPTY;
  }

  /** The next bytes of the item in order of address; past its end they are 0. */
  #readData(size: number): bigint {
    const s = this.#bound.state;
    const data = this.#current();
    let value = 0n;
    for (let i = 0; i < size && s.cur_offset < data.length; i++) {
      value |= BigInt(data[s.cur_offset] ?? 0) << BigInt(i * 8);
      s.cur_offset += 1;
    }
    return value;
  }

  /** Runs the request whose big-endian structure {control, length, address} lies at `dma_addr`. */
  #transfer(): void {
    const s = this.#bound.state;
    const at = Number(s.dma_addr);
    const request = this.#dma.view(at, DMA_STRUCT_BYTES, "fromGuest");
    const answer = this.#dma.view(at, 4, "toGuest");
    if (!request || !answer) {
      s.dma_addr = 0n;
      if (answer) putControl(answer, DMA_CTL_ERROR);
      return;
    }
    const view = new DataView(request.buffer, request.byteOffset, DMA_STRUCT_BYTES);
    const [control, lengthBytes, address] = [view.getUint32(0), view.getUint32(4), Number(view.getBigUint64(8))];
    // Before anything changes: a page that is missing makes the guest's write begin anew.
    const target =
      control & DMA_CTL_READ && lengthBytes > 0 ? this.#dma.view(address, lengthBytes, "toGuest") : new Uint8Array(0);
    s.dma_addr = 0n;
    if (control & DMA_CTL_SELECT) this.#select(control >>> 16);
    putControl(answer, this.#run(control, lengthBytes, target) ? 0 : DMA_CTL_ERROR);
  }

  /** False is an error. The item's rest is followed by zeros; of the directions read comes first, then write, then skip. */
  #run(control: number, lengthBytes: number, target: Uint8Array | undefined): boolean {
    const s = this.#bound.state;
    const data = this.#current();
    const start = Math.min(s.cur_offset, data.length);
    const taken = Math.min(lengthBytes, data.length - start);
    if (control & DMA_CTL_READ) {
      if (!target) return false;
      target.set(data.subarray(start, start + taken));
      target.fill(0, taken);
    } else if (control & DMA_CTL_WRITE) {
      return lengthBytes === 0;
    } else if (!(control & DMA_CTL_SKIP)) {
      return true;
    }
    s.cur_offset = start + taken;
    return true;
  }
}

const EMPTY = new Uint8Array(0);

function putControl(answer: Uint8Array, control: number): void {
  new DataView(answer.buffer, answer.byteOffset, 4).setUint32(0, control);
}

/** Turns the low `sizeBytes` bytes of `value` around. */
function swap(value: bigint, sizeBytes: number): bigint {
  let result = 0n;
  for (let i = 0; i < sizeBytes; i++) result = (result << 8n) | ((value >> BigInt(i * 8)) & 0xffn);
  return result;
}

/** All items by key, with the signature, the features and the directory of the files. */
function itemTable(items: readonly FwCfgItem[]): ReadonlyMap<number, Uint8Array> {
  const table = new Map<number, Uint8Array>();
  const add = (key: number, data: Uint8Array): void => {
    if (table.has(key)) throw new RangeError(`two fw_cfg items have the key 0x${key.toString(16)}`);
    table.set(key, data);
  };
  add(FW_CFG_KEY.SIGNATURE, Uint8Array.of(0x51, 0x45, 0x4d, 0x55));
  add(FW_CFG_KEY.ID, Uint8Array.of(ID_TRADITIONAL | ID_DMA, 0, 0, 0));
  for (const item of items) if ("key" in item) add(item.key, item.data);
  const files = items.filter((item) => "name" in item).sort((a, b) => (a.name < b.name ? -1 : 1));
  if (files.length > FILE_SLOTS)
    throw new RangeError(`there are ${files.length} fw_cfg files, more than ${FILE_SLOTS}`);
  files.forEach((file, index) => {
    if (file.name.length >= NAME_BYTES) throw new RangeError(`the fw_cfg file name '${file.name}' is too long`);
    if (file.name === files[index - 1]?.name) throw new RangeError(`two fw_cfg files have the name '${file.name}'`);
    add(FILE_FIRST + index, file.data);
  });
  add(FW_CFG_KEY.FILE_DIR, directory(files));
  return table;
}

/** "File directory": a big-endian count, then {size, key, reserved, name} for each file. */
function directory(files: readonly { readonly name: string; readonly data: Uint8Array }[]): Uint8Array {
  const rowBytes = 8 + NAME_BYTES;
  const bytes = new Uint8Array(4 + files.length * rowBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, files.length);
  files.forEach((file, index) => {
    const row = 4 + index * rowBytes;
    view.setUint32(row, file.data.length);
    view.setUint16(row + 4, FILE_FIRST + index);
    for (let i = 0; i < file.name.length; i++) bytes[row + 8 + i] = file.name.charCodeAt(i);
  });
  return bytes;
}
