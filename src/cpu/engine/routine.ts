/**
 * Routines: functions of the runtime module, written in IR (page walk, slow accesses, traps, CSRs).
 * Parameter 0 of every routine is the address of the vCPU block.
 */
import type { EngineFeatures } from "#cpu/engine/features.ts";
import { Emitter, Locals, type FunctionIndex } from "#cpu/engine/emitter.ts";
import { Builder } from "#cpu/ir/builder.ts";
import { type Expr, I32, type Operand, type Stmt, type ValueType } from "#cpu/ir/ir.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";
import { Code } from "#cpu/wasm/code.ts";
import type { FunctionBody, FunctionType } from "#cpu/wasm/module.ts";

export type Routine = {
  readonly name: string;
  readonly type: FunctionType;
  /** Builds the body; `params` are the parameters after the vCPU block. */
  readonly build: (b: Builder, ...params: Expr[]) => void;
};

/** Declares a routine with parameters `(cpu, ...params)`. */
export function routine(
  name: string,
  params: readonly ValueType[],
  result: ValueType | undefined,
  build: (b: Builder, ...params: Expr[]) => void,
): Routine {
  return { name, type: { params: [I32, ...params], results: result === undefined ? [] : [result] }, build };
}

/** Emits a routine's function. */
export function emitRoutine(r: Routine, functionIndex: FunctionIndex, features: EngineFeatures): FunctionBody {
  const b = new Builder();
  r.build(b, ...r.type.params.slice(1).map((type, i) => b.param(i + 1, type)));
  const emitter = new RoutineEmitter(new Code(), new Locals(r.type.params.length), functionIndex, features);
  emitter.begin(b.temps);
  emitter.statements(b.statements);
  // Every path of a routine with a result returns; the end is never reached.
  if (r.type.results.length > 0) emitter.code.byte(0x00);
  emitter.code.end();
  return {
    name: r.name,
    type: r.type,
    locals: emitter.locals.types,
    code: emitter.code.finish(),
    hints: emitter.hints,
  };
}

class RoutineEmitter extends Emitter {
  protected readonly trapPendingOffset = VCPU.trapPending;

  #noGuest(): never {
    throw new Error("a routine has no current instruction");
  }
  protected getReg(_reg: Operand): void {
    this.#noGuest();
  }
  protected setReg(_reg: Operand, _value: Expr): void {
    this.#noGuest();
  }
  protected getFReg(_reg: Operand): void {
    this.#noGuest();
  }
  protected setFReg(_reg: Operand, _value: Expr): void {
    this.#noGuest();
  }
  protected immediate(_operand: Operand, _type: ValueType): void {
    this.#noGuest();
  }
  protected pc(): void {
    this.#noGuest();
  }
  protected nextPc(): void {
    this.#noGuest();
  }
  protected guestLoad(_load: Expr): void {
    this.#noGuest();
  }
  protected guestStore(_store: Stmt): void {
    this.#noGuest();
  }
  protected control(_statement: Stmt): void {
    this.#noGuest();
  }
  protected requireFloat(): void {
    this.#noGuest();
  }
  protected leaveForTrap(): void {
    this.#noGuest();
  }
}
