/**
 * Decoder and disassembler, made from the rows.
 * Spec: RISC-V Unprivileged 20240411, 2.2 and 2.3 (formats), chapter 37 (opcode maps).
 */
import type { FieldName } from "#cpu/ir/ir.ts";
import type { Decoded, InstructionLength } from "#cpu/isa/isa.ts";
import { type CompressedRow, RV64C } from "#cpu/isa/riscv/compressed.ts";
import type { Format, InstructionRow } from "#cpu/isa/riscv/row.ts";

type Pattern = { readonly mask: number; readonly match: number };

/** Fixed bits of a pattern string. */
export function parsePattern(pattern: string): Pattern {
  // By the engine's own functions: each thread parses some hundred patterns before the guest can start.
  const bits = (digits: string): number => Number.parseInt(digits.replaceAll(".", "0"), 2) | 0;
  return { mask: bits(pattern.replaceAll("0", "1")), match: bits(pattern) };
}

type Fields = { -readonly [name in FieldName]: number };
type Mutable = { -readonly [name in keyof Decoded]: Decoded[name] };
/** All have one shape, so that who reads them stays fast. */
const noFields = (row: number, lengthBytes: InstructionLength): Mutable => ({
  row,
  lengthBytes,
  rd: 0,
  rs1: 0,
  rs2: 0,
  rs3: 0,
  imm: 0,
  rm: 0,
  csr: 0,
  uimm: 0,
});

const rd = (w: number): number => (w >>> 7) & 31;
const rs1 = (w: number): number => (w >>> 15) & 31;
const rs2 = (w: number): number => (w >>> 20) & 31;
const rm = (w: number): number => (w >>> 12) & 7;
const immB = (w: number): number => ((w >> 31) << 12) | ((w << 4) & 0x800) | ((w >>> 20) & 0x7e0) | ((w >>> 7) & 0x1e);
const immJ = (w: number): number => ((w >> 31) << 20) | (w & 0xff000) | ((w >>> 9) & 0x800) | ((w >>> 20) & 0x7fe);

const FORMATS: Readonly<Record<Format, (w: number, to: Fields) => void>> = {
  R: setR,
  R4: setR4,
  I: (w, to) => {
    to.rd = rd(w);
    to.rs1 = rs1(w);
    to.imm = w >> 20;
  },
  S: (w, to) => {
    to.rs1 = rs1(w);
    to.rs2 = rs2(w);
    to.imm = ((w >> 25) << 5) | rd(w);
  },
  B: (w, to) => {
    to.rs1 = rs1(w);
    to.rs2 = rs2(w);
    to.imm = immB(w);
  },
  U: (w, to) => {
    to.rd = rd(w);
    to.imm = w & ~0xfff;
  },
  J: (w, to) => {
    to.rd = rd(w);
    to.imm = immJ(w);
  },
  SHIFT6: (w, to) => {
    to.rd = rd(w);
    to.rs1 = rs1(w);
    to.imm = (w >>> 20) & 63;
  },
  SHIFT5: (w, to) => {
    to.rd = rd(w);
    to.rs1 = rs1(w);
    to.imm = rs2(w);
  },
  CSR: (w, to) => {
    to.rd = rd(w);
    to.rs1 = rs1(w);
    to.csr = w >>> 20;
    to.uimm = rs1(w);
  },
  FR: (w, to) => {
    setR(w, to);
    to.rm = rm(w);
  },
  FR4: (w, to) => {
    setR4(w, to);
    to.rm = rm(w);
  },
  NONE: () => {},
};
function setR(w: number, to: Fields): void {
  to.rd = rd(w);
  to.rs1 = rs1(w);
  to.rs2 = rs2(w);
}
function setR4(w: number, to: Fields): void {
  setR(w, to);
  to.rs3 = w >>> 27;
}

type Candidate = Pattern & { readonly index: number; readonly row: InstructionRow };
type CompressedCandidate = Pattern & { readonly row: CompressedRow };

/** Names of the rows that compressed instructions expand to. */
export function expansionNames(): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { pattern, expand } of RV64C) {
    const { mask, match } = parsePattern(pattern);
    // Some operands are reserved: tries until one is not.
    for (let operands = 0xffff, found = false; !found && operands > 0; operands -= 0x0815) {
      const expansion = expand(match | (operands & ~mask));
      if (expansion) names.add(expansion.name);
      found = expansion !== undefined;
    }
  }
  return names;
}

/** Number of bits that choose a bucket: opcode[6:2] and funct3. */
const BUCKET_MASK = 0b111_0000_0111_1100;
const bucketOf = (word: number): number => ((word >>> 2) & 31) | (((word >>> 12) & 7) << 5);

export class RiscvDecoder {
  readonly rows: readonly InstructionRow[];
  readonly #candidates: readonly Candidate[];
  /** Filled when they are first looked at. */
  readonly #buckets: (readonly Candidate[] | undefined)[] = Array.from({ length: 256 });
  readonly #compressed: readonly CompressedCandidate[];
  readonly #byName = new Map<string, number>();
  readonly #csrIndex: ReadonlyMap<number, number>;
  readonly illegalRow: number;

  /** `rows` are those of the extensions that are on; the last one is the illegal instruction. */
  constructor(rows: readonly InstructionRow[], csrIndex: ReadonlyMap<number, number>, compressed: boolean) {
    this.rows = rows;
    this.illegalRow = rows.length - 1;
    this.#csrIndex = csrIndex;
    this.#compressed = compressed ? RV64C.map((row) => ({ ...parsePattern(row.pattern), row })) : [];
    rows.forEach((row, index) => {
      if (!this.#byName.has(row.name)) this.#byName.set(row.name, index);
    });
    this.#candidates = rows.slice(0, -1).map((row, index) => ({ ...parsePattern(row.pattern), index, row }));
  }

  /** The rows that a word of this bucket may be, in their order. */
  #bucket(bucket: number): readonly Candidate[] {
    const bits = ((bucket & 31) << 2) | ((bucket >>> 5) << 12);
    return (this.#buckets[bucket] ??= this.#candidates.filter(
      ({ match, mask }) => ((bits ^ match) & mask & BUCKET_MASK) === 0,
    ));
  }

  decode(word: number): Decoded {
    return (word & 3) === 3 ? this.#decode32(word) : this.#decode16(word & 0xffff);
  }

  #decode32(word: number): Decoded {
    for (const candidate of this.#bucket(bucketOf(word))) {
      if ((word & candidate.mask) !== candidate.match) continue;
      const { format } = candidate.row;
      const fields = noFields(candidate.index, 4);
      FORMATS[format](word, fields);
      // Rounding modes 5 and 6 are reserved, for every instruction with that field (20.2).
      if ((format === "FR" || format === "FR4") && (fields.rm === 5 || fields.rm === 6)) continue;
      if (format === "CSR") fields.csr = this.#csrIndex.get(fields.csr) ?? 0;
      return fields;
    }
    return noFields(this.illegalRow, 4);
  }

  #decode16(word: number): Decoded {
    const found = this.#compressed.find((c) => (word & c.mask) === c.match);
    const expansion = found?.row.expand(word);
    const row = expansion && this.#byName.get(expansion.name);
    if (!expansion || row === undefined) return noFields(this.illegalRow, 2);
    const { name: _, ...operands } = expansion;
    return Object.assign(noFields(row, 2), operands);
  }
}
