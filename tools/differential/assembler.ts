/** Appends instructions to an image; a forward jump is emitted when its target is known. */
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
  op(name: string, fields: Fields = {}): void {
    const row = rows.get(name);
    if (!row) throw new Error(`no row '${name}'`);
    this.#view.setInt32(this.at - this.#base, encode(row, fields), true);
    this.at += 4;
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
