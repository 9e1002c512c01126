/**
 * What the `virt` board offers through fw_cfg: the items that QEMU 7.2's has, and for firmware that runs from flash
 * the kernel, initrd and command line of the command line, which it loads itself.
 *
 * The file directory (key 0x19) lists the named items and is itself one of the items.
 *
 * Spec: QEMU docs/specs/fw_cfg.
 */

/** An item: `key` selects it, a `name` makes it a file of the directory. */
export type FwCfgItem = { readonly key: number; readonly name?: string; readonly data: Uint8Array };

export type VirtFwCfgConfig = {
  readonly cpus: number;
  /** `-uuid`; absent: all zero. */
  readonly uuid?: string | undefined;
  /** No display at all (`-nographic`). */
  readonly noGraphic: boolean;
  /** Device paths in firmware's syntax, first choice first ("/virtio-mmio@0000000010008000/disk@0,0"). */
  readonly bootOrder: readonly string[];
  /** `-boot menu=`. */
  readonly bootMenu?: boolean | undefined;
  /** `-boot reboot-timeout=`: after which firmware restarts when nothing could be booted; -1 or absent: never. */
  readonly rebootTimeoutMs?: number | undefined;
  /** `-kernel` and its companions, as the files are, when flash 1 holds the firmware that loads them. */
  readonly directBoot?: VirtDirectBoot | undefined;
};

export type VirtDirectBoot = {
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array | undefined;
  readonly kernelCommandLine?: string | undefined;
};

/** All integers of items are little-endian; those of the directory are big-endian. */
const FW_CFG_SIGNATURE = 0x00;
const FW_CFG_ID = 0x01;
const FW_CFG_UUID = 0x02;
const FW_CFG_NOGRAPHIC = 0x04;
const FW_CFG_NB_CPUS = 0x05;
const FW_CFG_KERNEL_SIZE = 0x08;
const FW_CFG_INITRD_SIZE = 0x0b;
const FW_CFG_BOOT_MENU = 0x0e;
const FW_CFG_KERNEL_DATA = 0x11;
const FW_CFG_INITRD_DATA = 0x12;
const FW_CFG_CMDLINE_SIZE = 0x14;
const FW_CFG_CMDLINE_DATA = 0x15;
const FW_CFG_FILE_DIR = 0x19;
const FW_CFG_FILE_FIRST = 0x20;

const FW_CFG_VERSION = 1 << 0;
const FW_CFG_VERSION_DMA = 1 << 1;

const FILE_NAME_BYTES = 56;
const FILE_ENTRY_BYTES = 8 + FILE_NAME_BYTES;
/** Firmware does not reboot after a failed boot. */
const BOOT_FAIL_WAIT_FOREVER = -1;

export function virtFwCfgItems(config: VirtFwCfgConfig): FwCfgItem[] {
  const files = fileItems({
    "bios-geometry": new Uint8Array(0),
    bootorder: config.bootOrder.length === 0 ? new Uint8Array(0) : asciz(config.bootOrder.join("\n")),
    "etc/boot-fail-wait": u32(config.rebootTimeoutMs ?? BOOT_FAIL_WAIT_FOREVER),
  });
  return [
    { key: FW_CFG_SIGNATURE, data: new TextEncoder().encode("QEMU") },
    { key: FW_CFG_ID, data: u32(FW_CFG_VERSION | FW_CFG_VERSION_DMA) },
    { key: FW_CFG_UUID, data: uuidBytes(config.uuid) },
    { key: FW_CFG_NOGRAPHIC, data: u16(config.noGraphic ? 1 : 0) },
    { key: FW_CFG_NB_CPUS, data: u16(config.cpus) },
    { key: FW_CFG_BOOT_MENU, data: u16(config.bootMenu ? 1 : 0) },
    ...(config.directBoot === undefined ? [] : directBootItems(config.directBoot)),
    { key: FW_CFG_FILE_DIR, data: fileDirectory(files) },
    ...files,
  ];
}

function directBootItems(boot: VirtDirectBoot): FwCfgItem[] {
  const commandLine = asciz(boot.kernelCommandLine ?? "");
  const items = [
    { key: FW_CFG_KERNEL_SIZE, data: u32(boot.kernel.length) },
    { key: FW_CFG_KERNEL_DATA, data: boot.kernel },
    { key: FW_CFG_CMDLINE_SIZE, data: u32(commandLine.length) },
    { key: FW_CFG_CMDLINE_DATA, data: commandLine },
  ];
  if (boot.initrd === undefined) return items;
  return [
    ...items,
    { key: FW_CFG_INITRD_SIZE, data: u32(boot.initrd.length) },
    { key: FW_CFG_INITRD_DATA, data: boot.initrd },
  ];
}

/** Keys by the order of the names, as QEMU gives them. */
function fileItems(files: Readonly<Record<string, Uint8Array>>): (FwCfgItem & { readonly name: string })[] {
  return Object.entries(files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, data], index) => ({ key: FW_CFG_FILE_FIRST + index, name, data }));
}

/** The directory of the items that have a name: a count, then 64 bytes a file (size, key, reserved, name). */
function fileDirectory(items: readonly FwCfgItem[]): Uint8Array {
  const files = items.filter((item) => item.name !== undefined);
  const directory = new Uint8Array(4 + files.length * FILE_ENTRY_BYTES);
  const view = new DataView(directory.buffer);
  view.setUint32(0, files.length);
  for (const [index, { key, name = "", data }] of files.entries()) {
    const entry = 4 + index * FILE_ENTRY_BYTES;
    view.setUint32(entry, data.length);
    view.setUint16(entry + 4, key);
    // NUL-terminated, so one byte less than there is room for.
    directory.set(new TextEncoder().encode(name).subarray(0, FILE_NAME_BYTES - 1), entry + 8);
  }
  return directory;
}

function uuidBytes(uuid: string | undefined): Uint8Array {
  const digits = uuid?.replaceAll("-", "") ?? "";
  return Uint8Array.from(
    { length: 16 },
    (_, index) => Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16) || 0,
  );
}

function u16(value: number): Uint8Array {
  return new Uint8Array([value & 0xff, (value >> 8) & 0xff]);
}
function u32(value: number): Uint8Array {
  return new Uint8Array([value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]);
}
function asciz(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
