import { describe, expect, test } from "vitest";
import { PAGE_COMPARE_TYPE } from "#cpu/engine/page-compare.ts";
import type { Routine } from "#cpu/engine/routine.ts";
import { INTERPRETER_TYPE } from "#cpu/engine/interpreter.ts";
import { callFar, fetchPage, HOST_FUNCTIONS, run } from "#cpu/engine/runtime.ts";
import { SOFTMMU_ROUTINES } from "#cpu/engine/softmmu.ts";
import { Builder } from "#cpu/ir/builder.ts";
import { type Expr, F64, I32, I64 } from "#cpu/ir/ir.ts";
import { printIr } from "#cpu/ir/print.ts";
import { type Signature, verifyIr } from "#cpu/ir/verify.ts";
import { FIELD_OPERANDS, type IsaOperands } from "#cpu/isa/isa.ts";
import { EXTENSION_NAMES, resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { riscvIsa } from "#cpu/isa/riscv/riscv.ts";

const isa = riscvIsa(resolveExtensions(Object.fromEntries(EXTENSION_NAMES.map((name) => [name, true]))));
const routines: readonly Routine[] = [...SOFTMMU_ROUTINES, ...isa.routines, fetchPage(), callFar(2), run(2)];
const functions: ReadonlyMap<string, Signature> = new Map([
  ...Object.entries(HOST_FUNCTIONS),
  ["interpret", INTERPRETER_TYPE],
  ["pageDiffers", PAGE_COMPARE_TYPE],
  ...routines.map((r) => [r.name, r.type] as const),
]);
/** Operands of an instruction that is known, as the region translator has them. */
const KNOWN: IsaOperands = { rd: 10, rs1: 11, rs2: 12, rs3: 13, imm: -16, rm: 7, csr: 1, uimm: 3 };
/** x0 everywhere, nothing else either. */
const ZEROS: IsaOperands = { rd: 0, rs1: 0, rs2: 0, rs3: 0, imm: 0, rm: 0, csr: 0, uimm: 0 };

function faultsOf(build: (b: Builder) => void, routine?: Signature): readonly string[] {
  const b = new Builder();
  build(b);
  return verifyIr(b.statements, b.temps, { routine, functions });
}
const parameters = (b: Builder, type: Signature): Expr[] => type.params.slice(1).map((t, i) => b.param(i + 1, t));

test.each(isa.rows.map((row) => [row.name, row] as const))("row %s keeps the rules", (_name, row) => {
  for (const operands of [FIELD_OPERANDS, KNOWN, ZEROS]) {
    expect(faultsOf((b) => row.meaning(b, operands))).toEqual([]);
  }
});

test.each(routines.map((r) => [r.name, r] as const))("routine %s keeps the rules", (_name, r) => {
  expect(faultsOf((b) => r.build(b, ...parameters(b, r.type)), r.type)).toEqual([]);
});

test("everything prints, and nothing as unknown", () => {
  for (const row of isa.rows) {
    const b = new Builder();
    row.meaning(b, FIELD_OPERANDS);
    expect(printIr(b.statements)).not.toMatch(/\?|op 0x/);
  }
  for (const r of routines) {
    const b = new Builder();
    r.build(b, ...parameters(b, r.type));
    expect(printIr(b.statements)).not.toMatch(/\?|op 0x/);
  }
});

describe("each rule is seen to be broken", () => {
  const routineType: Signature = { params: [I32, I64], results: [I64] };
  test.each<[string, (b: Builder) => void, RegExp]>([
    [
      "an expression used twice",
      (b) => {
        const sum = b.add(b.getReg(1), b.getReg(2));
        b.setReg(3, b.mul(sum, sum));
      },
      /used twice/,
    ],
    ["types that do not fit", (b) => b.setReg(3, b.i32(1)), /i32 where i64 belongs/],
    ["an operation on two types", (b) => b.setReg(3, b.add(b.getReg(1), b.wrap(b.getReg(2)))), /i32 where i64 belongs/],
    [
      "a temp that one path leaves unset",
      (b) => {
        const taken: { temp?: Expr } = {};
        b.if(b.wrap(b.getReg(1)), () => {
          taken.temp = b.let(b.getReg(2));
        });
        b.setReg(3, taken.temp as Expr);
      },
      /may be read before it is set/,
    ],
    [
      "a guest load after a register write",
      (b) => {
        b.setReg(3, b.getReg(1));
        b.setReg(4, b.guestLoad(b.getReg(2), 8, false));
      },
      /after another effect/,
    ],
    ["a guest load in a condition", (b) => b.branch(b.wrap(b.guestLoad(b.getReg(2), 4, true)), 8), /stands in no let/],
    [
      "two guest loads in one statement",
      (b) => b.setReg(3, b.add(b.guestLoad(b.getReg(1), 8, false), b.guestLoad(b.getReg(2), 8, false))),
      /shares its statement/,
    ],
    [
      "an instruction that goes on after its end",
      (b) => {
        b.jump(8, 0);
        b.setReg(1, b.i64(1));
      },
      /is not last/,
    ],
    ["a branch inside an if", (b) => b.if(b.wrap(b.getReg(1)), () => b.jump(8, 0)), /is nested/],
    ["a break without its loop", (b) => b.break(7), /no loop 7/],
    [
      "a multiply-add of two formats",
      (b) => b.setFReg(1, b.fusedMultiplyAdd(b.getFReg(1), b.getFReg(2), b.f32(1))),
      /f32 where f64 belongs/,
    ],
    [
      "a multiply-add of integers",
      (b) => b.setReg(1, b.fusedMultiplyAdd(b.getReg(1), b.getReg(2), b.i64(1))),
      /multiply-add of i64/,
    ],
    ["a call of nothing", (b) => b.setReg(1, b.call("nowhere", I64, [])), /no function 'nowhere'/],
    ["a call with the wrong arguments", (b) => b.effect("flushTlbs", [b.i64(1)]), /takes \(i32\), not \(i64\)/],
    ["an instruction that returns", (b) => b.return(), /an instruction returns/],
    ["a store that is too wide", (b) => b.store(b.cpu(), 0, b.i32(1), 8), /8 bytes of i32/],
    ["a double stored as 4 bytes", (b) => b.guestStore(b.getReg(1), 4, b.getFReg(1)), /guest store of f64/],
  ])("%s", (_name, build, fault) => {
    expect(faultsOf(build).join("\n")).toMatch(fault);
  });
  test("a routine that reads a guest register, and one that gives nothing on a path", () => {
    const reads = faultsOf((b) => b.return(b.getReg(1)), routineType);
    expect(reads.join("\n")).toMatch(/a routine has expression kind/);
    const silent = faultsOf((b) => b.if(b.wrap(b.param(1, I64)), () => b.return(b.i64(1))), routineType);
    expect(silent.join("\n")).toMatch(/returns nothing/);
    const wrongType = faultsOf((b) => b.return(b.f64(1)), { params: [I32], results: [I64] });
    expect(wrongType.join("\n")).toMatch(/f64 where i64 belongs/);
    expect(faultsOf((b) => b.return(b.f64(1)), { params: [I32], results: [F64] })).toEqual([]);
  });
});
