/**
 * Golden files of instructions: word -> decoded -> IR -> what it does when run.
 *
 *   insn 00c58533            the word, and what registers and memory hold before
 *   in x11=0x5 x12=0x7
 *   asm add a0, a1, a2       everything from here on is generated
 *   fields rd=10 rs1=11 rs2=12
 *   ir x[rd] := i64.add(x[rs1], x[rs2])
 *   out x10=0xc
 *
 * In a line `in` or `out`, xN and fN are registers, mN the dword N of the data (which x31 points to unless told),
 * fcsr what it says; `pc` is relative to the instruction; `trap` is the cause, with `tval`.
 */
import { Builder } from "#cpu/ir/builder.ts";
import type { FieldName } from "#cpu/ir/ir.ts";
import { printIr } from "#cpu/ir/print.ts";
import { FIELD_OPERANDS } from "#cpu/isa/isa.ts";
import { disassemble } from "#cpu/isa/riscv/disassembler.ts";
import type { RiscvIsa } from "#cpu/isa/riscv/riscv.ts";
import { type BareMachine, RAM_BASE } from "#cpu/testing/bare-machine.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";

const CODE = RAM_BASE + 0x1000;
const CODE_BYTES = 0x1000;
const HANDLER = RAM_BASE + 0x4000;
const DATA = RAM_BASE + 0x8000;
const DATA_DWORDS = 4;
const WFI = 0x10500073;
const FIELD_NAMES: readonly FieldName[] = ["rd", "rs1", "rs2", "rs3", "imm", "rm", "csr", "uimm"];
const RAM_POINTER = 31;

type State = ReadonlyMap<string, bigint>;

/**
 * The file anew: comments, `insn` and `in` lines as they are, the others generated. Each instruction runs `repeats` times,
 * which makes it hot; the last run counts.
 */
export function regenerateGolden(text: string, isa: RiscvIsa, machine: BareMachine, repeats = 1): string {
  const out: string[] = [];
  let word: number | undefined;
  let input: string[] = [];
  const finish = (): void => {
    if (word === undefined) return;
    const state = parse(input);
    for (let i = 1; i < repeats; i++) run(isa, machine, word, state);
    out.push(...describe(isa, word), `out ${run(isa, machine, word, state)}`.trimEnd());
    word = undefined;
    input = [];
  };
  for (const line of text.trimEnd().split("\n")) {
    const [kind, ...rest] = line.split(" ");
    if (kind === "insn") word = Number.parseInt(rest[0] ?? "", 16);
    else if (kind === "in") input = rest;
    else if (line === "") finish();
    else if (kind !== "#") continue;
    out.push(line);
  }
  finish();
  return `${out.join("\n")}\n`;
}

function describe(isa: RiscvIsa, word: number): string[] {
  const decoded = isa.decode(word);
  const row = isa.rows[decoded.row];
  if (!row) throw new Error(`no row ${decoded.row}`);
  const b = new Builder();
  row.meaning(b, FIELD_OPERANDS);
  const fields = FIELD_NAMES.filter((name) => decoded[name] !== 0).map((name) => `${name}=${decoded[name]}`);
  const ir = printIr(b.statements).trimEnd().split("\n");
  return [
    `asm ${disassemble(isa.decoder, word, BigInt(CODE))}`,
    `fields ${[`row=${row.name}`, `length=${decoded.lengthBytes}`, ...fields].join(" ")}`,
    ...ir.filter((line) => line !== "").map((line) => `ir ${line}`),
  ];
}

function parse(pairs: readonly string[]): State {
  return new Map(
    pairs.map((pair) => {
      const [name, value] = pair.split("=");
      return [name ?? "", BigInt.asUintN(64, BigInt(value ?? "0"))] as const;
    }),
  );
}

/** Runs one instruction among waits; what has changed. */
function run(isa: RiscvIsa, machine: BareMachine, word: number, input: State): string {
  const { vcpu } = machine;
  const { view, cpu } = vcpu;
  const code = new DataView(new ArrayBuffer(CODE_BYTES));
  for (let at = 0; at < CODE_BYTES; at += 4) code.setUint32(at, WFI, true);
  machine.load(CODE - CODE_BYTES / 2, new Uint8Array(code.buffer));
  machine.load(HANDLER, new Uint8Array(code.buffer, 0, 4));
  const length = isa.decode(word).lengthBytes;
  code.setUint32(0, word >>> 0, true);
  code.setUint32(length, WFI, true);
  machine.load(CODE, new Uint8Array(code.buffer, 0, length + 4));
  machine.bytes(DATA, 8 * DATA_DWORDS).fill(0);

  machine.reset(CODE);
  view.setBigUint64(cpu + VCPU.mtvec, BigInt(HANDLER), true);
  const before = new Map<string, bigint>([[`x${RAM_POINTER}`, BigInt(DATA)], ...input]);
  for (const [name, value] of before) write(machine, name, value);
  vcpu.runtime.fpUpdate(cpu);
  machine.run();

  const changes: string[] = [];
  const note = (name: string, value: bigint, old: bigint): void => {
    if (value !== old) changes.push(`${name}=0x${value.toString(16)}`);
  };
  for (let i = 1; i < 32; i++) note(`x${i}`, vcpu.register(i), before.get(`x${i}`) ?? 0n);
  for (let i = 0; i < 32; i++) note(`f${i}`, vcpu.floatRegister(i), before.get(`f${i}`) ?? 0n);
  const data = new DataView(machine.bytes(DATA, 8 * DATA_DWORDS).slice().buffer);
  for (let i = 0; i < DATA_DWORDS; i++) note(`m${i}`, data.getBigUint64(8 * i, true), before.get(`m${i}`) ?? 0n);
  note("fcsr", fcsr(machine), before.get("fcsr") ?? 0n);
  const pc = Number(vcpu.pc) - 4 - CODE;
  if (Number(vcpu.pc) - 4 === HANDLER) {
    changes.push(`trap=${view.getBigUint64(cpu + VCPU.mcause, true)}`);
    changes.push(`tval=0x${view.getBigUint64(cpu + VCPU.mtval, true).toString(16)}`);
  } else if (pc !== length) changes.push(`pc=${pc}`);
  return changes.join(" ");
}

const FRM_SHIFT = 5;
function fcsr({ vcpu: { view, cpu } }: BareMachine): bigint {
  return BigInt(view.getInt32(cpu + VCPU.fflags, true) | (view.getInt32(cpu + VCPU.frm, true) << FRM_SHIFT));
}

function write(machine: BareMachine, name: string, value: bigint): void {
  const { view, cpu } = machine.vcpu;
  const index = Number(name.slice(1));
  switch (name[0]) {
    case "x":
      view.setBigUint64(cpu + VCPU.x + 8 * index, value, true);
      break;
    case "m": {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, value, true);
      machine.load(DATA + 8 * index, bytes);
      break;
    }
    default:
      if (name === "fcsr") {
        view.setInt32(cpu + VCPU.fflags, Number(value) & 31, true);
        view.setInt32(cpu + VCPU.frm, Number(value) >> FRM_SHIFT, true);
      } else view.setBigUint64(cpu + VCPU.f + 8 * index, value, true);
  }
}
