/**
 * Predecoded records as their instruction words make them, wherever they stand: a direct-mapped cache over the decoder.
 * Most code that is decoded runs once, so a miss must cost little as well.
 */
import type { HandlerTable } from "#cpu/engine/interpreter.ts";
import type { FieldName } from "#cpu/ir/ir.ts";
import type { Isa, IsaRow } from "#cpu/isa/isa.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";

const INDEX_BITS = 14;
const SIZE = 1 << INDEX_BITS;
/** 2^32 divided by the golden ratio: spreads the words. */
const HASH_MULTIPLIER = 0x9e3779b1;

/** Bits of {@link RecordTemplates.kinds}. */
export const Kind = {
  /** The instruction's length in bytes. */
  LengthBytes: 7,
  /** It branches or jumps to pc + imm, and there is a handler for each `Variant`. */
  HasTarget: 8,
  /** It writes a link register. */
  Links: 16,
  EndsBlock: 32,
} as const;

/** What all instructions of a row have in common: where their register files lie, handler, kind. */
type RowPlan = {
  readonly handler: number;
  /** What is added to the handler for a 2-byte instruction. */
  readonly compressed: number;
  readonly rd: number;
  readonly rs1: number;
  readonly rs2: number;
  readonly rs3: number;
  readonly hasCsr: boolean;
  readonly hasRm: boolean;
  readonly kind: number;
};

export class RecordTemplates {
  readonly #isa: Isa;
  readonly #rows: readonly RowPlan[];
  /** Word 0 is no instruction that is worth keeping, so it marks a free entry. */
  readonly #keys = new Int32Array(SIZE);
  /** Handler and rd, rs1 and rs2: two 16-bit fields each, as in the record. */
  readonly operands = new Int32Array(SIZE);
  readonly sources = new Int32Array(SIZE);
  readonly immediates = new Int32Array(SIZE);
  readonly kinds = new Uint8Array(SIZE);

  constructor(isa: Isa, handlers: HandlerTable) {
    this.#isa = isa;
    this.#rows = isa.rows.map((row, i) => rowPlan(row, i, handlers));
  }

  /** Index of the word's template; good until the next call. */
  of(word: number): number {
    const index = Math.imul(word, HASH_MULTIPLIER) >>> (32 - INDEX_BITS);
    if (this.#keys[index] !== word || word === 0) this.#make(index, word);
    return index;
  }

  #make(index: number, word: number): void {
    const decoded = this.#isa.decode(word);
    const plan = this.#rows[decoded.row] as RowPlan;
    const rd = plan.rd === VCPU.x && decoded.rd === 0 ? VCPU.xSink : plan.rd + 8 * decoded.rd;
    let { imm } = decoded;
    // rm, rs3, csr and uimm lie in imm, for instructions that have none.
    if (plan.hasCsr) imm = decoded.csr | (decoded.uimm << 16);
    else if (plan.hasRm) imm = decoded.rm | ((plan.rs3 + 8 * decoded.rs3) << 16);
    this.#keys[index] = word;
    const handler = plan.handler + (decoded.lengthBytes === 2 ? plan.compressed : 0);
    this.operands[index] = handler | (rd << 16);
    this.sources[index] = (plan.rs1 + 8 * decoded.rs1) | ((plan.rs2 + 8 * decoded.rs2) << 16);
    this.immediates[index] = imm;
    this.kinds[index] = plan.kind | decoded.lengthBytes | (decoded.rd === 0 ? 0 : Kind.Links);
  }
}

function rowPlan(row: IsaRow, index: number, handlers: HandlerTable): RowPlan {
  const file = (name: FieldName): number => (row.floatOperands.has(name) ? VCPU.f : VCPU.x);
  const hasTarget = handlers.variants[index] === 3;
  const endsBlock = hasTarget || handlers.ends[index] === true;
  return {
    handler: handlers.base[index] as number,
    compressed: handlers.compressed[index] as number,
    rd: file("rd"),
    rs1: file("rs1"),
    rs2: file("rs2"),
    rs3: file("rs3"),
    hasCsr: row.overlays.has("csr"),
    hasRm: row.overlays.has("rm"),
    kind: (hasTarget ? Kind.HasTarget : 0) | (endsBlock ? Kind.EndsBlock : 0),
  };
}
