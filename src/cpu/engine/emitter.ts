/**
 * Turns IR into WebAssembly code. What differs between the engines (where guest registers live, how an
 * instruction ends) is left to subclasses: routines, the interpreter, the region translator.
 */
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
import { CONVERT, UNARY } from "#cpu/ir/ops.ts";
import type { EngineFeatures } from "#cpu/engine/features.ts";
import { emitBoxF32, emitFusedMultiplyAdd, emitLowF32 } from "#cpu/engine/vector.ts";
import type { Code } from "#cpu/wasm/code.ts";
import { VOID } from "#cpu/wasm/code.ts";

/** Locals of one function: parameters first, then whatever is allocated. */
export class Locals {
  readonly types: ValueType[] = [];
  readonly #parameters: number;

  constructor(parameters: number) {
    this.#parameters = parameters;
  }
  allocate(type: ValueType): number {
    return this.#parameters + this.types.push(type) - 1;
  }
}

type Pool = { readonly locals: number[]; used: number };

/** Finds the index of an imported or sibling function. */
export type FunctionIndex = (name: string) => number;

export abstract class Emitter {
  readonly code: Code;
  readonly locals: Locals;
  /** Number of blocks, loops and ifs open at this place. */
  depth = 0;
  readonly hints: { at: number; likely: 0 | 1 }[] = [];
  readonly #functionIndex: FunctionIndex;
  readonly #features: EngineFeatures;
  #temps: number[] = [];
  #tempTypes: readonly ValueType[] = [];
  /** Locals by type, from {@link F64} up. */
  readonly #pools: readonly Pool[] = Array.from({ length: I32 - F64 + 1 }, () => ({ locals: [], used: 0 }));
  readonly #labels = new Map<number, number>();

  constructor(code: Code, locals: Locals, functionIndex: FunctionIndex, features: EngineFeatures) {
    this.#features = features;
    this.code = code;
    this.locals = locals;
    this.#functionIndex = functionIndex;
  }

  protected abstract getReg(reg: Operand): void;
  protected abstract setReg(reg: Operand, value: Expr): void;
  protected abstract getFReg(reg: Operand): void;
  protected abstract setFReg(reg: Operand, value: Expr): void;
  protected abstract immediate(operand: Operand, type: ValueType): void;
  protected abstract pc(): void;
  protected abstract nextPc(): void;
  protected abstract guestLoad(load: Expr): void;
  protected abstract guestStore(store: Stmt): void;
  /** Branch, Jump, JumpReg and Enter. */
  protected abstract control(statement: Stmt): void;
  /** Emitted where a routine has recorded a trap: leaves the function. */
  protected abstract leaveForTrap(): void;

  /** Starts a new instruction or routine whose temps have these types. */
  begin(tempTypes: readonly ValueType[]): void {
    this.#tempTypes = tempTypes;
    this.#temps = [];
    for (const pool of this.#pools) pool.used = 0;
  }

  /** A local that stays in use until the next {@link begin}. */
  scratch(type: ValueType): number {
    const pool = this.#pools[type - F64] as Pool;
    if (pool.used === pool.locals.length) pool.locals.push(this.locals.allocate(type));
    return pool.locals[pool.used++] as number;
  }

  functionIndex(name: string): number {
    return this.#functionIndex(name);
  }

  statements(list: readonly Stmt[]): void {
    for (const statement of list) this.statement(statement);
  }

  statement(s: Stmt): void {
    const { code } = this;
    switch (s.kind) {
      case StmtKind.Let:
        this.expr(s.a as Expr);
        code.localSet(this.#temp(s.op));
        break;
      case StmtKind.SetReg:
        this.setReg(s.operand, s.a as Expr);
        break;
      case StmtKind.SetFReg:
        this.setFReg(s.operand, s.a as Expr);
        break;
      case StmtKind.Store: {
        const value = s.b as Expr;
        this.expr(s.a as Expr);
        this.expr(value);
        code.memory(storeOpcode(value.type, s.op), 0, s.value);
        break;
      }
      case StmtKind.GuestStore:
        this.guestStore(s);
        break;
      case StmtKind.If:
        this.expr(s.a as Expr);
        if (s.op === Likely.Never) this.openHintedIf(0);
        else this.openIf();
        this.statements(s.then);
        if (s.else.length > 0) {
          code.else();
          this.statements(s.else);
        }
        this.close();
        break;
      case StmtKind.Loop:
        this.openBlock();
        code.loop();
        this.depth++;
        this.#labels.set(s.op, this.depth);
        this.statements(s.then);
        this.close();
        this.close();
        break;
      case StmtKind.Break:
        code.br(this.depth - (this.#labels.get(s.op) as number) + 1);
        break;
      case StmtKind.Continue:
        code.br(this.depth - (this.#labels.get(s.op) as number));
        break;
      case StmtKind.Fence:
        code.byte(0xfe);
        code.byte(0x03);
        code.byte(0x00);
        break;
      case StmtKind.Switch:
        this.#switch(s);
        break;
      case StmtKind.Effect:
        if (s.name) {
          for (const argument of s.args) this.expr(argument);
          code.call(this.functionIndex(s.name));
        } else {
          this.expr(s.a as Expr);
          code.byte(0x1a);
        }
        break;
      case StmtKind.Return:
        this.#return(s.a);
        break;
      case StmtKind.RequireFloat:
        this.requireFloat();
        break;
      case StmtKind.CheckTrap:
        this.checkTrap();
        break;
      default:
        this.control(s);
    }
  }

  expr(e: Expr): void {
    const { code } = this;
    switch (e.kind) {
      case ExprKind.Const:
        this.#constant(e);
        break;
      case ExprKind.Temp:
        code.localGet(this.#temp(e.op));
        break;
      case ExprKind.Unary:
        if (e.op === CONVERT.boxF32[0]) emitBoxF32(code, () => this.expr(e.a as Expr));
        else {
          this.expr(e.a as Expr);
          if (e.op === CONVERT.lowF32[0]) emitLowF32(code);
          else code.op(e.op);
        }
        break;
      case ExprKind.Binary:
        this.expr(e.a as Expr);
        this.expr(e.b as Expr);
        code.byte(e.op);
        break;
      case ExprKind.Select:
        this.expr(e.a as Expr);
        this.expr(e.b as Expr);
        this.expr(e.c as Expr);
        code.byte(e.op);
        break;
      case ExprKind.Reg:
        this.getReg(e.operand);
        break;
      case ExprKind.FReg:
        this.getFReg(e.operand);
        break;
      case ExprKind.Imm:
        this.immediate(e.operand, e.type);
        break;
      case ExprKind.Pc:
        this.pc();
        break;
      case ExprKind.NextPc:
        this.nextPc();
        break;
      case ExprKind.Param:
        code.localGet(e.op);
        break;
      case ExprKind.Cpu:
        code.localGet(0);
        break;
      case ExprKind.Load:
        this.expr(e.a as Expr);
        code.memory(loadOpcode(e.type, e.op), 0, e.value as number);
        break;
      case ExprKind.GuestLoad:
        this.guestLoad(e);
        break;
      case ExprKind.Call:
        for (const argument of e.args) this.expr(argument);
        code.call(this.functionIndex(e.name));
        break;
      case ExprKind.CallIndirect:
        for (const argument of e.args) this.expr(argument);
        this.expr(e.a as Expr);
        code.callIndirect(0);
        break;
      case ExprKind.FusedMultiplyAdd:
        this.#fusedMultiplyAdd(e);
        break;
      case ExprKind.Atomic:
        this.expr(e.a as Expr);
        if (e.b) this.expr(e.b);
        if (e.c) this.expr(e.c);
        code.memory(e.op, 31 - Math.clz32(e.value as number), e.operand as number);
        break;
      default:
        throw new Error(`unknown IR expression kind ${e.kind}`);
    }
  }

  openBlock(): void {
    this.code.block();
    this.depth++;
  }
  openIf(type: ValueType | typeof VOID = VOID): void {
    this.code.if(type);
    this.depth++;
  }
  /** Opens an `if` whose condition is expected to hold (1) or not (0). */
  openHintedIf(likely: 0 | 1, type: ValueType | typeof VOID = VOID): void {
    this.hints.push({ at: this.code.length, likely });
    this.openIf(type);
  }
  close(): void {
    this.code.end();
    this.depth--;
  }

  checkTrap(): void {
    const { code } = this;
    code.localGet(0);
    code.memory(0x28, 2, this.trapPendingOffset);
    this.openHintedIf(0);
    this.leaveForTrap();
    this.close();
  }
  protected abstract readonly trapPendingOffset: number;
  protected abstract requireFloat(): void;

  #return(value: Expr | undefined): void {
    const { code } = this;
    if (value?.kind === ExprKind.CallIndirect) {
      // Regions go on in each other without growing the stack.
      for (const argument of value.args) this.expr(argument);
      this.expr(value.a as Expr);
      code.returnCallIndirect(0);
      return;
    }
    if (value) this.expr(value);
    code.return();
  }

  #switch(s: Stmt): void {
    const { code } = this;
    const count = s.cases.length;
    for (let i = 0; i < count + 2; i++) this.openBlock();
    this.expr(s.a as Expr);
    code.brTable(
      s.cases.map((_, i) => i),
      count,
    );
    this.close();
    s.cases.forEach((body, i) => {
      this.statements(body);
      code.br(count - i);
      this.close();
    });
    this.statements(s.else);
    this.close();
  }

  #fusedMultiplyAdd({ type, op, a, b, c }: Expr): void {
    const { code } = this;
    if (this.#features.fusedMultiplyAdd) {
      const operands = [a, b, c].map((operand) => () => this.expr(operand as Expr));
      emitFusedMultiplyAdd(code, type, op === 1, operands);
      return;
    }
    code.localGet(0);
    this.expr(a as Expr);
    if (op === 1) code.op(type === F64 ? UNARY.neg[3] : UNARY.neg[2]);
    this.expr(b as Expr);
    this.expr(c as Expr);
    code.call(this.functionIndex(fusedMultiplyAddRoutine(type)));
  }

  #temp(index: number): number {
    const known = this.#temps[index];
    if (known !== undefined) return known;
    const local = this.scratch(this.#tempTypes[index] as ValueType);
    this.#temps[index] = local;
    return local;
  }

  #constant(e: Expr): void {
    const { code } = this;
    switch (e.type) {
      case I32:
        code.i32Const(e.value as number);
        break;
      case I64:
        code.i64Const(e.value);
        break;
      case F32: {
        code.byte(0x43);
        const bytes = new Uint8Array(Float32Array.of(e.value as number).buffer);
        code.append(Number.isNaN(e.value) ? CANONICAL_NAN_F32 : bytes);
        break;
      }
      default: {
        code.byte(0x44);
        const bytes = new Uint8Array(Float64Array.of(e.value as number).buffer);
        code.append(Number.isNaN(e.value) ? CANONICAL_NAN_F64 : bytes);
      }
    }
  }
}

/** The routine that computes a fused multiply-add where the engine cannot. */
export const fusedMultiplyAddRoutine = (type: ValueType): string => (type === F64 ? "fmaF64" : "fmaF32");

/** JavaScript leaves open which bits a NaN has. */
const CANONICAL_NAN_F32 = Uint8Array.of(0, 0, 0xc0, 0x7f);
const CANONICAL_NAN_F64 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0xf8, 0x7f);

/** Opcode of a zero-extending load of `width` bytes into `type`. */
export function loadOpcode(type: ValueType, width: number): number {
  switch (type) {
    case I32:
      return width === 4 ? 0x28 : width === 2 ? 0x2f : 0x2d;
    case I64:
      return width === 8 ? 0x29 : width === 4 ? 0x35 : width === 2 ? 0x33 : 0x31;
    case F32:
      return 0x2a;
    default:
      return 0x2b;
  }
}
/** Opcode of a sign-extending load of `width` bytes into an i64. */
export function signedLoadOpcode(width: number): number {
  return width === 8 ? 0x29 : width === 4 ? 0x34 : width === 2 ? 0x32 : 0x30;
}
export function storeOpcode(type: ValueType, width: number): number {
  switch (type) {
    case I32:
      return width === 4 ? 0x36 : width === 2 ? 0x3b : 0x3a;
    case I64:
      return width === 8 ? 0x37 : width === 4 ? 0x3e : width === 2 ? 0x3d : 0x3c;
    case F32:
      return 0x38;
    default:
      return 0x39;
  }
}
