/** Appends instructions to an image; a backward jump is given its distance, a forward one what it skips. */
import { encode, type Fields } from "#cpu/isa/riscv/encoder.ts";
import { RISCV_ROWS } from "#cpu/isa/riscv/riscv.ts";

const rows = new Map(RISCV_ROWS.map((row) => [row.name, row] as const));

export class Assembler {
  readonly #view: DataView;
  readonly #base: number;
  at: number;

  constructor(bytes: Uint8Array, base: number, at: number) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset);
    this.#base = base;
    this.at = at;
  }
  /** `bits` are set beside those of the row and its fields, such as aq and rl. */
  op(name: string, fields: Fields = {}, bits = 0): void {
    const row = rows.get(name);
    if (!row) throw new Error(`no row '${name}'`);
    this.#view.setInt32(this.at - this.#base, encode(row, fields) | bits, true);
    this.at += 4;
  }
  /** rd := a 32-bit value, sign-extended. */
  value(rd: number, value: number): void {
    const low = (value << 20) >> 20;
    if (low === value) return this.op("addi", { rd, imm: value });
    this.op("lui", { rd, imm: (value - low) | 0 });
    this.op("addiw", { rd, rs1: rd, imm: low });
  }
  /** A branch over `body`, whose length is found out by emitting it. */
  over(name: string, fields: Fields, body: () => void): void {
    const from = this.at;
    this.at += 4;
    body();
    const to = this.at;
    this.at = from;
    this.op(name, { ...fields, imm: to - from });
    this.at = to;
  }
  /** rd := address, relative to pc. */
  address(rd: number, target: number): void {
    const distance = target - this.at;
    const low = (distance << 20) >> 20;
    this.op("auipc", { rd, imm: distance - low });
    this.op("addi", { rd, rs1: rd, imm: low });
  }
  bytes(data: Uint8Array): void {
    new Uint8Array(this.#view.buffer, this.#view.byteOffset).set(data, this.at - this.#base);
    this.at += data.length;
  }
}
