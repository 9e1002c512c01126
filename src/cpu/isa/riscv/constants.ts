/**
 * Names of the privileged architecture.
 * Spec: RISC-V Privileged Architecture 1.13, sections 3.1 (machine CSRs), 10.1 (supervisor CSRs), 3.1.15 (causes).
 */

export const Privilege = { User: 0, Supervisor: 1, Machine: 3 } as const;

export const Cause = {
  InstructionMisaligned: 0,
  InstructionAccess: 1,
  Illegal: 2,
  Breakpoint: 3,
  LoadMisaligned: 4,
  LoadAccess: 5,
  StoreMisaligned: 6,
  StoreAccess: 7,
  EcallFromUser: 8,
  EcallFromSupervisor: 9,
  EcallFromMachine: 11,
  InstructionPage: 12,
  LoadPage: 13,
  StorePage: 15,
} as const;

/** Bits of mip, mie and mideleg. */
export const Irq = {
  SupervisorSoftware: 1 << 1,
  MachineSoftware: 1 << 3,
  SupervisorTimer: 1 << 5,
  MachineTimer: 1 << 7,
  SupervisorExternal: 1 << 9,
  MachineExternal: 1 << 11,
} as const;
/** Interrupt numbers from the most to the least urgent (section 3.1.9). */
export const IRQ_PRIORITY = [11, 3, 7, 9, 1, 5] as const;

export const MSTATUS = {
  SIE: 1n << 1n,
  MIE: 1n << 3n,
  SPIE: 1n << 5n,
  MPIE: 1n << 7n,
  SPP: 1n << 8n,
  MPP: 3n << 11n,
  FS: 3n << 13n,
  MPRV: 1n << 17n,
  SUM: 1n << 18n,
  MXR: 1n << 19n,
  TVM: 1n << 20n,
  TW: 1n << 21n,
  TSR: 1n << 22n,
  UXL: 3n << 32n,
  SXL: 3n << 34n,
  SD: 1n << 63n,
} as const;
export const SPP_BIT = 8;
export const MPP_BIT = 11;
export const FS_BIT = 13;
/** First bit of satp.ASID; 11.1.11. */
export const SATP_ASID_BIT = 44;

export const MENVCFG = {
  FIOM: 1n,
  CBIE: 3n << 4n,
  CBCFE: 1n << 6n,
  CBZE: 1n << 7n,
  ADUE: 1n << 61n,
  PBMTE: 1n << 62n,
  STCE: 1n << 63n,
} as const;

/** Page table entries; sections 11.4.1, Svnapot, Svpbmt. */
export const PTE = {
  V: 1,
  R: 2,
  W: 4,
  X: 8,
  U: 16,
  G: 32,
  A: 64,
  D: 128,
  PPN_BIT: 10,
  PBMT: 3n << 61n,
  N: 1n << 63n,
  RESERVED: 0x7fn << 54n,
} as const;

/** fflags; unprivileged spec, section 20.2. */
export const FFLAGS = { NX: 1, UF: 2, OF: 4, DZ: 8, NV: 16 } as const;
