/**
 * A batch of privileged cases as one bare-metal image.
 *
 *   machine-mode runner: for each record { CSRs, page table entries and registers from it; mret to the case's code in its mode }
 *   machine trap handler: CSRs, entries, data and registers to the record; next record
 *   supervisor trap handler: ecall, which is never delegated
 *
 * A case ends at its first trap to machine mode. The same image runs in qemu-system-riscv64 and on a bare machine of
 * ours; at the end QEMU's sends the records to the UART and powers off, ours waits.
 */
import { Assembler } from "#cpu/testing/assembler.ts";
import type { Ending } from "./image.ts";

export const PRIVILEGED_BASE = 0x8000_0000;
const STATE = PRIVILEGED_BASE + 0x4000;
const CODE = PRIVILEGED_BASE + 0x1_0000;
const TABLES = PRIVILEGED_BASE + 0x10_0000;
const RECORDS = PRIVILEGED_BASE + 0x20_0000;
export const MAX_CASE_BYTES = 128;

/** Page tables: three roots (Sv57 points to Sv48's, that to Sv39's), a middle one and a last one. */
export const TABLE = {
  root57: TABLES,
  root48: TABLES + 0x1000,
  root39: TABLES + 0x2000,
  middle: TABLES + 0x3000,
  last: TABLES + 0x4000,
} as const;
/** Physical pages that the tested entries map. */
export const DATA = { start: TABLES + 0x1_0000, pages: 4 } as const;
/** Virtual addresses: RAM for supervisor and user code, what the tested entries map. */
export const VA = { user: 0x8000_0000, pages: 0x4000_0000, mega: 0x4020_0000, giga: 0x1_4000_0000 } as const;

/** Page table entries a case sets and gets back. */
export const ENTRIES = [
  ["page0", TABLE.last],
  ["page1", TABLE.last + 8],
  ["mega", TABLE.middle + 8],
  ["giga", TABLE.root39 + 8 * 5],
  ["toLast", TABLE.middle],
  ["toMiddle", TABLE.root39 + 8],
] as const;
export type EntryName = (typeof ENTRIES)[number][0];

/** CSRs a case sets, in this order, and gets back. */
export const CASE_CSRS = {
  medeleg: 0x302,
  mideleg: 0x303,
  mcounteren: 0x306,
  menvcfg: 0x30a,
  mcountinhibit: 0x320,
  mscratch: 0x340,
  mtval: 0x343,
  mcause: 0x342,
  stvec: 0x105,
  scounteren: 0x106,
  senvcfg: 0x10a,
  sscratch: 0x140,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
  pmpaddr1: 0x3b1,
  pmpaddr2: 0x3b2,
  pmpaddr3: 0x3b3,
  fcsr: 0x003,
  satp: 0x180,
  mip: 0x344,
  mie: 0x304,
  mepc: 0x341,
  mstatus: 0x300,
} as const;
export type CaseCsr = keyof typeof CASE_CSRS;
const CSR_NAMES = Object.keys(CASE_CSRS) as CaseCsr[];

/** Dwords of a record: registers (x0's is unused), CSRs, entries, data seen afterwards. */
export const SLOT = {
  x: 0,
  csrs: 32,
  entries: 32 + CSR_NAMES.length,
  data: 32 + CSR_NAMES.length + ENTRIES.length,
} as const;
const DATA_DWORDS_A_PAGE = 2;
export const RECORD_DWORDS = SLOT.data + DATA.pages * DATA_DWORDS_A_PAGE;
const RECORD_BYTES = RECORD_DWORDS * 8;
export const csrSlot = (name: CaseCsr): number => SLOT.csrs + CSR_NAMES.indexOf(name);
export const entrySlot = (name: EntryName): number => SLOT.entries + ENTRIES.findIndex(([n]) => n === name);
/** What dword `slot` of a record is. */
export function slotName(slot: number): string {
  if (slot < SLOT.csrs) return `x${slot}`;
  if (slot < SLOT.entries) return CSR_NAMES[slot - SLOT.csrs] as string;
  return slot < SLOT.data ? `entry ${ENTRIES[slot - SLOT.entries]?.[0]}` : `data ${slot - SLOT.data}`;
}

/** Registers that are the handler's: tp, and the address of the machine handler in s11. */
export const HANDLER_REGISTERS = { tp: 4, s11: 27 } as const;
export type PrivilegedCase = {
  readonly text: string;
  /** Number of the CSR it is about, if it is. */
  readonly csr?: number;
  /** Instruction bits: 16 or 32 a piece. */
  readonly code: readonly number[];
  readonly x: ReadonlyMap<number, bigint>;
  readonly csrs: Readonly<Partial<Record<CaseCsr, bigint>>>;
  readonly entries: Readonly<Partial<Record<EntryName, bigint>>>;
  /** Runs at the user alias of its code. */
  readonly atUserAlias?: boolean;
};

const PTE_TABLE = 1n;
const PTE_ALL_SUPERVISOR = 0xcfn;
const PTE_ALL_USER = 0xdfn;
const pteOf = (address: number, bits: bigint): bigint => ((BigInt(address >>> 0) >> 12n) << 10n) | bits;
/** Entries as they are when a case says nothing. */
const DEFAULT_ENTRIES: Readonly<Record<EntryName, bigint>> = {
  page0: pteOf(DATA.start, PTE_ALL_SUPERVISOR),
  page1: pteOf(DATA.start + 0x1000, PTE_ALL_SUPERVISOR),
  mega: pteOf(PRIVILEGED_BASE, PTE_ALL_SUPERVISOR),
  giga: pteOf(PRIVILEGED_BASE, PTE_ALL_SUPERVISOR),
  toLast: pteOf(TABLE.last, PTE_TABLE),
  toMiddle: pteOf(TABLE.middle, PTE_TABLE),
};

const T0 = 5;
const T1 = 6;
const T2 = 7;
const { tp: TP, s11: S11 } = HANDLER_REGISTERS;
const ECALL = 0x73;
const UART = 0x1000_0000;
const MTIMECMP = 0x200_4000;
const FINISHER = 0x10_0000;
const MSTATUS_FS_MASK = 3 << 13;

export type PrivilegedImage = { readonly bytes: Uint8Array; readonly records: number; readonly recordBytes: number };

export function buildPrivilegedImage(cases: readonly PrivilegedCase[], ending: Ending): PrivilegedImage {
  const recordBytes = cases.length * RECORD_BYTES;
  const bytes = new Uint8Array(RECORDS + recordBytes - PRIVILEGED_BASE);
  const view = new DataView(bytes.buffer);
  const put = (address: number, value: bigint): void =>
    view.setBigUint64(address - PRIVILEGED_BASE, BigInt.asUintN(64, value), true);
  put(TABLE.root57, pteOf(TABLE.root48, PTE_TABLE));
  put(TABLE.root48, pteOf(TABLE.root39, PTE_TABLE));
  put(TABLE.root39 + 8 * 2, pteOf(PRIVILEGED_BASE, PTE_ALL_SUPERVISOR));
  put(TABLE.root39 + 8 * 4, pteOf(PRIVILEGED_BASE, PTE_ALL_USER));
  put(STATE, BigInt(RECORDS));
  put(STATE + 8, BigInt(RECORDS + recordBytes));
  const places = emitRunner(new Assembler(bytes, PRIVILEGED_BASE, PRIVILEGED_BASE), ending, recordBytes);

  cases.forEach((c, i) => {
    const code = CODE + i * MAX_CASE_BYTES;
    let at = code;
    for (const bits of [...c.code, ECALL]) {
      const isShort = (bits & 3) !== 3;
      if (isShort) view.setUint16(at - PRIVILEGED_BASE, bits, true);
      else view.setUint32(at - PRIVILEGED_BASE, bits >>> 0, true);
      at += isShort ? 2 : 4;
    }
    const record = RECORDS + i * RECORD_BYTES;
    for (const [register, value] of c.x) put(record + 8 * register, value);
    put(record + 8 * S11, BigInt(places.handler));
    const csrs: Partial<Record<CaseCsr, bigint>> = { stvec: BigInt(places.supervisorHandler), mstatus: 0n, ...c.csrs };
    for (const name of CSR_NAMES) put(record + 8 * csrSlot(name), csrs[name] ?? 0n);
    put(record + 8 * csrSlot("mepc"), BigInt(code + (c.atUserAlias ? VA.user : 0)));
    for (const [name] of ENTRIES) put(record + 8 * entrySlot(name), c.entries[name] ?? DEFAULT_ENTRIES[name]);
  });
  return { bytes, records: RECORDS, recordBytes };
}

const align64 = (address: number): number => Math.ceil(address / 64) * 64;

function emitRunner(a: Assembler, ending: Ending, recordBytes: number): { handler: number; supervisorHandler: number } {
  // QEMU has two harts, or it would split an atomic access into a load and a store; the second one waits. The timer of
  // the first is silenced, which at power-on it is not.
  const waits = a.at;
  a.op("csrr", { rd: T0, csr: 0xf14 });
  a.op("beq", { rs1: T0, rs2: 0, imm: 12 });
  a.op("wfi");
  a.op("jal", { rd: 0, imm: waits - a.at });
  a.op("addi", { rd: T0, rs1: 0, imm: -1 });
  a.op("lui", { rd: T1, imm: MTIMECMP });
  if (ending === "exit") a.op("sd", { rs1: T1, rs2: T0, imm: 0 });
  else a.op("addi");
  // The handler lies behind the runner, a jump of known length ahead: patched below.
  const vector = a.at;
  a.op("addi");
  a.op("addi");
  a.op("csrrw", { rd: 0, rs1: T0, csr: 0x305 });

  const loop = a.at;
  // mstatus first as well: machine mode, no MPRV, floating point on.
  a.op("lui", { rd: T0, imm: MSTATUS_FS_MASK });
  a.op("csrrw", { rd: 0, rs1: T0, csr: CASE_CSRS.mstatus });
  a.op("csrrw", { rd: 0, rs1: 0, csr: CASE_CSRS.mie });
  a.address(TP, STATE);
  a.op("ld", { rd: TP, rs1: TP, imm: 0 });
  for (const [name, address] of ENTRIES) {
    a.op("ld", { rd: T0, rs1: TP, imm: 8 * entrySlot(name) });
    a.address(T1, address);
    a.op("sd", { rs1: T1, rs2: T0, imm: 0 });
  }
  a.address(T1, DATA.start);
  for (let page = 0; page < DATA.pages; page++) {
    // ecall in the middle, and across the end: its upper half is 0.
    a.op("lui", { rd: T2, imm: page << 12 });
    a.op("add", { rd: T2, rs1: T2, rs2: T1 });
    a.op("sd", { rs1: T2, rs2: 0, imm: 0 });
    a.op("sd", { rs1: T2, rs2: 0, imm: 8 });
    a.op("addi", { rd: T0, rs1: 0, imm: ECALL });
    a.op("sd", { rs1: T2, rs2: T0, imm: 0x400 });
    a.op("slli", { rd: T0, rs1: T0, imm: 48 });
    a.op("addi", { rd: T0, rs1: T0, imm: page + 1 });
    a.op("addi", { rd: T2, rs1: T2, imm: 2047 });
    a.op("addi", { rd: T2, rs1: T2, imm: 2041 });
    a.op("sd", { rs1: T2, rs2: T0, imm: 0 });
  }
  // Everything may be accessed below machine mode unless a case says otherwise: the last PMP entry.
  a.op("addi", { rd: T0, rs1: 0, imm: -1 });
  a.op("csrrw", { rd: 0, rs1: T0, csr: 0x3bf });
  a.op("addi", { rd: T0, rs1: 0, imm: 0x1f });
  a.op("slli", { rd: T0, rs1: T0, imm: 56 });
  a.op("csrrw", { rd: 0, rs1: T0, csr: 0x3a2 });
  for (const name of CSR_NAMES) {
    a.op("ld", { rd: T0, rs1: TP, imm: 8 * csrSlot(name) });
    a.op("csrrw", { rd: 0, rs1: T0, csr: CASE_CSRS[name] });
  }
  a.op("sfence.vma");
  a.op("fence.i");
  for (let i = 1; i < 32; i++) if (i !== TP) a.op("ld", { rd: i, rs1: TP, imm: 8 * i });
  a.op("mret");

  const supervisorHandler = align64(a.at);
  a.at = supervisorHandler;
  a.op("ecall");
  const handler = align64(a.at);
  a.at = handler;
  a.address(TP, STATE);
  // Loads below must not go through MPRV; mstatus is stored before it is cleared.
  a.op("csrrw", { rd: T0, rs1: T0, csr: 0x340 });
  a.op("csrr", { rd: T0, csr: CASE_CSRS.mstatus });
  a.op("csrrw", { rd: 0, rs1: 0, csr: CASE_CSRS.mstatus });
  a.op("ld", { rd: TP, rs1: TP, imm: 0 });
  a.op("sd", { rs1: TP, rs2: T0, imm: 8 * csrSlot("mstatus") });
  a.op("csrrw", { rd: T0, rs1: T0, csr: 0x340 });
  for (let i = 1; i < 32; i++) if (i !== TP) a.op("sd", { rs1: TP, rs2: i, imm: 8 * i });
  a.op("lui", { rd: T0, imm: MSTATUS_FS_MASK });
  a.op("csrrw", { rd: 0, rs1: T0, csr: CASE_CSRS.mstatus });
  for (const name of CSR_NAMES) {
    if (name === "mstatus" || name === "mscratch") continue;
    a.op("csrr", { rd: T0, csr: CASE_CSRS[name] });
    a.op("sd", { rs1: TP, rs2: T0, imm: 8 * csrSlot(name) });
  }
  // An entry that matches part of an access refuses it in machine mode too (3.7.1.3).
  a.op("csrrw", { rd: 0, rs1: 0, csr: CASE_CSRS.pmpcfg0 });
  for (const [name, address] of ENTRIES) {
    a.address(T1, address);
    a.op("ld", { rd: T0, rs1: T1, imm: 0 });
    a.op("sd", { rs1: TP, rs2: T0, imm: 8 * entrySlot(name) });
  }
  for (let page = 0; page < DATA.pages; page++) {
    a.address(T1, DATA.start + 0x1000 * page);
    a.op("ld", { rd: T0, rs1: T1, imm: 0 });
    a.op("sd", { rs1: TP, rs2: T0, imm: 8 * (SLOT.data + 2 * page) });
    a.address(T1, DATA.start + 0x1000 * page + 0xff8);
    a.op("ld", { rd: T0, rs1: T1, imm: 0 });
    a.op("sd", { rs1: TP, rs2: T0, imm: 8 * (SLOT.data + 2 * page + 1) });
  }
  a.op("addi", { rd: TP, rs1: TP, imm: RECORD_BYTES });
  a.address(T0, STATE);
  a.op("sd", { rs1: T0, rs2: TP, imm: 0 });
  a.op("ld", { rd: T1, rs1: T0, imm: 8 });
  a.op("beq", { rs1: TP, rs2: T1, imm: 8 });
  a.op("jal", { rd: 0, imm: loop - a.at });
  if (ending === "wfi") {
    // Nothing is enabled, so it waits.
    a.op("csrrw", { rd: 0, rs1: 0, csr: CASE_CSRS.mie });
    a.op("wfi");
  } else emitSend(a, recordBytes);
  a.at = vector;
  a.address(T0, handler);
  return { handler, supervisorHandler };
}

/** Sends the records to the UART and powers off. Spec: 16550 data sheet, LSR bit 5; QEMU's virt board. */
function emitSend(a: Assembler, recordBytes: number): void {
  a.address(T0, RECORDS);
  a.address(T1, RECORDS + recordBytes);
  a.op("lui", { rd: T2, imm: UART });
  const next = a.at;
  a.op("lbu", { rd: 28, rs1: T2, imm: 5 });
  a.op("andi", { rd: 28, rs1: 28, imm: 0x20 });
  a.op("beq", { rs1: 28, rs2: 0, imm: -8 });
  a.op("lbu", { rd: 28, rs1: T0, imm: 0 });
  a.op("sb", { rs1: T2, rs2: 28, imm: 0 });
  a.op("addi", { rd: T0, rs1: T0, imm: 1 });
  a.op("bne", { rs1: T0, rs2: T1, imm: next - a.at });
  a.op("lui", { rd: T0, imm: FINISHER });
  a.op("lui", { rd: T1, imm: 0x5000 });
  a.op("addi", { rd: T1, rs1: T1, imm: 0x555 });
  a.op("sw", { rs1: T0, rs2: T1, imm: 0 });
  a.op("jal", { rd: 0, imm: 0 });
}
