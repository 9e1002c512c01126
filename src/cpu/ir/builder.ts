/**
 * Builds IR. Instruction rows, CSR rows and runtime routines call these methods and nothing else.
 * Arithmetic picks its width from its operands' types.
 */
import { ATOMIC_LOAD, BINARY, COMPARE, CONVERT, RMW, UNARY } from "#cpu/ir/ops.ts";
import {
  type Expr,
  ExprKind,
  F32,
  F64,
  I32,
  I64,
  Likely,
  type Operand,
  type Stmt,
  StmtKind,
  type ValueType,
} from "#cpu/ir/ir.ts";

import { VCPU } from "#cpu/vcpu/layout.ts";

type Opcodes = readonly [number, number, number, number];
const COLUMN: Record<number, 0 | 1 | 2 | 3> = { [I32]: 0, [I64]: 1, [F32]: 2, [F64]: 3 };
const TYPE_BY_NAME = { i32: I32, i64: I64, f32: F32, f64: F64 } as const;
const NO_EXPRS: readonly Expr[] = [];
const NO_STMTS: readonly Stmt[] = [];

function expr(kind: number, type: ValueType, op = 0, a?: Expr, b?: Expr, c?: Expr): Expr {
  return { kind, type, op, a, b, c, value: 0, operand: 0, name: "", args: NO_EXPRS };
}
function stmt(kind: number, parts: Partial<Stmt>): Stmt {
  return {
    kind,
    op: 0,
    a: undefined,
    b: undefined,
    value: 0,
    operand: 0,
    name: "",
    args: NO_EXPRS,
    then: NO_STMTS,
    else: NO_STMTS,
    cases: [],
    ...parts,
  };
}

/** Widths of memory accesses in bytes. */
export type Width = 1 | 2 | 4 | 8;
/** A label of {@link Builder.loop}. */
export type Label = number;

export class Builder {
  /** The statements built so far at the current nesting. */
  statements: Stmt[] = [];
  /** Types of the temps, by index. */
  readonly temps: ValueType[] = [];
  #labels = 0;

  // Leaves

  i32(value: number): Expr {
    return { ...expr(ExprKind.Const, I32), value: value | 0 };
  }
  i64(value: number | bigint): Expr {
    return { ...expr(ExprKind.Const, I64), value };
  }
  f32(value: number): Expr {
    return { ...expr(ExprKind.Const, F32), value };
  }
  f64(value: number): Expr {
    return { ...expr(ExprKind.Const, F64), value };
  }
  /** Integer register; x0 reads 0. */
  getReg(reg: Operand): Expr {
    if (reg === 0) return this.i64(0);
    return { ...expr(ExprKind.Reg, I64), operand: reg };
  }
  /** The 64 raw bits of a floating-point register, as f64. */
  getFReg(reg: Operand): Expr {
    return { ...expr(ExprKind.FReg, F64), operand: reg };
  }
  /** A signed operand as i64. */
  imm(operand: Operand): Expr {
    if (typeof operand === "number") return this.i64(operand);
    return { ...expr(ExprKind.Imm, I64), operand };
  }
  /** The same as i32. */
  imm32(operand: Operand): Expr {
    if (typeof operand === "number") return this.i32(operand);
    return { ...expr(ExprKind.Imm, I32), operand };
  }
  /** Offset of an integer register in the vCPU block, i32; of the sink for x0. */
  regOffset(reg: Operand): Expr {
    if (typeof reg === "number") return this.i32(reg === 0 ? VCPU.xSink : VCPU.x + 8 * reg);
    return { ...expr(ExprKind.Imm, I32), operand: reg };
  }
  /** Address of this instruction. */
  pc(): Expr {
    return expr(ExprKind.Pc, I64);
  }
  /** Address of the next one. */
  nextPc(): Expr {
    return expr(ExprKind.NextPc, I64);
  }
  /** Address of the vCPU block, i32. */
  cpu(): Expr {
    return expr(ExprKind.Cpu, I32);
  }

  /** Parameter `index` of a routine; 0 is the vCPU block. */
  param(index: number, type: ValueType): Expr {
    return expr(ExprKind.Param, type, index);
  }

  // Arithmetic

  #binary(ops: Opcodes, a: Expr, b: Expr, result: ValueType): Expr {
    return expr(ExprKind.Binary, result, ops[COLUMN[a.type] as 0], a, b);
  }
  #same(ops: Opcodes, a: Expr, b: Expr): Expr {
    return this.#binary(ops, a, b, a.type);
  }
  #test(ops: Opcodes, a: Expr, b: Expr): Expr {
    return this.#binary(ops, a, b, I32);
  }
  #unary(ops: Opcodes, a: Expr): Expr {
    return expr(ExprKind.Unary, a.type, ops[COLUMN[a.type] as 0], a);
  }

  add(a: Expr, b: Expr): Expr {
    if (isZero(b)) return a;
    if (isZero(a)) return b;
    return this.#same(BINARY.add, a, b);
  }
  sub(a: Expr, b: Expr): Expr {
    return isZero(b) ? a : this.#same(BINARY.sub, a, b);
  }
  mul(a: Expr, b: Expr): Expr {
    return this.#same(BINARY.mul, a, b);
  }
  div(a: Expr, b: Expr): Expr {
    return this.#same(BINARY.div, a, b);
  }
  divS(a: Expr, b: Expr): Expr {
    return this.#same(BINARY.divS, a, b);
  }
  divU(a: Expr, b: Expr): Expr {
    return this.#same(BINARY.divU, a, b);
  }
  remS(a: Expr, b: Expr): Expr {
    return this.#same(BINARY.remS, a, b);
  }
  remU(a: Expr, b: Expr): Expr {
    return this.#same(BINARY.remU, a, b);
  }
  and(a: Expr, b: Expr): Expr {
    return this.#same(BINARY.and, a, b);
  }
  or(a: Expr, b: Expr): Expr {
    if (isZero(b)) return a;
    if (isZero(a)) return b;
    return this.#same(BINARY.or, a, b);
  }
  xor(a: Expr, b: Expr): Expr {
    return isZero(b) ? a : this.#same(BINARY.xor, a, b);
  }
  /** Shift counts are taken modulo the width, as WebAssembly and RISC-V do. */
  shl(a: Expr, b: Expr): Expr {
    return isZero(b) ? a : this.#same(BINARY.shl, a, b);
  }
  shrS(a: Expr, b: Expr): Expr {
    return isZero(b) ? a : this.#same(BINARY.shrS, a, b);
  }
  shrU(a: Expr, b: Expr): Expr {
    return isZero(b) ? a : this.#same(BINARY.shrU, a, b);
  }
  rotl(a: Expr, b: Expr): Expr {
    return this.#same(BINARY.rotl, a, b);
  }
  rotr(a: Expr, b: Expr): Expr {
    return this.#same(BINARY.rotr, a, b);
  }
  /** WebAssembly's float minimum; not RISC-V's. */
  min(a: Expr, b: Expr): Expr {
    return this.#same(BINARY.min, a, b);
  }
  max(a: Expr, b: Expr): Expr {
    return this.#same(BINARY.max, a, b);
  }
  /** a * b + c, or -(a * b) + c, rounded once; NaN may also stand for a result that could not be computed. */
  fusedMultiplyAdd(a: Expr, b: Expr, c: Expr, negated = false): Expr {
    return expr(ExprKind.FusedMultiplyAdd, a.type, negated ? 1 : 0, a, b, c);
  }
  copysign(a: Expr, b: Expr): Expr {
    return this.#same(BINARY.copysign, a, b);
  }

  eq(a: Expr, b: Expr): Expr {
    return isZero(b) && a.type !== F32 && a.type !== F64 ? this.eqz(a) : this.#test(COMPARE.eq, a, b);
  }
  ne(a: Expr, b: Expr): Expr {
    return this.#test(COMPARE.ne, a, b);
  }
  ltS(a: Expr, b: Expr): Expr {
    return this.#test(COMPARE.ltS, a, b);
  }
  ltU(a: Expr, b: Expr): Expr {
    return this.#test(COMPARE.ltU, a, b);
  }
  gtS(a: Expr, b: Expr): Expr {
    return this.#test(COMPARE.gtS, a, b);
  }
  gtU(a: Expr, b: Expr): Expr {
    return this.#test(COMPARE.gtU, a, b);
  }
  leU(a: Expr, b: Expr): Expr {
    return this.#test(COMPARE.leU, a, b);
  }
  geS(a: Expr, b: Expr): Expr {
    return this.#test(COMPARE.geS, a, b);
  }
  geU(a: Expr, b: Expr): Expr {
    return this.#test(COMPARE.geU, a, b);
  }
  lt(a: Expr, b: Expr): Expr {
    return this.#test(COMPARE.lt, a, b);
  }
  le(a: Expr, b: Expr): Expr {
    return this.#test(COMPARE.le, a, b);
  }
  ge(a: Expr, b: Expr): Expr {
    return this.#test(COMPARE.ge, a, b);
  }
  eqz(a: Expr): Expr {
    return expr(ExprKind.Unary, I32, a.type === I64 ? 0x50 : 0x45, a);
  }

  clz(a: Expr): Expr {
    return this.#unary(UNARY.clz, a);
  }
  ctz(a: Expr): Expr {
    return this.#unary(UNARY.ctz, a);
  }
  popcnt(a: Expr): Expr {
    return this.#unary(UNARY.popcnt, a);
  }
  ext8S(a: Expr): Expr {
    return this.#unary(UNARY.ext8S, a);
  }
  ext16S(a: Expr): Expr {
    return this.#unary(UNARY.ext16S, a);
  }
  ext32S(a: Expr): Expr {
    return this.#unary(UNARY.ext32S, a);
  }
  abs(a: Expr): Expr {
    return this.#unary(UNARY.abs, a);
  }
  neg(a: Expr): Expr {
    return this.#unary(UNARY.neg, a);
  }
  sqrt(a: Expr): Expr {
    return this.#unary(UNARY.sqrt, a);
  }
  nearest(a: Expr): Expr {
    return this.#unary(UNARY.nearest, a);
  }
  trunc(a: Expr): Expr {
    return this.#unary(UNARY.trunc, a);
  }
  floor(a: Expr): Expr {
    return this.#unary(UNARY.floor, a);
  }
  ceil(a: Expr): Expr {
    return this.#unary(UNARY.ceil, a);
  }

  /** A conversion by its row's name. */
  convert(name: keyof typeof CONVERT, a: Expr): Expr {
    const [opcode, , result] = CONVERT[name];
    return expr(ExprKind.Unary, TYPE_BY_NAME[result], opcode, a);
  }
  /** Low 32 bits of an i64. */
  wrap(a: Expr): Expr {
    return this.convert("wrap", a);
  }
  extS(a: Expr): Expr {
    return this.convert("extS", a);
  }
  extU(a: Expr): Expr {
    return this.convert("extU", a);
  }

  /** `condition` (i32) is not 0 ? `a` : `b`; both are evaluated. */
  select(condition: Expr, a: Expr, b: Expr): Expr {
    return expr(ExprKind.Select, a.type, 0x1b, a, b, condition);
  }

  // Temps

  /** Evaluates `value` now; the result may be used any number of times. */
  let(value: Expr): Expr {
    if (value.kind === ExprKind.Const || value.kind === ExprKind.Temp || value.kind === ExprKind.Param) return value;
    const index = this.temps.push(value.type) - 1;
    this.statements.push(stmt(StmtKind.Let, { op: index, a: value }));
    return expr(ExprKind.Temp, value.type, index);
  }
  /** A temp that is assigned by {@link assign}. */
  variable(initial: Expr): Expr {
    const index = this.temps.push(initial.type) - 1;
    this.statements.push(stmt(StmtKind.Let, { op: index, a: initial }));
    return expr(ExprKind.Temp, initial.type, index);
  }
  assign(variable: Expr, value: Expr): void {
    this.statements.push(stmt(StmtKind.Let, { op: variable.op, a: value }));
  }

  // Guest registers and guest memory

  setReg(reg: Operand, value: Expr): void {
    this.statements.push(stmt(StmtKind.SetReg, { operand: reg, a: value }));
  }
  setFReg(reg: Operand, value: Expr): void {
    this.statements.push(stmt(StmtKind.SetFReg, { operand: reg, a: value }));
  }
  /** Loads from guest virtual memory; i64, sign- or zero-extended. Faults leave the instruction. */
  guestLoad(address: Expr, width: Width, signed: boolean): Expr {
    return { ...expr(ExprKind.GuestLoad, I64, signed ? 1 : 0, address), value: width };
  }
  guestLoadF64(address: Expr): Expr {
    return { ...expr(ExprKind.GuestLoad, F64, 0, address), value: 8 };
  }
  /** Stores the low `width` bytes of `value` (i64, or f64 with width 8). */
  guestStore(address: Expr, width: Width, value: Expr): void {
    this.statements.push(stmt(StmtKind.GuestStore, { a: address, b: value, op: width }));
  }

  // The emulator's own memory: i32 addresses

  load(type: ValueType, address: Expr, offset: number, width: Width = type === I32 || type === F32 ? 4 : 8): Expr {
    return { ...expr(ExprKind.Load, type, width, address), value: offset };
  }
  store(
    address: Expr,
    offset: number,
    value: Expr,
    width: Width = value.type === I32 || value.type === F32 ? 4 : 8,
  ): void {
    this.statements.push(stmt(StmtKind.Store, { a: address, b: value, op: width, value: offset }));
  }
  /** A word of the vCPU block. */
  get(type: typeof I32 | typeof I64 | typeof F64, offset: number): Expr {
    return this.load(type, this.cpu(), offset);
  }
  set(offset: number, value: Expr): void {
    this.store(this.cpu(), offset, value);
  }
  /** Atomic read-modify-write at a host address; returns the old value (zero-extended for 32 bits). */
  rmw(name: keyof typeof RMW, width: 4 | 8, address: Expr, value: Expr, expected?: Expr): Expr {
    const type = width === 8 ? I64 : I32;
    const opcode = RMW[name][width === 8 ? 1 : 0];
    return {
      ...expr(ExprKind.Atomic, type, opcode, address, expected ?? value, expected ? value : undefined),
      value: width,
    };
  }
  /** Sequentially consistent; zero-extended. */
  atomicLoad(width: 1 | 4 | 8, address: Expr, offset = 0): Expr {
    return {
      ...expr(ExprKind.Atomic, width === 8 ? I64 : I32, ATOMIC_LOAD[width], address),
      value: width,
      operand: offset,
    };
  }

  /** Orders all memory accesses before with all after (threads proposal, `atomic.fence`). */
  fence(): void {
    this.statements.push(stmt(StmtKind.Fence, {}));
  }

  // Control

  if(condition: Expr, then: () => void, otherwise?: () => void): void {
    const thenStatements = this.#nested(then);
    const elseStatements = otherwise ? this.#nested(otherwise) : NO_STMTS;
    this.statements.push(stmt(StmtKind.If, { a: condition, then: thenStatements, else: elseStatements }));
  }
  /** An `if` that is rarely taken; kept out of the way of the other path. */
  unlikely(condition: Expr, then: () => void): void {
    this.statements.push(stmt(StmtKind.If, { op: Likely.Never, a: condition, then: this.#nested(then) }));
  }
  /** Runs `body` until a `break` of its label; falling off its end leaves the loop too. */
  loop(body: (label: Label) => void): void {
    const label = ++this.#labels;
    const statements = this.#nested(() => body(label));
    this.statements.push(stmt(StmtKind.Loop, { op: label, then: statements }));
  }
  /** Runs `cases[value]` (value i32), or `otherwise`. */
  switch(value: Expr, cases: readonly (() => void)[], otherwise: () => void = () => {}): void {
    const bodies = cases.map((body) => this.#nested(body));
    this.statements.push(stmt(StmtKind.Switch, { a: value, cases: bodies, else: this.#nested(otherwise) }));
  }
  break(label: Label): void {
    this.statements.push(stmt(StmtKind.Break, { op: label }));
  }
  continue(label: Label): void {
    this.statements.push(stmt(StmtKind.Continue, { op: label }));
  }
  return(value?: Expr): void {
    this.statements.push(stmt(StmtKind.Return, { a: value }));
  }
  /** Calls a routine or import by name. */
  call(name: string, type: ValueType, args: readonly Expr[]): Expr {
    return { ...expr(ExprKind.Call, type), name, args };
  }
  /** Calls the region in a slot of the table; the dispatcher alone does. */
  callIndirect(slot: Expr, type: ValueType, args: readonly Expr[]): Expr {
    return { ...expr(ExprKind.CallIndirect, type, 0, slot), args };
  }
  /** Evaluates for the effect alone; a call without a result is `effect(name, args)`. */
  effect(name: string, args: readonly Expr[]): void {
    this.statements.push(stmt(StmtKind.Effect, { name, args }));
  }
  drop(value: Expr): void {
    this.statements.push(stmt(StmtKind.Effect, { a: value }));
  }

  // What ends an instruction

  /** Branches to pc + `offset` when `condition` (i32) holds. */
  branch(condition: Expr, offset: Operand): void {
    this.statements.push(stmt(StmtKind.Branch, { a: condition, operand: offset }));
  }
  /** Jumps to pc + `offset`; `hint` is a `JumpHint`. */
  jump(offset: Operand, hint: number): void {
    this.statements.push(stmt(StmtKind.Jump, { operand: offset, op: hint }));
  }
  jumpReg(target: Expr, hint: number): void {
    this.statements.push(stmt(StmtKind.JumpReg, { a: target, op: hint }));
  }
  /** Calls routine `name(cpu, pc, nextPc, ...args)`, which returns the next pc, and goes there through the dispatcher. */
  enter(name: string, args: readonly Expr[] = NO_EXPRS): void {
    this.statements.push(stmt(StmtKind.Enter, { name, args }));
  }
  /**
   * The same for a routine that mostly returns `nextPc`: the engine then goes on with the next instruction.
   * The routine has written register `written` in the vCPU block.
   */
  enterAndResume(name: string, args: readonly Expr[], written: Operand): void {
    this.statements.push(stmt(StmtKind.Enter, { name, args, op: 1, operand: written }));
  }
  /** Floating point must be on; the instruction is illegal otherwise. */
  requireFloat(): void {
    this.statements.push(stmt(StmtKind.RequireFloat, {}));
  }
  /** Leaves when a routine called before has recorded a trap. */
  checkTrap(): void {
    this.statements.push(stmt(StmtKind.CheckTrap, {}));
  }

  #nested(body: () => void): readonly Stmt[] {
    const outer = this.statements;
    this.statements = [];
    body();
    const inner = this.statements;
    this.statements = outer;
    return inner;
  }
}

function isZero(value: Expr): boolean {
  return value.kind === ExprKind.Const && value.type !== F32 && value.type !== F64 && Number(value.value) === 0;
}
