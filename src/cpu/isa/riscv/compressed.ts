/**
 * The C extension: rows that expand a 16-bit instruction to the base instruction it stands for.
 * Spec: RISC-V Unprivileged 20240411, chapter 27 "C" (and 27.5 for the reserved encodings).
 */

/** Operands of the base instruction; those left out are 0. */
export type Expansion = {
  readonly name: string;
  readonly rd?: number;
  readonly rs1?: number;
  readonly rs2?: number;
  readonly imm?: number;
};

export type CompressedRow = {
  readonly name: string;
  readonly pattern: string;
  /** Undefined for a reserved encoding. */
  readonly expand: (word: number) => Expansion | undefined;
};

/** Bits of an immediate, most significant first: `[from, count, to]` moves `count` bits from bit `from` to bit `to`. */
function gather(word: number, ...parts: readonly (readonly [number, number, number])[]): number {
  return parts.reduce((value, [from, count, to]) => value | (((word >>> from) & ((1 << count) - 1)) << to), 0);
}
const signed = (value: number, bits: number): number => (value << (32 - bits)) >> (32 - bits);

const full = (word: number): number => (word >>> 7) & 31;
const second = (word: number): number => (word >>> 2) & 31;
const shortHigh = (word: number): number => ((word >>> 7) & 7) + 8;
const shortLow = (word: number): number => ((word >>> 2) & 7) + 8;

const imm6 = (w: number): number => signed(gather(w, [12, 1, 5], [2, 5, 0]), 6);
const shamt = (w: number): number => gather(w, [12, 1, 5], [2, 5, 0]);
const offsetW = (w: number): number => gather(w, [10, 3, 3], [6, 1, 2], [5, 1, 6]);
const offsetD = (w: number): number => gather(w, [10, 3, 3], [5, 2, 6]);
const offsetLwsp = (w: number): number => gather(w, [12, 1, 5], [4, 3, 2], [2, 2, 6]);
const offsetLdsp = (w: number): number => gather(w, [12, 1, 5], [5, 2, 3], [2, 3, 6]);
const offsetSwsp = (w: number): number => gather(w, [9, 4, 2], [7, 2, 6]);
const offsetSdsp = (w: number): number => gather(w, [10, 3, 3], [7, 3, 6]);
const offsetJ = (w: number): number =>
  signed(gather(w, [12, 1, 11], [11, 1, 4], [9, 2, 8], [8, 1, 10], [7, 1, 6], [6, 1, 7], [3, 3, 1], [2, 1, 5]), 12);
const offsetB = (w: number): number => signed(gather(w, [12, 1, 8], [10, 2, 3], [5, 2, 6], [3, 2, 1], [2, 1, 5]), 9);

const SP = 2;
const RA = 1;
const c = (name: string, pattern: string, expand: CompressedRow["expand"]): CompressedRow => ({
  name,
  pattern: pattern.replaceAll(" ", ""),
  expand,
});
const arithmetic =
  (name: string) =>
  (w: number): Expansion => ({ name, rd: shortHigh(w), rs1: shortHigh(w), rs2: shortLow(w) });

// biome-ignore format: a table
export const RV64C: readonly CompressedRow[] = [
  c("c.addi4spn", "000 ........ ... 00", (w) => {
    const imm = gather(w, [11, 2, 4], [7, 4, 6], [6, 1, 2], [5, 1, 3]);
    return imm === 0 ? undefined : { name: "addi", rd: shortLow(w), rs1: SP, imm };
  }),
  c("c.fld",  "001 ... ... .. ... 00", (w) => ({ name: "fld", rd: shortLow(w), rs1: shortHigh(w), imm: offsetD(w) })),
  c("c.lw",   "010 ... ... .. ... 00", (w) => ({ name: "lw", rd: shortLow(w), rs1: shortHigh(w), imm: offsetW(w) })),
  c("c.ld",   "011 ... ... .. ... 00", (w) => ({ name: "ld", rd: shortLow(w), rs1: shortHigh(w), imm: offsetD(w) })),
  c("c.fsd",  "101 ... ... .. ... 00", (w) => ({ name: "fsd", rs1: shortHigh(w), rs2: shortLow(w), imm: offsetD(w) })),
  c("c.sw",   "110 ... ... .. ... 00", (w) => ({ name: "sw", rs1: shortHigh(w), rs2: shortLow(w), imm: offsetW(w) })),
  c("c.sd",   "111 ... ... .. ... 00", (w) => ({ name: "sd", rs1: shortHigh(w), rs2: shortLow(w), imm: offsetD(w) })),

  c("c.addi",  "000 . ..... ..... 01", (w) => ({ name: "addi", rd: full(w), rs1: full(w), imm: imm6(w) })),
  c("c.addiw", "001 . ..... ..... 01", (w) => (full(w) === 0 ? undefined : { name: "addiw", rd: full(w), rs1: full(w), imm: imm6(w) })),
  c("c.li",    "010 . ..... ..... 01", (w) => ({ name: "addi", rd: full(w), rs1: 0, imm: imm6(w) })),
  c("c.addi16sp", "011 . 00010 ..... 01", (w) => {
    const imm = signed(gather(w, [12, 1, 9], [6, 1, 4], [5, 1, 6], [3, 2, 7], [2, 1, 5]), 10);
    return imm === 0 ? undefined : { name: "addi", rd: SP, rs1: SP, imm };
  }),
  c("c.lui",   "011 . ..... ..... 01", (w) => (imm6(w) === 0 ? undefined : { name: "lui", rd: full(w), imm: imm6(w) << 12 })),
  c("c.srli",  "100 . 00 ... ..... 01", (w) => ({ name: "srli", rd: shortHigh(w), rs1: shortHigh(w), imm: shamt(w) })),
  c("c.srai",  "100 . 01 ... ..... 01", (w) => ({ name: "srai", rd: shortHigh(w), rs1: shortHigh(w), imm: shamt(w) })),
  c("c.andi",  "100 . 10 ... ..... 01", (w) => ({ name: "andi", rd: shortHigh(w), rs1: shortHigh(w), imm: imm6(w) })),
  c("c.sub",   "100 0 11 ... 00 ... 01", arithmetic("sub")),
  c("c.xor",   "100 0 11 ... 01 ... 01", arithmetic("xor")),
  c("c.or",    "100 0 11 ... 10 ... 01", arithmetic("or")),
  c("c.and",   "100 0 11 ... 11 ... 01", arithmetic("and")),
  c("c.subw",  "100 1 11 ... 00 ... 01", arithmetic("subw")),
  c("c.addw",  "100 1 11 ... 01 ... 01", arithmetic("addw")),
  c("c.j",     "101 ........... 01", (w) => ({ name: "jal", rd: 0, imm: offsetJ(w) })),
  c("c.beqz",  "110 ... ... ..... 01", (w) => ({ name: "beq", rs1: shortHigh(w), rs2: 0, imm: offsetB(w) })),
  c("c.bnez",  "111 ... ... ..... 01", (w) => ({ name: "bne", rs1: shortHigh(w), rs2: 0, imm: offsetB(w) })),

  c("c.slli",  "000 . ..... ..... 10", (w) => ({ name: "slli", rd: full(w), rs1: full(w), imm: shamt(w) })),
  c("c.fldsp", "001 . ..... ..... 10", (w) => ({ name: "fld", rd: full(w), rs1: SP, imm: offsetLdsp(w) })),
  c("c.lwsp",  "010 . ..... ..... 10", (w) => (full(w) === 0 ? undefined : { name: "lw", rd: full(w), rs1: SP, imm: offsetLwsp(w) })),
  c("c.ldsp",  "011 . ..... ..... 10", (w) => (full(w) === 0 ? undefined : { name: "ld", rd: full(w), rs1: SP, imm: offsetLdsp(w) })),
  c("c.ebreak", "100 1 00000 00000 10", () => ({ name: "ebreak" })),
  c("c.jr",    "100 0 ..... 00000 10", (w) => (full(w) === 0 ? undefined : { name: "jalr", rd: 0, rs1: full(w), imm: 0 })),
  c("c.jalr",  "100 1 ..... 00000 10", (w) => ({ name: "jalr", rd: RA, rs1: full(w), imm: 0 })),
  c("c.mv",    "100 0 ..... ..... 10", (w) => ({ name: "add", rd: full(w), rs1: 0, rs2: second(w) })),
  c("c.add",   "100 1 ..... ..... 10", (w) => ({ name: "add", rd: full(w), rs1: full(w), rs2: second(w) })),
  c("c.fsdsp", "101 ...... ..... 10", (w) => ({ name: "fsd", rs1: SP, rs2: second(w), imm: offsetSdsp(w) })),
  c("c.swsp",  "110 ...... ..... 10", (w) => ({ name: "sw", rs1: SP, rs2: second(w), imm: offsetSwsp(w) })),
  c("c.sdsp",  "111 ...... ..... 10", (w) => ({ name: "sd", rs1: SP, rs2: second(w), imm: offsetSdsp(w) })),
];
