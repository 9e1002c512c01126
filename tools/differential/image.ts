/**
 * A batch as one memory image: the runner, the code of the cases, and a record for each case.
 *
 *   runner: for each record { load registers and buffer from it; jump to its code; store registers and buffer to it }
 *
 * The same image runs in QEMU's user mode (as a static ELF) and on a bare machine of ours; only the runner's end differs.
 */
import { Assembler } from "#cpu/testing/assembler.ts";
import { BUFFER, RUNNER_REGISTER as TP } from "./sequence.ts";

export const IMAGE_BASE = 0x8000_0000;
const STATE = IMAGE_BASE + 0x1000;
const CODE = IMAGE_BASE + 0x1_0000;

/** Offsets in a record. */
export const RECORD = { x: 0, f: 256, fcsr: 512, entry: 520, buffer: 528, bytes: 528 + BUFFER.bytes } as const;

/** How the runner ends: the hart waits, or the process writes the records to its standard output and exits. */
export type Ending = "wfi" | "exit";

export type Case = {
  /** The code without a way out, for the address it will lie at. */
  readonly code: (address: number) => Uint8Array;
  /** Writes x, f, fcsr and the buffer. */
  readonly fill: (record: DataView, bytes: Uint8Array) => void;
};

export type Image = {
  readonly bytes: Uint8Array;
  /** Address of the records. */
  readonly records: number;
  /** Address of each case's code. */
  readonly entries: readonly number[];
};

const FCSR = 3;
const T0 = 5;
const T1 = 6;
const T2 = 7;
const A0 = 10;
const A1 = 11;
const A2 = 12;
const A7 = 17;
const SYS_WRITE = 64;
const SYS_EXIT = 93;
const DWORDS = BUFFER.bytes / 8;

/** Emits a copy of the buffer between the record in T0 and its place. */
function copyBuffer(a: Assembler, toRecord: boolean): void {
  a.address(T1, BUFFER.start);
  for (let i = 0; i < DWORDS; i++) {
    const inRecord = { rs1: T0, imm: RECORD.buffer + 8 * i };
    const inPlace = { rs1: T1, imm: 8 * i };
    a.op("ld", { rd: T2, ...(toRecord ? inPlace : inRecord) });
    a.op("sd", { rs2: T2, ...(toRecord ? inRecord : inPlace) });
  }
}

/** Emits the runner at the image's start; returns where a case goes when it is done. */
function emitRunner(a: Assembler, ending: Ending, records: number, recordBytes: number): number {
  const loop = a.at;
  // Nothing is reserved when a case starts.
  a.address(T0, BUFFER.start);
  a.op("sc.w", { rd: 0, rs1: T0, rs2: 0 });
  a.address(T0, STATE);
  a.op("ld", { rd: T0, rs1: T0, imm: 0 });
  copyBuffer(a, false);
  a.op("ld", { rd: T1, rs1: T0, imm: RECORD.fcsr });
  a.op("csrrw", { rd: 0, rs1: T1, csr: FCSR });
  for (let i = 0; i < 32; i++) a.op("fld", { rd: i, rs1: T0, imm: RECORD.f + 8 * i });
  a.op("ld", { rd: TP, rs1: T0, imm: RECORD.entry });
  for (let i = 1; i < 32; i++) if (i !== TP && i !== T0) a.op("ld", { rd: i, rs1: T0, imm: RECORD.x + 8 * i });
  a.op("ld", { rd: T0, rs1: T0, imm: RECORD.x + 8 * T0 });
  a.op("jalr", { rd: 0, rs1: TP, imm: 0 });

  const done = a.at;
  a.address(TP, STATE);
  a.op("ld", { rd: TP, rs1: TP, imm: 0 });
  for (let i = 1; i < 32; i++) if (i !== TP) a.op("sd", { rs2: i, rs1: TP, imm: RECORD.x + 8 * i });
  for (let i = 0; i < 32; i++) a.op("fsd", { rs2: i, rs1: TP, imm: RECORD.f + 8 * i });
  a.op("csrr", { rd: T1, csr: FCSR });
  a.op("sd", { rs2: T1, rs1: TP, imm: RECORD.fcsr });
  a.op("addi", { rd: T0, rs1: TP, imm: 0 });
  copyBuffer(a, true);
  a.op("addi", { rd: T0, rs1: T0, imm: RECORD.bytes });
  a.address(T1, STATE);
  a.op("sd", { rs2: T0, rs1: T1, imm: 0 });
  a.op("ld", { rd: T1, rs1: T1, imm: 8 });
  a.op("beq", { rs1: T0, rs2: T1, imm: 8 });
  a.op("jal", { rd: 0, imm: loop - a.at });
  if (ending === "wfi") {
    a.op("wfi");
  } else {
    a.op("addi", { rd: A0, rs1: 0, imm: 1 });
    a.address(A1, records);
    a.address(A2, records + recordBytes);
    a.op("sub", { rd: A2, rs1: A2, rs2: A1 });
    a.op("addi", { rd: A7, rs1: 0, imm: SYS_WRITE });
    a.op("ecall");
    a.op("addi", { rd: A0, rs1: 0, imm: 0 });
    a.op("addi", { rd: A7, rs1: 0, imm: SYS_EXIT });
    a.op("ecall");
  }
  return done;
}

/** Bytes of code beside a case's own: its counter and its way out. */
const WRAPPER_BYTES = 32;
const MAX_CASE_BYTES = 512;

/** Lays out `cases`; each runs `repeats` times in a row, the registers carried on. */
export function buildImage(cases: readonly Case[], ending: Ending, repeats = 1): Image {
  const records = Math.ceil((CODE + cases.length * (MAX_CASE_BYTES + WRAPPER_BYTES)) / 4096) * 4096;
  const recordBytes = cases.length * RECORD.bytes;
  const bytes = new Uint8Array(records + recordBytes - IMAGE_BASE);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(STATE - IMAGE_BASE, BigInt(records), true);
  view.setBigUint64(STATE - IMAGE_BASE + 8, BigInt(records + recordBytes), true);
  const runner = new Assembler(bytes, IMAGE_BASE, IMAGE_BASE);
  const done = emitRunner(runner, ending, records, recordBytes);

  const a = new Assembler(bytes, IMAGE_BASE, CODE);
  const entries = cases.map((c, i) => {
    const entry = a.at;
    a.op("addi", { rd: TP, rs1: 0, imm: repeats });
    const start = a.at;
    a.bytes(c.code(start));
    a.op("addi", { rd: TP, rs1: TP, imm: -1 });
    a.op("bne", { rs1: TP, rs2: 0, imm: start - a.at });
    const distance = done - a.at;
    const low = (distance << 20) >> 20;
    a.op("auipc", { rd: TP, imm: distance - low });
    a.op("jalr", { rd: 0, rs1: TP, imm: low });
    const at = records - IMAGE_BASE + i * RECORD.bytes;
    // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- not an array: the case's own fill
    c.fill(new DataView(bytes.buffer, at, RECORD.bytes), bytes.subarray(at, at + RECORD.bytes));
    view.setBigUint64(at + RECORD.entry, BigInt(entry), true);
    return entry;
  });
  return { bytes, records, entries };
}

/** A static ELF executable whose one segment is the image. Spec: System V ABI, "ELF-64 Object File Format". */
export function elfOf(image: Image): Uint8Array {
  const HEADER_BYTES = 4096;
  const file = new Uint8Array(HEADER_BYTES + image.bytes.length);
  const view = new DataView(file.buffer);
  const EM_RISCV = 243;
  const RISCV_FLAGS = 5; // compressed instructions, double-precision floating-point ABI
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, EM_RISCV, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(IMAGE_BASE), true);
  view.setBigUint64(32, 64n, true);
  view.setUint32(48, RISCV_FLAGS, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  view.setUint32(68, 7, true);
  view.setBigUint64(72, BigInt(HEADER_BYTES), true);
  view.setBigUint64(80, BigInt(IMAGE_BASE), true);
  view.setBigUint64(88, BigInt(IMAGE_BASE), true);
  view.setBigUint64(96, BigInt(image.bytes.length), true);
  view.setBigUint64(104, BigInt(image.bytes.length), true);
  view.setBigUint64(112, 4096n, true);
  file.set(image.bytes, HEADER_BYTES);
  return file;
}
