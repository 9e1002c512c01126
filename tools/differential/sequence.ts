/**
 * Random instruction sequences, made from the rows.
 *
 * A sequence is a list of blocks: one instruction, a few that belong together (lr and sc, auipc and jalr), or a loop
 * with a bounded count. Branches go to a later block. Memory accesses go to a buffer that lies across a page boundary.
 */

import { type CompressedRow, RV64C } from "#cpu/isa/riscv/compressed.ts";
import { parsePattern } from "#cpu/isa/riscv/decoder.ts";
import { compressedTargets, encode, type Fields } from "#cpu/isa/riscv/encoder.ts";
import type { Random } from "#cpu/isa/riscv/random.ts";
import { RISCV_ROWS } from "#cpu/isa/riscv/riscv.ts";
import type { InstructionRow } from "#cpu/isa/riscv/row.ts";

/** The buffer: addresses, the page boundary in it. */
export const BUFFER = { start: 0x8000_2f00, boundary: 0x8000_3000, bytes: 768 } as const;
/** Register that belongs to the runner: tp. */
export const RUNNER_REGISTER = 4;

/** One instruction; `encode` is given its own address, when all labels are placed. */
type Item = { readonly name: string; readonly lengthBytes: 2 | 4; readonly encode: (at: number) => number };
type Label = { at: number };
type Block = readonly Item[];

export type Sequence = {
  readonly blocks: readonly Block[];
  /** `labels[i]` is the start of block i; one more for the end. */
  readonly labels: readonly Label[];
  /** Registers that must hold these values at the start. */
  readonly bases: ReadonlyMap<number, number>;
};

const rowByName = new Map(RISCV_ROWS.map((row) => [row.name, row] as const));
export function rowNamed(name: string): InstructionRow {
  const row = rowByName.get(name);
  if (!row) throw new Error(`no row '${name}'`);
  return row;
}
export const word = (name: string, fields: Fields): number => encode(rowNamed(name), fields);

const COMPRESSED = RV64C.map((row) => ({ row, ...parsePattern(row.pattern) }));
const COMPRESSED_JUMPS: readonly string[] = ["c.j", "c.beqz", "c.bnez", "c.jr", "c.jalr", "c.ebreak"];

/** Rows that need another mode, end the run, or that QEMU 7.2 does not have. */
const NOT_TESTED: readonly string[] = ["ecall", "ebreak", "sret", "mret", "wfi", "sfence.vma"];
const TESTED_EXTENSIONS: readonly string[] = ["i", "m", "a", "f", "d", "zfh", "zifencei", "zba", "zbb", "zbc", "zbs"];
export const TESTED_ROWS: readonly InstructionRow[] = RISCV_ROWS.filter(
  (row) => TESTED_EXTENSIONS.includes(row.extension) && !NOT_TESTED.includes(row.name),
);
/** QEMU 7.2 counts beyond bit 31 when the low word is 0; tests beside the row have that case. */
const CTZW = "ctzw";
const isMemory = (row: InstructionRow): boolean => row.operands.endsWith("imm(rs1)") && row.name !== "jalr";
const isAtomic = (row: InstructionRow): boolean => row.extension === "a";
const isBranch = (row: InstructionRow): boolean => row.format === "B";
const ATOMICS = TESTED_ROWS.filter((row) => isAtomic(row) && !/^(lr|sc)/.test(row.name));
const BRANCHES = TESTED_ROWS.filter(isBranch);
const MEMORY = TESTED_ROWS.filter(isMemory);
const PLAIN = TESTED_ROWS.filter(
  (row) => !isMemory(row) && !isAtomic(row) && !isBranch(row) && !row.name.startsWith("jal") && row.name !== CTZW,
);
const FLOAT = PLAIN.filter((row) => ["f", "d", "zfh"].includes(row.extension));

export class SequenceGenerator {
  readonly #random: Random;
  #bases = new Map<number, number>();
  #alignedBases: number[] = [];
  #counter = 0;
  #pool: number[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  next(): Sequence {
    const random = this.#random;
    this.#chooseRegisters();
    const count = random.between(2, 9);
    const labels: Label[] = Array.from({ length: count + 1 }, () => ({ at: 0 }));
    const blocks: Block[] = [];
    for (let i = 0; i < count; i++) {
      const target = labels[random.between(i + 1, Math.min(count, i + 4))] as Label;
      blocks.push(random.oneIn(8) ? this.#loop() : this.#block(target));
    }
    return { blocks, labels, bases: this.#bases };
  }

  #chooseRegisters(): void {
    const random = this.#random;
    const offset = (alignment: number): number =>
      BUFFER.start + random.between(8, 40) * 8 + random.below(8 / alignment) * alignment;
    const low = random.between(8, 15);
    const odd = low === 15 ? 8 : low + 1;
    const high = random.between(16, 31);
    this.#bases = new Map([
      [2, BUFFER.start + 16 * random.below(8)],
      [low, offset(8)],
      [odd, offset(1)],
      [high, BUFFER.boundary - random.below(9)],
    ]);
    this.#alignedBases = [...this.#bases].filter(([, address]) => address % 8 === 0).map(([register]) => register);
    do this.#counter = random.between(5, 31);
    while (this.#bases.has(this.#counter));
    this.#pool = [
      random.below(32),
      random.between(8, 15),
      random.between(8, 15),
      random.between(5, 31),
      random.below(32),
    ];
  }

  #isReserved(register: number): boolean {
    return register === RUNNER_REGISTER || register === this.#counter || this.#bases.has(register);
  }
  #source(): number {
    const random = this.#random;
    return random.oneIn(3) ? random.below(32) : random.pick(this.#pool);
  }
  #destination(): number {
    for (;;) {
      const register = this.#source();
      if (!this.#isReserved(register)) return register;
    }
  }
  #floatRegister(): number {
    return this.#random.oneIn(3) ? this.#random.below(32) : this.#random.below(6);
  }

  #fields(row: InstructionRow): { -readonly [name in keyof Fields]: number } {
    const random = this.#random;
    const fields: { -readonly [name in keyof Fields]: number } = {};
    const has = (name: string): boolean => row.operands.includes(name);
    if (has("rd")) fields.rd = this.#destination();
    if (has("fd")) fields.rd = this.#floatRegister();
    if (has("rs1")) fields.rs1 = this.#source();
    if (has("fs1")) fields.rs1 = this.#floatRegister();
    if (has("rs2")) fields.rs2 = this.#source();
    if (has("fs2")) fields.rs2 = this.#floatRegister();
    if (has("fs3")) fields.rs3 = this.#floatRegister();
    if (has("imm")) {
      fields.imm =
        row.format === "U" ? random.u32() | 0 : row.format === "I" ? random.between(-2048, 2047) : random.below(64);
    }
    if (row.format === "FR" || row.format === "FR4") fields.rm = random.oneIn(2) ? 7 : random.below(5);
    return fields;
  }

  #item(name: string, fields: Fields): Item {
    const encoded = word(name, fields);
    return { name, lengthBytes: 4, encode: () => encoded };
  }
  #targeted(name: string, fields: Fields, target: Label): Item {
    return { name, lengthBytes: 4, encode: (at) => word(name, { ...fields, imm: target.at - at }) };
  }

  /** A block that falls through or jumps to `target`. */
  #block(target: Label): Block {
    const random = this.#random;
    const kind = random.below(40);
    if (kind < 4) return this.#branch(target);
    if (kind < 6) return this.#jump(target);
    if (kind < 7) return this.#reserved();
    if (kind < 9) return [this.#atomic()];
    if (kind < 11) return this.#status();
    if (kind < 12 && random.oneIn(3)) return this.#countTrailing();
    return [this.#straight()];
  }

  /** Any instruction that goes on with the next one. */
  #straight(): Item {
    const random = this.#random;
    const kind = random.below(20);
    if (kind < 4) return this.#memory();
    if (kind < 8) return this.#compressed();
    if (kind < 12) return this.#plain(FLOAT);
    return this.#plain(PLAIN);
  }

  #plain(rows: readonly InstructionRow[]): Item {
    const row = this.#random.pick(rows);
    return this.#item(row.name, this.#fields(row));
  }

  /** An offset from `base` into the buffer, often to the page boundary in it; `room` bytes are accessed. */
  #offsetFrom(base: number, room: number): number {
    const random = this.#random;
    const address = random.oneIn(3)
      ? BUFFER.boundary - random.below(room + 1)
      : BUFFER.start + random.below(BUFFER.bytes - room + 1);
    return address - base;
  }

  #memory(): Item {
    const row = this.#random.pick(MEMORY);
    const [register, base] = this.#random.pick([...this.#bases]);
    return this.#item(row.name, { ...this.#fields(row), rs1: register, imm: this.#offsetFrom(base, 8) });
  }

  #atomic(): Item {
    const row = this.#random.pick(ATOMICS);
    return this.#item(row.name, { ...this.#fields(row), rs1: this.#random.pick(this.#alignedBases) });
  }

  /** ctzw of a word that is not 0. */
  #countTrailing(): Block {
    const value = this.#destination() || 5;
    if (this.#isReserved(value)) return this.#countTrailing();
    const nonZero = this.#item("ori", { rd: value, rs1: this.#source(), imm: 1 << this.#random.below(11) });
    return [nonZero, this.#item(CTZW, { rd: this.#destination(), rs1: value })];
  }

  /** lr and sc, mostly a pair that belongs together. */
  #reserved(): Block {
    const random = this.#random;
    const width = random.pick([".w", ".d"]);
    const base = random.pick(this.#alignedBases);
    const load = this.#item(`lr${width}`, { rd: this.#destination(), rs1: base });
    const storeBase = random.oneIn(6) ? random.pick(this.#alignedBases) : base;
    const store = this.#item(`sc${width}`, {
      rd: this.#destination(),
      rs1: storeBase,
      rs2: this.#source(),
    });
    return random.oneIn(8) ? [store] : random.oneIn(4) ? [load, this.#straight(), store] : [load, store];
  }

  /** Reads and writes of fcsr that leave a valid rounding mode. */
  #status(): Block {
    const random = this.#random;
    const rd = this.#destination();
    const FFLAGS = 1;
    const FRM = 2;
    const FCSR = 3;
    switch (random.below(5)) {
      case 0:
        return [this.#item(random.pick(["csrrw", "csrrs", "csrrc"]), { rd, csr: FFLAGS, rs1: this.#source() })];
      case 1:
        return [this.#item("csrrwi", { rd, csr: FRM, uimm: random.below(5) })];
      case 2:
        return [this.#item(random.pick(["csrrwi", "csrrsi", "csrrci"]), { rd, csr: FCSR, uimm: random.below(32) })];
      case 3:
        return [this.#item("csrr", { rd, csr: random.pick([FFLAGS, FRM, FCSR]) })];
      default: {
        // Bits 5 and 6 clear: rounding mode 0 or 4.
        const value = this.#destination();
        const masked = this.#item("andi", { rd: value, rs1: this.#source(), imm: 0x9f });
        return value === 0 ? [masked] : [masked, this.#item("csrrw", { rd, csr: FCSR, rs1: value })];
      }
    }
  }

  #branch(target: Label): Block {
    const random = this.#random;
    if (random.oneIn(3)) {
      const name = random.pick(["c.beqz", "c.bnez"]);
      const register = random.below(8);
      return [
        {
          name,
          lengthBytes: 2,
          encode: (at) => (compressedTargets(name).get(target.at - at) as number) | (register << 7),
        },
      ];
    }
    return [this.#targeted(random.pick(BRANCHES).name, { rs1: this.#source(), rs2: this.#source() }, target)];
  }

  #jump(target: Label): Block {
    const random = this.#random;
    switch (random.below(4)) {
      case 0:
        return [
          { name: "c.j", lengthBytes: 2, encode: (at) => compressedTargets("c.j").get(target.at - at) as number },
        ];
      case 1:
        return [this.#targeted("jal", { rd: this.#destination() }, target)];
      default: {
        const base = this.#destination() || 5;
        if (this.#isReserved(base)) return this.#jump(target);
        const here = this.#item("auipc", { rd: base, imm: 0 });
        if (random.oneIn(2)) {
          const rd = this.#destination();
          // Bit 0 of the target is dropped.
          const odd = random.below(2);
          const jump = (at: number): number => word("jalr", { rd, rs1: base, imm: target.at - (at - 4) + odd });
          return [here, { name: "jalr", lengthBytes: 4, encode: jump }];
        }
        const links = !this.#isReserved(1) && random.oneIn(2);
        const name = links ? "c.jalr" : "c.jr";
        const jump = (links ? 0x9002 : 0x8002) | (base << 7);
        return [
          here,
          {
            name: "addi",
            lengthBytes: 4,
            encode: (at) => word("addi", { rd: base, rs1: base, imm: target.at - (at - 4) }),
          },
          { name, lengthBytes: 2, encode: () => jump },
        ];
      }
    }
  }

  /** A compressed instruction that is no jump, from random bits that fit a pattern. */
  #compressed(): Item {
    for (;;) {
      const { row, mask, match } = this.#random.pick(COMPRESSED);
      if (COMPRESSED_JUMPS.includes(row.name)) continue;
      for (let attempt = 0; attempt < 20; attempt++) {
        const bits = (this.#random.below(0x1_0000) & ~mask) | match;
        if (this.#fits(row, bits)) return { name: row.name, lengthBytes: 2, encode: () => bits };
      }
    }
  }
  #fits(row: CompressedRow, bits: number): boolean {
    // Other rows may claim these bits: the first that matches has them.
    if (COMPRESSED.find((c) => (bits & c.mask) === c.match)?.row !== row) return false;
    const expansion = row.expand(bits);
    if (!expansion) return false;
    const base = rowNamed(expansion.name);
    if (base.operands.startsWith("rd") && this.#isReserved(expansion.rd ?? 0)) return false;
    if (!isMemory(base)) return true;
    const start = this.#bases.get(expansion.rs1 ?? 0);
    if (start === undefined) return false;
    const address = start + (expansion.imm ?? 0);
    return address >= BUFFER.start && address + 8 <= BUFFER.start + BUFFER.bytes;
  }

  /** A loop of 1 to 6 rounds over a few instructions, counted down by the bne at its end. */
  #loop(): Block {
    const random = this.#random;
    const counter = this.#counter;
    const start: Label = { at: 0 };
    const end: Label = { at: 0 };
    const body: Item[] = Array.from({ length: random.between(1, 4) }, () =>
      random.oneIn(6) ? (this.#branch(end)[0] as Item) : this.#straight(),
    );
    const first = body[0] as Item;
    body[0] = {
      ...first,
      encode: (at) => {
        start.at = at;
        return first.encode(at);
      },
    };
    // Labels inside are found by lengths, for they are needed before the items after them are encoded.
    const lengthFrom = (index: number): number => body.slice(index).reduce((sum, item) => sum + item.lengthBytes, 0);
    body.forEach((item, index) => {
      const inner = item.encode;
      const rest = lengthFrom(index);
      body[index] = {
        ...item,
        encode: (at) => {
          end.at = at + rest;
          return inner(at);
        },
      };
    });
    const down = this.#item("addi", { rd: counter, rs1: counter, imm: -1 });
    const compressed = counter >= 8 && counter <= 15 && random.oneIn(2);
    const back: Item = compressed
      ? {
          name: "c.bnez",
          lengthBytes: 2,
          encode: (at) => (compressedTargets("c.bnez").get(start.at - at) as number) | ((counter - 8) << 7),
        }
      : this.#targeted(random.pick(["bne", "bltu"]), { rs1: 0, rs2: counter }, start);
    return [this.#item("addi", { rd: counter, rs1: 0, imm: random.between(1, 6) }), ...body, down, back];
  }
}

/** Places the first `limit` blocks from `address` on and encodes them; returns the halfwords' bytes. */
export function assemble(sequence: Sequence, address: number, limit = sequence.blocks.length): Uint8Array {
  let at = address;
  sequence.labels.forEach((label, i) => {
    label.at = at;
    if (i < limit) for (const item of sequence.blocks[i] as Block) at += item.lengthBytes;
  });
  const bytes = new Uint8Array(at - address);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const block of sequence.blocks.slice(0, limit)) {
    for (const item of block) {
      const bits = item.encode(address + offset);
      if (item.lengthBytes === 2) view.setUint16(offset, bits, true);
      else view.setInt32(offset, bits, true);
      offset += item.lengthBytes;
    }
  }
  return bytes;
}
