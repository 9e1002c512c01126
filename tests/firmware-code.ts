/** What the guests of a few instructions have in common: labels, and a UART that says and hears. */
import { Assembler } from "#cpu/testing/assembler.ts";

export const BASE = 0x8000_0000;
export const UART = 0x1000_0000;
export const FINISHER = 0x10_0000;
/** The UART's address is in S0 and the key in A0; what is said passes T0. */
export const [T0, S0, A0] = [5, 8, 10] as const;

export class FirmwareCode {
  readonly a: Assembler;
  readonly #labels: Map<string, number>;

  constructor(bytes: Uint8Array, labels: Map<string, number>) {
    this.a = new Assembler(bytes, BASE, BASE);
    this.#labels = labels;
  }

  label(name: string): void {
    this.#labels.set(name, this.a.at);
  }
  addressOf(name: string): number {
    return this.#labels.get(name) ?? this.a.at;
  }
  jump(name: string): void {
    this.a.op("jal", { rd: 0, imm: this.#to(name) });
  }
  branch(op: string, rs1: number, rs2: number, name: string): void {
    this.a.op(op, { rs1, rs2, imm: this.#to(name) });
  }

  /** Says what T0 holds. */
  say(): void {
    this.a.op("sb", { rs1: S0, rs2: T0, imm: 0 });
  }
  print(text: string): void {
    for (const character of text) {
      this.a.op("addi", { rd: T0, rs1: 0, imm: character.charCodeAt(0) });
      this.say();
    }
  }
  /** Goes on at `next` when another key has come. */
  onKey(key: string, next: string): void {
    this.a.op("addi", { rd: T0, rs1: 0, imm: key.charCodeAt(0) });
    this.branch("bne", A0, T0, next);
  }

  #to(name: string): number {
    return this.addressOf(name) - this.a.at;
  }
}

/** The firmware for `-bios`. */
export function makeFirmware(roomBytes: number, emit: (code: FirmwareCode) => void): Uint8Array {
  const bytes = new Uint8Array(roomBytes);
  const labels = new Map<string, number>();
  // Labels behind their use are known the second time.
  for (const _ of [1, 2]) emit(new FirmwareCode(bytes, labels));
  return bytes;
}
