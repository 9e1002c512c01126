/**
 * Runs cases as instructions on a bare machine of ours: one small loop of guest code for each operation, format and
 * rounding mode field, over the cases of a batch that belong to it.
 *
 *   case -> registers and fcsr -> instruction -> result and fcsr
 */
import { setEngineFlags } from "#app/engine-flags.ts";
import { type EngineFeatures, NO_FEATURES, probeEngineFeatures } from "#cpu/engine/features.ts";
import { resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { RISCV_ROWS } from "#cpu/isa/riscv/riscv.ts";
import type { InstructionRow } from "#cpu/isa/riscv/row.ts";
import { FloatFormatIndex, FloatOp, type FloatOpName } from "#cpu/softfloat/dispatch.ts";
import { BareMachine, RAM_BASE } from "#cpu/testing/bare-machine.ts";
import { Assembler } from "#cpu/testing/assembler.ts";
import type { CaseBatch } from "./cases.ts";
import type { Answer, Implementation } from "./compare.ts";

/** How the instructions are run: what is in the rounding mode field, and which flags are set before. */
export type Manner = {
  readonly engine: "interp" | "wasm";
  readonly fused: boolean;
  readonly dynamic: boolean;
  /** A function of the case's index in its batch. */
  readonly flags: (index: number) => number;
};

const FLAGS_NX = 1;
const FLAGS = { clear: () => 0, inexact: () => FLAGS_NX, mixed: (index: number) => (index * 7) & 31 } as const;

/** Every way that the instructions are run in a comparison, by name. */
export const MANNERS: ReadonlyMap<string, Manner> = new Map(
  (["interp", "wasm"] as const).flatMap((engine) =>
    [true, false].flatMap((fused) =>
      (Object.keys(FLAGS) as (keyof typeof FLAGS)[]).map((flags): [string, Manner] => [
        `${engine}, ${fused ? "fused" : "not fused"}, flags ${flags}`,
        { engine, fused, flags: FLAGS[flags], dynamic: flags === "mixed" },
      ]),
    ),
  ),
);

export type Instructions = {
  /** Implementations of the manners that the engine can do, by name. */
  readonly implementations: ReadonlyMap<string, Implementation>;
  /** Regions that were translated so far. */
  readonly regions: () => number;
};

/** The manners whose names are picked. */
export function makeInstructions(pick: (name: string) => boolean = () => true): Instructions {
  setEngineFlags();
  const features = probeEngineFeatures();
  const machines = new Map<string, InstructionMachine>();
  const implementations = new Map<string, Implementation>();
  for (const [name, manner] of MANNERS) {
    if ((manner.fused && !features.fusedMultiplyAdd) || !pick(name)) continue;
    const key = `${manner.engine} ${manner.fused}`;
    const machine =
      machines.get(key) ??
      new InstructionMachine(manner.engine === "interp" ? 0 : 2, manner.fused ? features : NO_FEATURES);
    machines.set(key, machine);
    implementations.set(name, (batch) => machine.run(batch, manner));
  }
  const regions = (): number => [...machines.values()].reduce((sum, machine) => sum + machine.regions, 0);
  return { implementations, regions };
}

const DYNAMIC = 7;
const MODES = [0, 1, 2, 3, 4, DYNAMIC] as const;
const LETTERS: ReadonlyMap<number, string> = new Map([
  [FloatFormatIndex.f16, "h"],
  [FloatFormatIndex.f32, "s"],
  [FloatFormatIndex.f64, "d"],
]);
const WIDTHS: Readonly<Record<string, number>> = { h: 16, s: 32, d: 64 };
const INTEGERS = { i32: "w", u32: "wu", i64: "l", u64: "lu" } as const;
const TO_FORMAT = { to_f16: "h", to_f32: "s", to_f64: "d" } as const;

/** The instruction of an operation in the format with this letter. */
function instructionName(op: FloatOpName, letter: string): string {
  const integer = INTEGERS[op.slice(op.lastIndexOf("_") + 1) as keyof typeof INTEGERS];
  if (op.startsWith("cvt_")) return `fcvt.${integer}.${letter}`;
  if (op.startsWith("from_")) return `fcvt.${letter}.${integer}`;
  if (op in TO_FORMAT) return `fcvt.${TO_FORMAT[op as keyof typeof TO_FORMAT]}.${letter}`;
  if (op === "cvtmod_w") return "fcvtmod.w.d";
  return `${op.startsWith("f") ? op : `f${op}`}.${letter}`;
}

/** The loop of one instruction with one rounding mode field. */
type Loop = { readonly entry: number; readonly row: InstructionRow; readonly resultWidth: number };

const CODE = RAM_BASE + 0x1_0000;
const TABLE = RAM_BASE + 0x10_0000;
const RECORDS = RAM_BASE + 0x20_0000;
const RAM_BYTES = 32 * 2 ** 20;
const FCSR = 3;
const RECORD = { a: 0, b: 8, c: 16, before: 24, result: 32, after: 40, bytes: 48 } as const;

class InstructionMachine {
  readonly #machine: BareMachine;
  readonly #loops = new Map<string, Loop>();
  readonly #table: DataView;
  readonly #records: BigUint64Array;

  constructor(hotThreshold: number, features: EngineFeatures) {
    const extensions = resolveExtensions({ zfh: true });
    this.#machine = new BareMachine({ ramBytes: RAM_BYTES, extensions, hotThreshold, features });
    const code = new Uint8Array(TABLE - RAM_BASE);
    this.#emitDriver(new Assembler(code, RAM_BASE, RAM_BASE));
    const a = new Assembler(code, RAM_BASE, CODE);
    for (const op of Object.keys(FloatOp) as FloatOpName[]) {
      for (const [format, letter] of LETTERS) {
        const row = RISCV_ROWS.find(({ name }) => name === instructionName(op, letter));
        if (!row) continue;
        const resultWidth = WIDTHS[TO_FORMAT[op as keyof typeof TO_FORMAT] ?? letter] as number;
        for (const rm of MODES) {
          this.#loops.set(`${FloatOp[op]} ${format} ${rm}`, { entry: a.at, row, resultWidth });
          emitLoop(a, row, rm);
        }
      }
    }
    this.#machine.load(RAM_BASE, code);
    const table = this.#machine.bytes(TABLE, RECORDS - TABLE);
    this.#table = new DataView(table.buffer, table.byteOffset, table.length);
    const records = this.#machine.bytes(RECORDS, RAM_BYTES - (RECORDS - RAM_BASE));
    this.#records = new BigUint64Array(records.buffer, records.byteOffset, records.length / 8);
    this.#machine.reset(RAM_BASE);
  }

  get regions(): number {
    return this.#machine.vcpu.compiler?.statistics.regions ?? 0;
  }

  /** Runs through a table of (loop, first record, last record) until a loop is 0, waits, and begins anew. */
  #emitDriver(a: Assembler): void {
    const [T0, S0, A0, A1] = [5, 8, 10, 11];
    const start = a.at;
    a.address(S0, TABLE);
    const again = a.at;
    a.op("ld", { rd: T0, rs1: S0, imm: 0 });
    a.op("ld", { rd: A0, rs1: S0, imm: 8 });
    a.op("ld", { rd: A1, rs1: S0, imm: 16 });
    a.op("addi", { rd: S0, rs1: S0, imm: 24 });
    a.op("beq", { rs1: T0, rs2: 0, imm: 12 });
    a.op("jalr", { rd: 1, rs1: T0, imm: 0 });
    a.op("jal", { rd: 0, imm: again - a.at });
    a.op("wfi");
    a.op("jal", { rd: 0, imm: start - a.at });
  }

  /** Answers of a batch; undefined for what no instruction does. */
  run(batch: CaseBatch, { dynamic, flags }: Manner): (index: number) => Answer | undefined {
    const byLoop = new Map<Loop, number[]>();
    for (let i = 0; i < batch.count; i++) {
      const rm = dynamic ? DYNAMIC : batch.rounding(i);
      const loop = this.#loops.get(`${batch.op(i)} ${batch.format(i)} ${rm}`);
      if (!loop) continue;
      const indices = byLoop.get(loop);
      if (indices) indices.push(i);
      else byLoop.set(loop, [i]);
    }
    const records = this.#records;
    const places = new Int32Array(batch.count).fill(-1);
    let place = 0;
    let entry = 0;
    for (const [{ entry: loop }, indices] of byLoop) {
      this.#writeEntry(entry++, loop, place, place + indices.length);
      for (const i of indices) {
        const at = (place * RECORD.bytes) / 8;
        places[i] = place++;
        for (let which = 0; which < 3; which++) records[at + which] = batch.register(i, which);
        records[at + RECORD.before / 8] = BigInt((batch.rounding(i) << 5) | flags(i));
      }
    }
    this.#writeEntry(entry, 0, 0, 0);
    this.#machine.run();
    return (i) => {
      const at = ((places[i] as number) * RECORD.bytes) / 8;
      if (at < 0) return undefined;
      const loop = this.#loops.get(`${batch.op(i)} ${batch.format(i)} ${dynamic ? DYNAMIC : batch.rounding(i)}`);
      const { row, resultWidth } = loop as Loop;
      const result = records[at + RECORD.result / 8] as bigint;
      const fcsr = Number(records[at + RECORD.after / 8]);
      return {
        // A result that is not boxed, or another rounding mode than before, shows as a difference.
        bits: row.operands.startsWith("rd") ? result : unboxed(result, resultWidth),
        flags: fcsr >> 5 === batch.rounding(i) ? fcsr & 31 : fcsr,
        before: flags(i),
      };
    };
  }

  #writeEntry(index: number, loop: number, from: number, to: number): void {
    const at = index * 24;
    this.#table.setBigUint64(at, BigInt(loop), true);
    this.#table.setBigUint64(at + 8, BigInt(RECORDS + from * RECORD.bytes), true);
    this.#table.setBigUint64(at + 16, BigInt(RECORDS + to * RECORD.bytes), true);
  }
}

function unboxed(raw: bigint, width: number): bigint {
  const low = BigInt.asUintN(width, raw);
  return width === 64 || raw === (BigInt.asUintN(64, -1n << BigInt(width)) | low) ? low : raw;
}

/** for (; a0 != a1; a0 += record) { fa0 or a2 := instruction(fa1, fa2, fa3 or a3) } */
function emitLoop(a: Assembler, row: InstructionRow, rm: number): void {
  const [RA, A0, A1, A2, A3, T0] = [1, 10, 11, 12, 13, 5];
  const [FA0, FA1, FA2, FA3] = [10, 11, 12, 13];
  const start = a.at;
  a.op("fld", { rd: FA1, rs1: A0, imm: RECORD.a });
  a.op("fld", { rd: FA2, rs1: A0, imm: RECORD.b });
  a.op("fld", { rd: FA3, rs1: A0, imm: RECORD.c });
  a.op("ld", { rd: A3, rs1: A0, imm: RECORD.a });
  a.op("ld", { rd: T0, rs1: A0, imm: RECORD.before });
  a.op("csrrw", { rd: 0, rs1: T0, csr: FCSR });
  const toInteger = row.operands.startsWith("rd");
  const fromInteger = row.operands.endsWith("rs1");
  const operands = fromInteger ? { rs1: A3 } : { rs1: FA1, rs2: FA2, rs3: FA3 };
  a.op(row.name, { rd: toInteger ? A2 : FA0, ...operands, rm });
  a.op("csrrs", { rd: T0, rs1: 0, csr: FCSR });
  if (toInteger) a.op("sd", { rs2: A2, rs1: A0, imm: RECORD.result });
  else a.op("fsd", { rs2: FA0, rs1: A0, imm: RECORD.result });
  a.op("sd", { rs2: T0, rs1: A0, imm: RECORD.after });
  a.op("addi", { rd: A0, rs1: A0, imm: RECORD.bytes });
  a.op("bne", { rs1: A0, rs2: A1, imm: start - a.at });
  a.op("jalr", { rd: 0, rs1: RA, imm: 0 });
}
