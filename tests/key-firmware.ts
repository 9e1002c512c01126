/**
 * A guest of a few instructions for tests of the emulator around it: it says "ready", then answers each key.
 *
 *   q  powers off        f  ends with exit code 3    r  resets
 *   t  makes a call      b  reads where nothing is   c  says what the real-time clock shows: 16 hexadecimal digits
 *   .  any other key comes back
 *
 * It sleeps while no key comes. Harts other than 0 sleep for ever.
 */
import { A0, FINISHER, type FirmwareCode, makeFirmware, S0, T0, UART } from "./firmware-code.ts";

const ROOM_BYTES = 0x400;
const PLIC = 0x0c00_0000;
const PLIC_ENABLE = PLIC + 0x2000;
const PLIC_CONTEXT = PLIC + 0x20_0000;
const UART_IRQ = 10;
const RTC = 0x10_1000;
const CSR = { mie: 0x304, mtvec: 0x305, mepc: 0x341, mhartid: 0xf14 } as const;
const [T1, T2, S1, A1, S3] = [6, 7, 9, 11, 19] as const;

/** The firmware for `-bios`. */
export const keyFirmware = (): Uint8Array => makeFirmware(ROOM_BYTES, emit);

function emit(code: FirmwareCode): void {
  const { a } = code;
  const constant = (rd: number, value: number): void => {
    const low = (value << 20) >> 20;
    a.op("lui", { rd, imm: (value - low) | 0 });
    a.op("addiw", { rd, rs1: rd, imm: low });
  };
  const store = (op: string, value: number, address: number): void => {
    constant(T0, value);
    constant(T1, address);
    a.op(op, { rs1: T1, rs2: T0, imm: 0 });
  };
  a.address(T0, code.addressOf("trap"));
  a.op("csrrw", { rd: 0, rs1: T0, csr: CSR.mtvec });
  a.op("csrrs", { rd: T0, rs1: 0, csr: CSR.mhartid });
  code.branch("beq", T0, 0, "first");
  code.label("park");
  a.op("wfi");
  code.jump("park");
  code.label("first");
  constant(S0, UART);
  constant(S1, PLIC_CONTEXT);
  store("sw", 1, PLIC + 4 * UART_IRQ);
  store("sw", 1 << UART_IRQ, PLIC_ENABLE);
  store("sb", 1, UART + 1); // the interrupt of received data
  constant(T0, 1 << 11);
  a.op("csrrw", { rd: 0, rs1: T0, csr: CSR.mie });
  code.print("ready\n");

  code.label("sleep");
  a.op("wfi");
  a.op("lw", { rd: S3, rs1: S1, imm: 4 });
  code.label("next");
  a.op("lbu", { rd: T0, rs1: S0, imm: 5 });
  a.op("andi", { rd: T0, rs1: T0, imm: 1 });
  code.branch("bne", T0, 0, "key");
  a.op("sw", { rs1: S1, rs2: S3, imm: 4 });
  code.jump("sleep");
  code.label("key");
  a.op("lbu", { rd: A0, rs1: S0, imm: 0 });
  for (const [key, word] of [
    ["q", 0x5555],
    ["f", 0x3_3333],
    ["r", 0x7777],
  ] as const) {
    code.onKey(key, `not ${key}`);
    store("sw", word, FINISHER);
    code.jump("park");
    code.label(`not ${key}`);
  }
  code.onKey("t", "not t");
  a.op("ecall");
  code.label("not t");
  code.onKey("b", "not b");
  constant(T1, 0x5_0000);
  a.op("lw", { rd: T0, rs1: T1, imm: 0 });
  code.label("not b");
  code.onKey("c", "echo");
  constant(T1, RTC);
  a.op("lwu", { rd: T0, rs1: T1, imm: 0 });
  a.op("lwu", { rd: A1, rs1: T1, imm: 4 });
  a.op("slli", { rd: A1, rs1: A1, imm: 32 });
  a.op("or", { rd: A1, rs1: A1, rs2: T0 });
  a.op("addi", { rd: T2, rs1: 0, imm: 60 });
  code.label("digit");
  a.op("srl", { rd: T0, rs1: A1, rs2: T2 });
  a.op("andi", { rd: T0, rs1: T0, imm: 15 });
  a.op("sltiu", { rd: T1, rs1: T0, imm: 10 });
  a.op("addi", { rd: T0, rs1: T0, imm: 0x57 }); // 'a' less 10
  code.branch("beq", T1, 0, "shown");
  a.op("addi", { rd: T0, rs1: T0, imm: 0x30 - 0x57 });
  code.label("shown");
  a.op("sb", { rs1: S0, rs2: T0, imm: 0 });
  a.op("addi", { rd: T2, rs1: T2, imm: -4 });
  code.branch("bge", T2, 0, "digit");
  a.op("addi", { rd: A0, rs1: 0, imm: 10 });
  code.label("echo");
  a.op("sb", { rs1: S0, rs2: A0, imm: 0 });
  code.jump("next");

  code.label("trap");
  a.op("csrrs", { rd: T0, rs1: 0, csr: CSR.mepc });
  a.op("addi", { rd: T0, rs1: T0, imm: 4 });
  a.op("csrrw", { rd: 0, rs1: T0, csr: CSR.mepc });
  a.op("mret");
}
