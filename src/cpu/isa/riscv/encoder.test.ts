import { expect, test } from "vitest";
import type { FieldName } from "#cpu/ir/ir.ts";
import { disassemble } from "#cpu/isa/riscv/disassembler.ts";
import { compressedTargets, encode } from "#cpu/isa/riscv/encoder.ts";
import { EXTENSION_NAMES, resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { Random } from "#cpu/isa/riscv/random.ts";
import { RISCV_ROWS, riscvIsa } from "#cpu/isa/riscv/riscv.ts";

const isa = riscvIsa(resolveExtensions(Object.fromEntries(EXTENSION_NAMES.map((name) => [name, true]))));
/** Operand names that are fields of the word, without the f of floating-point registers. */
const fieldsOf = (operands: string): FieldName[] =>
  (operands.match(/[a-z][a-z0-9]*/g) ?? []).map((name) => name.replace(/^f(d|s\d)$/, "r$1") as FieldName);

test.each(RISCV_ROWS.map((row) => [row.name, row] as const))("%s decodes to what was encoded", (_name, row) => {
  const random = new Random(1);
  for (let i = 0; i < 200; i++) {
    const imm =
      row.format === "U"
        ? (random.u32() & ~0xfff) | 0
        : row.format === "B"
          ? random.between(-2048, 2047) * 2
          : row.format === "J"
            ? random.between(-(2 ** 19), 2 ** 19 - 1) * 2
            : row.format.startsWith("SHIFT")
              ? random.below(row.format === "SHIFT6" ? 64 : 32)
              : random.between(-2048, 2047);
    const values = {
      rd: random.below(32),
      rs1: random.between(1, 31),
      rs2: random.below(32),
      rs3: random.below(32),
      uimm: random.between(1, 31),
      rm: random.pick([0, 1, 2, 3, 4, 7]),
      imm,
      csr: 0x300,
    };
    // uimm lies where rs1 does.
    const { rs1, ...withoutRs1 } = values;
    const word = encode(row, row.operands.includes("uimm") ? withoutRs1 : { ...withoutRs1, rs1 });
    const decoded = isa.decode(word);
    expect(isa.rows[decoded.row]?.name).toBe(row.name);
    for (const name of fieldsOf(row.operands)) if (name !== "csr") expect(decoded[name], name).toBe(values[name]);
    expect(disassemble(isa.decoder, word, 0n)).toMatch(
      new RegExp(`^${row.name.replace(/(\.fflags)?(\.read)?$/, "")}( |$)`),
    );
  }
});

test("compressed jumps reach every even offset of their range", () => {
  expect(compressedTargets("c.j").size).toBe(2048);
  expect(compressedTargets("c.beqz").size).toBe(256);
  for (const [offset, word] of compressedTargets("c.j")) expect(isa.decode(word).imm).toBe(offset);
});

test("text of operands", () => {
  const text = (word: number): string => disassemble(isa.decoder, word, 0x1000n);
  expect(text(0xfe010113)).toBe("addi sp, sp, -32");
  expect(text(0x1141)).toBe("addi sp, sp, -16");
  expect(text(0xfe5ff06f)).toBe("jal zero, 0xfe4");
  expect(text(0x30047073)).toBe("csrrci zero, mstatus, 8");
  expect(text(0xc01027f3)).toBe("csrr a5, time");
  expect(text(0x00b5252f)).toBe("amoadd.w a0, a1, (a0)");
  expect(text(0xc2059553)).toBe("fcvt.w.d a0, fa1, rtz");
  expect(text(0)).toBe(".insn 0x0");
});
