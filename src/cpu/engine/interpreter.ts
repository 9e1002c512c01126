/**
 * Tier 0: one WebAssembly function that runs predecoded records, generated from the instruction rows.
 *
 *   loop { br_table record.handler; handler: meaning; ip += length }
 *
 * A row has a handler for each length it comes in: the way from one record to the next is then a constant, not a load.
 *
 * It returns the next pc; bit 0 set says that the dispatcher must look at the exit words first.
 * A taken backward branch, call or computed jump (returns excepted) and a step into the next page count in the record they
 * go to, as the dispatcher does; at the threshold they ask for a region there.
 */
import type { EngineFeatures } from "#cpu/engine/features.ts";
import { Locals, type FunctionIndex } from "#cpu/engine/emitter.ts";
import { GuestEmitter } from "#cpu/engine/guest-emitter.ts";
import { Builder } from "#cpu/ir/builder.ts";
import {
  type Expr,
  type Field,
  I32,
  I64,
  JumpHint,
  type Operand,
  type Stmt,
  StmtKind,
  type ValueType,
} from "#cpu/ir/ir.ts";
import { FIELD_OPERANDS, type Isa, type IsaRow } from "#cpu/isa/isa.ts";
import {
  CODE_PAGE,
  COUNT_MASK,
  ExitReason,
  FETCH_TLB,
  JUMP_TARGET,
  Record,
  RECORD_BYTES,
  VCPU,
} from "#cpu/vcpu/layout.ts";
import { Code } from "#cpu/wasm/code.ts";
import type { FunctionBody, FunctionType } from "#cpu/wasm/module.ts";

/** (cpu, ip, page, base) -> next pc; pc is always `base + (ip >>> 3)`. */
export const INTERPRETER_TYPE: FunctionType = { params: [I32, I32, I32, I64], results: [I64] };
const IP = 1;
const PAGE = 2;
const BASE = 3;
/** Bytes of records for a byte of code. */
const RECORDS_PER_BYTE = RECORD_BYTES / 2;

/** Handlers that belong to no instruction. */
export const HANDLER = { Undecoded: 0, PageEnd: 1, Crossing: 2, first: 3 } as const;

/** How a row's record reaches its target; chosen by the predecoder. */
export const Variant = {
  /** Stays in the page, forward, not counted. For rows without a target, the only one. */
  Forward: 0,
  /** Stays in the page, counted. */
  Counted: 1,
  /** Leaves the page. */
  Far: 2,
} as const;

/** By row: first handler, number of variants (1, or 3 for a row with a target), whether it ends a basic block. */
export type HandlerTable = {
  readonly base: readonly number[];
  /** What is added for a 2-byte instruction. */
  readonly compressed: readonly number[];
  readonly variants: readonly number[];
  readonly ends: readonly boolean[];
};

/** Record of an instruction that crosses into the next page; see `code-pages.ts`. */
export const CROSSING_RECORD = 2050;
/** Halfwords that pc runs ahead of `base` in that record. */
export const CROSSING_BIAS = (CROSSING_RECORD - 2047) * 2;

export type Interpreter = { readonly body: FunctionBody; readonly handlers: HandlerTable };

/** Generates the interpreter. `hotThreshold` 0 never asks for a region. */
export function generateInterpreter(
  isa: Isa,
  functionIndex: FunctionIndex,
  hotThreshold: number,
  features: EngineFeatures,
): Interpreter {
  const base: number[] = [];
  const compressed: number[] = [];
  const variants: number[] = [];
  const ends: boolean[] = [];
  const plan: { row: IsaRow; variant: number; lengthBytes: number }[] = [];
  for (const row of isa.rows) {
    const b = new Builder();
    row.meaning(b, FIELD_OPERANDS);
    const targeted = b.statements.some((s) => s.kind === StmtKind.Branch || s.kind === StmtKind.Jump);
    const count = targeted ? 3 : 1;
    base.push(HANDLER.first + plan.length);
    compressed.push(row.lengths.length > 1 ? count : 0);
    variants.push(count);
    ends.push(endsBlock(b.statements));
    for (const lengthBytes of row.lengths)
      for (let variant = 0; variant < count; variant++) plan.push({ row, variant, lengthBytes });
  }

  const emitter = new InterpreterEmitter(functionIndex, hotThreshold, features);
  emitter.generate(HANDLER.first + plan.length, (handler) => {
    const { row, variant, lengthBytes } = plan[handler - HANDLER.first] as (typeof plan)[number];
    const b = new Builder();
    row.meaning(b, FIELD_OPERANDS);
    emitter.instruction(b, variant, lengthBytes);
  });
  return {
    handlers: { base, compressed, variants, ends },
    body: {
      name: "interpret",
      type: INTERPRETER_TYPE,
      locals: emitter.locals.types,
      code: emitter.code.finish(),
      hints: emitter.hints,
    },
  };
}

const ENDS: readonly number[] = [StmtKind.Branch, StmtKind.Jump, StmtKind.JumpReg, StmtKind.Enter];
/** True when the instruction does not simply go on with the next one. */
export function endsBlock(statements: readonly Stmt[]): boolean {
  return ENDS.includes(statements.at(-1)?.kind ?? -1);
}

class InterpreterEmitter extends GuestEmitter {
  protected readonly tlbLocal: number;
  readonly #npc: number;
  readonly #count: number;
  readonly #counted: number;
  readonly #entry: number;
  readonly #threshold: number;
  #variant = 0;
  #lengthBytes = 0;
  /** Depths of the labels. */
  #outer = 0;
  #far = 0;
  #next = 0;

  constructor(functionIndex: FunctionIndex, threshold: number, features: EngineFeatures) {
    super(new Code(1 << 16), new Locals(INTERPRETER_TYPE.params.length), functionIndex, features);
    this.tlbLocal = this.locals.allocate(I32);
    this.#npc = this.locals.allocate(I64);
    this.#count = this.locals.allocate(I32);
    this.#counted = this.locals.allocate(I32);
    this.#entry = this.locals.allocate(I32);
    this.#threshold = threshold;
  }

  generate(handlers: number, emitHandler: (handler: number) => void): void {
    const { code } = this;
    code.localGet(0);
    code.memory(0x28, 2, VCPU.tlbData);
    code.localSet(this.tlbLocal);
    code.loop();
    this.#outer = ++this.depth;
    this.openBlock();
    this.#far = this.depth;
    code.loop();
    this.#next = ++this.depth;
    for (let i = 0; i < handlers; i++) this.openBlock();
    code.localGet(IP);
    code.memory(0x2f, 1, Record.handler);
    code.brTable(
      Array.from({ length: handlers - 1 }, (_, i) => i),
      handlers - 1,
    );
    for (let handler = 0; handler < handlers; handler++) {
      this.close();
      this.begin([]);
      if (handler === HANDLER.Undecoded) this.#exit(ExitReason.Decode);
      else if (handler === HANDLER.PageEnd) this.#pageEnd();
      else if (handler === HANDLER.Crossing) this.#crossing();
      else emitHandler(handler);
    }
    this.close(); // loop next: never falls out
    this.close(); // block far
    this.#farLookup();
    this.close(); // loop outer
    code.byte(0x00);
    code.end();
  }

  instruction(b: Builder, variant: number, lengthBytes: number): void {
    this.#variant = variant;
    this.#lengthBytes = lengthBytes;
    this.begin(b.temps);
    this.statements(b.statements);
    if (!endsBlock(b.statements)) this.#advance();
  }

  #br(label: number): void {
    this.code.br(this.depth - label);
  }
  #recordField(offset: number): void {
    this.code.localGet(IP);
    this.code.memory(0x2f, 1, offset);
  }

  protected stackPage(_address: Expr): undefined {}
  protected lastPage(_address: Expr): undefined {}

  /** ip += length; next record. */
  #advance(): void {
    const { code } = this;
    code.localGet(IP);
    code.i32Const(this.#lengthBytes * RECORDS_PER_BYTE);
    code.op(0x6a);
    code.localSet(IP);
    this.#br(this.#next);
  }

  protected getReg(reg: Operand): void {
    this.#registerAddress(reg);
    this.code.memory(0x29, 3, 0);
  }
  protected setReg(reg: Operand, value: Expr): void {
    this.#registerAddress(reg);
    this.expr(value);
    this.code.memory(0x37, 3, 0);
  }
  protected getFReg(reg: Operand): void {
    this.#registerAddress(reg);
    this.code.memory(0x2b, 3, 0);
  }
  protected setFReg(reg: Operand, value: Expr): void {
    this.#registerAddress(reg);
    this.expr(value);
    this.code.memory(0x39, 3, 0);
  }
  #registerAddress(reg: Operand): void {
    this.code.localGet(0);
    this.#recordField(Record[(reg as Field).field as "rd"]);
    this.code.op(0x6a);
  }

  protected immediate(operand: Operand, type: ValueType): void {
    const { code } = this;
    const name = (operand as Field).field;
    code.localGet(IP);
    if (name === "imm") code.memory(type === I64 ? 0x34 : 0x28, 2, Record.imm);
    else if (name === "rm") code.memory(0x2d, 0, Record.rm);
    else code.memory(type === I64 ? 0x33 : 0x2f, 1, Record[name]);
  }

  protected pc(): void {
    const { code } = this;
    code.localGet(BASE);
    code.localGet(IP);
    code.i32Const(3);
    code.op(0x76);
    code.op(0xad);
    code.op(0x7c);
  }
  protected nextPc(): void {
    const { code } = this;
    this.pc();
    code.i64Const(this.#lengthBytes);
    code.op(0x7c);
  }

  protected control(s: Stmt): void {
    const { code } = this;
    switch (s.kind) {
      case StmtKind.Branch:
        this.#branch(s.a as Expr);
        break;
      case StmtKind.Jump:
        if (this.#variant === Variant.Far) {
          this.#farTarget();
          this.#jumpFar(true);
        } else this.#jumpNear(this.#variant === Variant.Counted);
        break;
      case StmtKind.JumpReg:
        this.expr(s.a as Expr);
        code.localSet(this.#npc);
        this.#jumpFar(s.op !== JumpHint.Return, s.op === JumpHint.None ? JUMP_TARGET : 0);
        break;
      case StmtKind.Enter:
        code.localGet(0);
        this.pc();
        this.nextPc();
        for (const argument of s.args) this.expr(argument);
        code.call(this.functionIndex(s.name));
        if (s.op === 1) this.#resume();
        else code.return();
        break;
      default:
        throw new Error(`unknown IR statement kind ${s.kind}`);
    }
  }

  /** The next pc is on the stack: goes on when it is the following instruction's. The access mode may have changed. */
  #resume(): void {
    const { code } = this;
    code.localTee(this.#npc);
    this.nextPc();
    code.op(0x52);
    this.openHintedIf(0);
    code.localGet(this.#npc);
    code.return();
    this.close();
    code.localGet(0);
    code.memory(0x28, 2, VCPU.tlbData);
    code.localSet(this.tlbLocal);
    this.#advance();
  }

  #branch(condition: Expr): void {
    if (this.#variant === Variant.Forward) {
      this.expr(condition);
      this.openIf();
      this.#jumpNear(false);
      this.close();
      this.#advance();
      return;
    }
    this.expr(condition);
    this.openIf();
    if (this.#variant === Variant.Far) {
      this.#farTarget();
      this.#jumpFar(true);
    } else this.#jumpNear(true);
    this.close();
    this.#advance();
  }

  /** npc := pc + imm */
  #farTarget(): void {
    this.pc();
    this.immediate({ field: "imm" }, I64);
    this.code.op(0x7c);
    this.code.localSet(this.#npc);
  }

  /** Counts an entry at ip, and leaves with a request for a region there when the count reaches the threshold. */
  #countEntry(mark?: () => void): void {
    if (this.#threshold === 0) return;
    const { code } = this;
    code.localGet(IP);
    this.#recordField(Record.count);
    code.i32Const(1);
    code.op(0x6a);
    if (mark) {
      mark();
      code.op(0x72);
    }
    code.localTee(this.#count);
    code.memory(0x3b, 1, Record.count);
    code.localGet(this.#count);
    code.i32Const(COUNT_MASK);
    code.op(0x71);
    code.i32Const(this.#threshold);
    code.op(0x46);
    this.openHintedIf(0);
    this.#exit(ExitReason.Hot);
    this.close();
  }

  /** Goes to npc, which may lie in another page; the record there counts it when `counted`, and takes the mark. */
  #jumpFar(counted: boolean, mark = 0): void {
    if (this.#threshold !== 0) {
      this.code.i32Const(counted ? 1 | mark : 0);
      this.code.localSet(this.#counted);
    }
    this.#br(this.#far);
  }

  /** ip += imm, within the page. */
  #jumpNear(checked: boolean): void {
    const { code } = this;
    code.localGet(IP);
    code.localGet(IP);
    code.memory(0x28, 2, Record.imm);
    code.op(0x6a);
    code.localSet(IP);
    if (checked) {
      // A region starts there, or somebody wants attention: the dispatcher goes on.
      code.localGet(PAGE);
      code.localGet(IP);
      code.localGet(PAGE);
      code.op(0x6b);
      code.i32Const(3);
      code.op(0x76);
      code.op(0x6a);
      code.memory(0x2f, 1, CODE_PAGE.slots);
      code.localGet(0);
      code.memory(0x28, 2, VCPU.request);
      code.op(0x72);
      this.openHintedIf(0);
      this.pc();
      code.return();
      this.close();
      this.#countEntry();
    }
    this.#br(this.#next);
  }

  #fetchTag(): void {
    this.fetchTag(() => this.code.localGet(this.#npc), this.#entry);
  }

  /** Finds the code page of npc in the fetch TLB and goes on there, or leaves to the dispatcher. */
  #farLookup(): void {
    const { code } = this;
    this.#fetchTag();
    code.localGet(this.#npc);
    code.i64Const(-4096);
    code.op(0x83);
    code.op(0x52);
    this.openHintedIf(0);
    code.localGet(this.#npc);
    code.return();
    this.close();
    code.localGet(this.#entry);
    code.memory(0x28, 2, FETCH_TLB.page);
    code.localTee(PAGE);
    code.localGet(this.#npc);
    code.op(0xa7);
    code.i32Const(0xffe);
    code.op(0x71);
    code.localTee(IP);
    code.op(0x6a);
    code.memory(0x2f, 1, CODE_PAGE.slots);
    code.localGet(0);
    code.memory(0x28, 2, VCPU.request);
    code.op(0x72);
    this.openHintedIf(0);
    code.localGet(this.#npc);
    code.return();
    this.close();
    code.localGet(PAGE);
    code.localGet(IP);
    code.i32Const(3);
    code.op(0x74);
    code.op(0x6a);
    code.localSet(IP);
    code.localGet(this.#npc);
    code.i64Const(-4096);
    code.op(0x83);
    code.localGet(PAGE);
    code.i32Const(3);
    code.op(0x76);
    code.op(0xad);
    code.op(0x7d);
    code.localSet(BASE);
    if (this.#threshold !== 0) {
      code.localGet(this.#counted);
      this.openIf();
      this.#countEntry(() => {
        code.localGet(this.#counted);
        code.i32Const(JUMP_TARGET);
        code.op(0x71);
      });
      this.close();
    }
    this.#br(this.#outer);
  }

  #pageEnd(): void {
    this.pc();
    this.code.localSet(this.#npc);
    // Long straight code comes to a page in no other way.
    this.#jumpFar(true);
  }

  /**
   * The first half of an instruction that ends in the next page. Its decoded form is in an extra record; it is good
   * when the next page is mapped to the code page it was decoded from, unchanged since (page and version in this record).
   */
  #crossing(): void {
    const { code } = this;
    this.pc();
    code.i64Const(2);
    code.op(0x7c);
    code.localSet(this.#npc);
    this.#fetchTag();
    code.localGet(this.#npc);
    code.op(0x51);
    this.openIf();
    code.localGet(this.#entry);
    code.memory(0x28, 2, FETCH_TLB.page);
    code.localGet(IP);
    code.memory(0x28, 2, Record.imm);
    code.op(0x46);
    this.openIf();
    code.localGet(this.#entry);
    code.memory(0x28, 2, FETCH_TLB.page);
    code.memory(0x2f, 1, CODE_PAGE.version);
    this.#recordField(Record.rd);
    code.op(0x46);
    this.openIf();
    code.localGet(PAGE);
    code.i32Const(CROSSING_RECORD * RECORD_BYTES);
    code.op(0x6a);
    code.localSet(IP);
    code.localGet(BASE);
    code.i64Const(-CROSSING_BIAS);
    code.op(0x7c);
    code.localSet(BASE);
    this.#br(this.#next);
    this.close();
    this.close();
    this.close();
    this.#exit(ExitReason.Decode);
  }

  /** Leaves to TypeScript at the current pc. */
  #exit(reason: number): void {
    this.#leave(reason, () => this.pc());
  }
  #leave(reason: number, target: () => void): void {
    const { code } = this;
    code.localGet(0);
    code.i32Const(reason);
    code.memory(0x36, 2, VCPU.exitReason);
    target();
    code.i64Const(1);
    code.op(0x84);
    code.return();
  }

  protected leaveForTrap(): void {
    const { code } = this;
    code.localGet(0);
    this.pc();
    code.memory(0x37, 3, VCPU.pc);
    this.pc();
    code.i64Const(1);
    code.op(0x84);
    code.return();
  }
}
