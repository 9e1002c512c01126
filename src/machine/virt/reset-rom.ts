/**
 * What every hart finds at the reset address, 0x1000: a few instructions that hand over to firmware, the two addresses
 * they need, and OpenSBI's fw_dynamic information.
 *
 *   0x00  t0 = here; a2 = &information; a0 = mhartid; a1 = device tree; jump to the start address
 *   0x18  start address (u64)
 *   0x20  device tree's address (u64)
 *   0x28  struct fw_dynamic_info: magic, version, next_addr, next_mode, options, boot_hart (u64 each, little-endian)
 *
 * Spec: RISC-V unprivileged ISA, chapter 2 and RV32/64G instruction set listings; OpenSBI include/sbi/fw_dynamic.h,
 * version 2 (a0, a1, a2 at the entry of fw_dynamic: docs/firmware/fw_dynamic.md).
 */

export type ResetRomConfig = {
  /** Where the harts go: firmware, or the kernel without one. */
  readonly startAddress: bigint;
  readonly fdtAddress: bigint;
  /** Where firmware goes, in S mode; undefined tells it that there is nothing. */
  readonly kernelEntry?: bigint | undefined;
};

const START_ADDRESS_OFFSET = 0x18;
const FDT_ADDRESS_OFFSET = 0x20;
const FW_DYNAMIC_OFFSET = 0x28;
const RESET_ROM_BYTES = FW_DYNAMIC_OFFSET + 6 * 8;

const FW_DYNAMIC_INFO_MAGIC = 0x4942534fn; // "OSBI"
const FW_DYNAMIC_INFO_VERSION = 2n;
const FW_DYNAMIC_NEXT_MODE_S = 1n;

const ZERO = 0;
const T0 = 5;
const A0 = 10;
const A1 = 11;
const A2 = 12;
const CSR_MHARTID = 0xf14;

/** The ROM's content, from its first byte on; the rest of the ROM is zero. */
export function resetRom(config: ResetRomConfig): Uint8Array {
  const rom = new DataView(new ArrayBuffer(RESET_ROM_BYTES));
  const code = [
    auipc(T0, 0), // the ROM's address
    addi(A2, T0, FW_DYNAMIC_OFFSET),
    csrr(A0, CSR_MHARTID),
    ld(A1, FDT_ADDRESS_OFFSET, T0),
    ld(T0, START_ADDRESS_OFFSET, T0),
    jr(T0),
  ];
  for (const [index, instruction] of code.entries()) rom.setUint32(index * 4, instruction, true);
  rom.setBigUint64(START_ADDRESS_OFFSET, config.startAddress, true);
  rom.setBigUint64(FDT_ADDRESS_OFFSET, config.fdtAddress, true);
  const fwDynamicInfo = [
    FW_DYNAMIC_INFO_MAGIC,
    FW_DYNAMIC_INFO_VERSION,
    config.kernelEntry ?? 0n,
    FW_DYNAMIC_NEXT_MODE_S,
    0n, // options
    0n, // boot_hart: the one to boot when the platform can choose
  ];
  for (const [index, value] of fwDynamicInfo.entries()) rom.setBigUint64(FW_DYNAMIC_OFFSET + index * 8, value, true);
  return new Uint8Array(rom.buffer);
}

function iType(opcode: number, rd: number, funct3: number, rs1: number, imm12: number): number {
  return ((imm12 << 20) | (rs1 << 15) | (funct3 << 12) | (rd << 7) | opcode) >>> 0;
}
function auipc(rd: number, upper20: number): number {
  return ((upper20 << 12) | (rd << 7) | 0b0010111) >>> 0;
}
function addi(rd: number, rs1: number, immediate: number): number {
  return iType(0b0010011, rd, 0b000, rs1, immediate);
}
function ld(rd: number, offset: number, rs1: number): number {
  return iType(0b0000011, rd, 0b011, rs1, offset);
}
/** csrrs rd, csr, x0 */
function csrr(rd: number, csr: number): number {
  return iType(0b1110011, rd, 0b010, ZERO, csr);
}
/** jalr x0, 0(rs1) */
function jr(rs1: number): number {
  return iType(0b1100111, ZERO, 0b000, rs1, 0);
}
