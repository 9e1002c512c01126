/**
 * Where everything is on the riscv `virt` board: addresses and interrupt numbers, as QEMU's.
 * The device tree, the reset ROM and the board all read this table.
 *
 * Source: `-M virt,dumpdtb=` and `info mtree` of qemu-system-riscv64 7.2; OpenSBI and Linux find the rest in the tree.
 */
import type { Gpa } from "#hw/bus/types.ts";

export type MemoryMapEntry = { readonly base: Gpa; readonly sizeBytes: number };

const KIB = 1024;
const MIB = 1024 * KIB;

export const VIRT_MEMORY_MAP = {
  debug: { base: 0x0, sizeBytes: 0x100 },
  /** The boot ROM; every hart starts at its first byte. */
  mrom: { base: 0x1000, sizeBytes: 0xf000 },
  test: { base: 0x10_0000, sizeBytes: 0x1000 },
  rtc: { base: 0x10_1000, sizeBytes: 0x1000 },
  /** The CLINT's layout; with `aclint=on` it is an MSWI at its start and an MTIMER behind it. */
  clint: { base: 0x200_0000, sizeBytes: 0x1_0000 },
  aclintMswi: { base: 0x200_0000, sizeBytes: 0x4000 },
  aclintMtimecmp: { base: 0x200_4000, sizeBytes: 0x7ff8 },
  aclintMtime: { base: 0x200_bff8, sizeBytes: 0x4008 },
  /** Only there with `aclint=on`. */
  aclintSswi: { base: 0x2f0_0000, sizeBytes: 0x4000 },
  pciePio: { base: 0x300_0000, sizeBytes: 0x1_0000 },
  platformBus: { base: 0x400_0000, sizeBytes: 0x200_0000 },
  /** 2 MiB, and a page for each of 1,024 contexts: two a hart, 512 harts. */
  plic: { base: 0xc00_0000, sizeBytes: 0x60_0000 },
  uart0: { base: 0x1000_0000, sizeBytes: 0x100 },
  /** The first of `VIRT_VIRTIO_COUNT` transports; each takes `sizeBytes`. */
  virtio: { base: 0x1000_1000, sizeBytes: 0x1000 },
  fwCfg: { base: 0x1010_0000, sizeBytes: 0x18 },
  flash0: { base: 0x2000_0000, sizeBytes: 32 * MIB },
  flash1: { base: 0x2200_0000, sizeBytes: 32 * MIB },
  pcieEcam: { base: 0x3000_0000, sizeBytes: 0x1000_0000 },
  pcieMmio: { base: 0x4000_0000, sizeBytes: 0x4000_0000 },
  /** As long as the machine's memory. */
  dram: { base: 0x8000_0000, sizeBytes: 0 },
} as const satisfies Readonly<Record<string, MemoryMapEntry>>;

export const VIRT_VIRTIO_COUNT = 8;

/** Virtio transport `slot`, 0 to 7. */
export function virtioEntry(slot: number): MemoryMapEntry {
  const { base, sizeBytes } = VIRT_MEMORY_MAP.virtio;
  return { base: base + slot * sizeBytes, sizeBytes };
}

/** Sources of the PLIC; 0 means "no interrupt". */
export const VIRT_IRQ = {
  /** Slot 0's; the others follow. */
  virtioFirst: 1,
  uart0: 10,
  rtc: 11,
  /** INTA of the PCIe host; INTB to INTD follow. */
  pcieFirst: 0x20,
  platformBusFirst: 64,
} as const;

/** `riscv,ndev`, and the number of sources that the PLIC's state has room for (source 0 included). */
export const VIRT_PLIC_SOURCES = 96;

/** What `time` and `mtime` count. */
export const VIRT_TIMEBASE_HZ = 10_000_000;
/** The input clock of the UART's divider. */
export const VIRT_UART_CLOCK_HZ = 3_686_400;

/** What a write to the test finisher means (SiFive test device). */
export const VIRT_TEST_POWEROFF = 0x5555;
export const VIRT_TEST_RESET = 0x7777;
