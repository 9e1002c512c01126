import { expect, test } from "vitest";
import { type LogItem, makeLog } from "#core/log.ts";
import { Observed } from "#cpu/engine/runtime-options.ts";
import { encode, type Fields } from "#cpu/isa/riscv/encoder.ts";
import { resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { describeHart, hartObserver } from "#cpu/isa/riscv/hart-log.ts";
import { RISCV_ROWS } from "#cpu/isa/riscv/riscv.ts";
import { BareMachine, RAM_BASE } from "#cpu/testing/bare-machine.ts";
import type { VcpuObserver } from "#cpu/vcpu/vcpu.ts";

const HANDLER = RAM_BASE + 0x1000;
const WFI = 0x10500073;
const MTVEC = 0x305;
const PMPCFG0 = 0x3a0;

function insn(name: string, fields: Fields): number {
  const row = RISCV_ROWS.find((candidate) => candidate.name === name);
  if (!row) throw new Error(`no row '${name}'`);
  return encode(row, fields);
}

/** Points mtvec at a `wfi` in another page, then runs `words`. */
function run(
  items: LogItem[],
  words: readonly number[],
  hotThreshold = 0,
): { text: string; observer: VcpuObserver | undefined } {
  let text = "";
  const log = makeLog({ items, events: [] }, { write: (lines) => void (text += lines), stamp: () => "" });
  let observer: VcpuObserver | undefined;
  const guestError = log.writer("guest_errors");
  const machine = new BareMachine({
    ramBytes: 1 << 16,
    extensions: resolveExtensions({}),
    hotThreshold,
    ports: { ...(guestError && { guestError: (message: string) => guestError(`${message}\n`) }) },
    observer: (place) => (observer = hartObserver({ ...place, log, hart: 0 })),
  });
  const program = [insn("auipc", { rd: 5, imm: 0x1000 }), insn("csrrw", { rd: 0, rs1: 5, csr: MTVEC }), ...words, WFI];
  machine.load(RAM_BASE, new Uint8Array(Int32Array.from(program).buffer));
  machine.load(HANDLER, new Uint8Array(Int32Array.of(WFI).buffer));
  machine.run();
  // What was asked for is translated when the hart goes on.
  if (hotThreshold > 0) machine.run();
  return { text, observer };
}

const ECALL = insn("ecall", {});
/** Address 0 belongs to nobody. */
const BAD_LOAD = insn("lw", { rd: 6, rs1: 0, imm: 16 });

test("with nothing on there is no observer", () => {
  const { observer, text } = run(["guest_errors"], [ECALL]);
  expect(observer).toBeUndefined();
  expect(text).toBe("");
});

test("int: a line a trap, as QEMU writes it", () => {
  expect(run(["int"], [ECALL]).text).toBe(
    "riscv_cpu_do_interrupt: hart:0, async:0, cause:000000000000000b, epc:0x0000000080000008, tval:0x0000000000000000, desc=machine_ecall\n",
  );
  expect(run(["int"], [BAD_LOAD]).text).toBe(
    "riscv_cpu_do_interrupt: hart:0, async:0, cause:0000000000000005, epc:0x0000000080000008, tval:0x0000000000000010, desc=fault_load\n",
  );
  expect(run(["int"], [0]).text).toContain("desc=illegal_instruction\n");
});

test("int alone asks for traps only", () => {
  expect(run(["int"], [ECALL]).observer?.observed).toBe(Observed.Trap);
});

test("in_asm: each block when it is decoded", () => {
  // The CSR write ends the first block; compressed instructions are shown as what they stand for.
  const { text } = run(["in_asm"], [insn("addi", { rd: 10, rs1: 2, imm: -16 }), 0x0001_852e]);
  expect(text).toBe(
    [
      "----------------",
      "IN: hart 0, privilege 3",
      "0x0000000080000000:  00001297  auipc           t0, 0x1",
      "0x0000000080000004:  30529073  csrrw           zero, mtvec, t0",
      "",
      "----------------",
      "IN: hart 0, privilege 3",
      "0x0000000080000008:  ff010513  addi            a0, sp, -16",
      "0x000000008000000c:  852e      add             a0, zero, a1",
      "0x000000008000000e:  0001      addi            zero, zero, 0",
      "0x0000000080000010:  10500073  wfi",
      "",
      "",
    ].join("\n"),
  );
});

test("op: the intermediate code of each instruction, once", () => {
  const add = insn("add", { rd: 10, rs1: 11, rs2: 12 });
  const { text } = run(["op"], [add, add]);
  expect(text.match(/^OP: .*$/gm)).toEqual([
    "OP: 00001297 auipc t0, 0x1",
    "OP: 30529073 csrrw zero, mtvec, t0",
    "OP: 00c58533 add a0, a1, a2",
    "OP: 10500073 wfi",
  ]);
  expect(text).toContain("OP: 00c58533 add a0, a1, a2\n x[10] := i64.add(x[11], x[12])\n\n");
});

test("exec and cpu: each entry from the dispatcher, once", () => {
  const { text } = run(["exec"], [ECALL]);
  expect(text).toBe(
    [0x8000_0000, 0x8000_0008, 0x8000_1000]
      .map((pc) => `Trace 0: 0x00000000${pc.toString(16)} [privilege 3]\n`)
      .join(""),
  );
  const registers = run(["cpu"], [ECALL]).text.split(/^(?= pc )/m);
  expect(registers).toHaveLength(3);
  expect(registers[1]).toMatch(/^ pc {7}0000000080000008\n mhartid {2}0{16}\n/);
  expect(registers[1]).toContain(" x4/tp    0000000000000000 x5/t0    0000000080001000 ");
  expect(registers[1]).not.toContain("f0/ft0");
});

test("mmu: what enters a TLB", () => {
  const store = insn("sd", { rs1: 5, rs2: 0, imm: 8 });
  const { text } = run(["mmu"], [store]);
  expect(text).toContain("address=0000000080000000, physical=0000000080000000, prot=--x\n");
  expect(text).toMatch(/hart:0, address=0000000080001008, physical=0000000080001008, prot=rw-\n/);
});

test("out_asm: a dump of each module that is translated", () => {
  // Counts to 100; the loop is hot after 10 rounds.
  const loop = [
    insn("addi", { rd: 6, rs1: 0, imm: 100 }),
    insn("addi", { rd: 6, rs1: 6, imm: -1 }),
    insn("bne", { rs1: 6, rs2: 0, imm: -4 }),
    WFI,
  ];
  const { text } = run(["out_asm"], loop, 10);
  expect(text).toMatch(
    /^OUT: hart 0, module 1 \[size=\d+\]\n {2}000000: {2}00 61 73 6d 01 00 00 00 .*\n( {2}0[0-9a-f]{5}: {2}[0-9a-f ]+\n)+\n$/,
  );
  expect(run(["out_asm"], loop).text).toBe("");
});

test("guest_errors: a write to the PMP that the specification does not allow", () => {
  const value = insn("addi", { rd: 6, rs1: 0, imm: 0x82 });
  const write = insn("csrrw", { rd: 0, rs1: 6, csr: PMPCFG0 });
  const locked = [insn("addi", { rd: 6, rs1: 0, imm: 0x80 }), write, insn("addi", { rd: 6, rs1: 0, imm: 0x81 }), write];
  expect(run(["guest_errors"], [value, write]).text).toBe(
    "pmpcfg of entry 0 would be writable and not readable; the write is ignored\n",
  );
  expect(run(["guest_errors"], locked).text).toBe("pmpcfg of entry 0 is locked; the write of 0x81 is ignored\n");
});

test("the registers, with the floating-point ones when fpu is on", () => {
  const machine = new BareMachine({ ramBytes: 1 << 16, extensions: resolveExtensions({}) });
  const { view, cpu } = machine.vcpu;
  const log = makeLog({ items: ["fpu"], events: [] }, { write: () => {}, stamp: () => "" });
  const place = { isa: undefined as never, memory: view.buffer, block: cpu, hart: 0 };
  expect(describeHart({ ...place, log })).toContain(" f0/ft0   0000000000000000 f1/ft1 ");
  expect(
    describeHart({ ...place, log })
      .trimEnd()
      .split("\n"),
  ).toHaveLength(1 + 17 + 8 + 8);
});
