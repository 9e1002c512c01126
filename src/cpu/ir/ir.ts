/**
 * The IR: typed expression trees inside structured statements.
 *
 * The meaning of every guest instruction, CSR and runtime routine (page walk, trap entry) is written in it once.
 * Rules, held by `verify.ts`:
 *  - a tree node is used once, but for constants and temps;
 *  - operand types fit the operation;
 *  - a temp is set before it is read, on every path;
 *  - guest loads stand in a `let` or a register write of their own, before any other effect of the instruction
 *    (an instruction that faults has changed nothing).
 */
import { F32, F64, I32, I64, type ValueType } from "#cpu/wasm/code.ts";

export { F32, F64, I32, I64, type ValueType };

/** An operand that is known only at run time: a field of the predecoded record. */
export type Field = { readonly field: FieldName };
export type FieldName = "rd" | "rs1" | "rs2" | "rs3" | "imm" | "rm" | "csr" | "uimm";
/** A register number or small constant when the instruction is known, the record's field otherwise. */
export type Operand = number | Field;

export const ExprKind = {
  Const: 0,
  Temp: 1,
  Unary: 2,
  Binary: 3,
  Select: 4,
  Reg: 5,
  FReg: 6,
  Imm: 7,
  Pc: 8,
  NextPc: 9,
  Load: 10,
  GuestLoad: 11,
  Call: 12,
  Atomic: 13,
  Cpu: 14,
  /** Parameter of a routine. */
  Param: 15,
  /** Call through the table of regions; type 0 of the module. */
  CallIndirect: 16,
  /** a * b + c rounded once, or with op 1 -(a * b) + c. Where the engine cannot, NaN may stand for a result that is not. */
  FusedMultiplyAdd: 17,
} as const;

export type Expr = {
  readonly kind: number;
  readonly type: ValueType;
  /** Opcode, temp index, or what the kind says. */
  readonly op: number;
  readonly a: Expr | undefined;
  readonly b: Expr | undefined;
  readonly c: Expr | undefined;
  /** Constant, offset, or width. */
  readonly value: number | bigint;
  readonly operand: Operand;
  readonly name: string;
  readonly args: readonly Expr[];
};

export const StmtKind = {
  /** temp := expr */
  Let: 0,
  SetReg: 1,
  SetFReg: 2,
  Store: 3,
  GuestStore: 4,
  If: 5,
  Loop: 6,
  Break: 7,
  Continue: 8,
  /** Evaluate and drop. */
  Effect: 9,
  Return: 10,
  /** Conditional branch to pc + imm. */
  Branch: 11,
  /** Jump to pc + imm. */
  Jump: 12,
  /** Jump to a computed address. */
  JumpReg: 13,
  /**
   * Call a runtime routine that returns the next pc and go there through the dispatcher. With `op` 1 the instruction
   * may simply go on when that is the one that follows; register `operand` has been written in memory then.
   */
  Enter: 14,
  /** Leave if a runtime routine has recorded a trap. */
  CheckTrap: 15,
  /** Runs `cases[a]`, or `else` when there is none. */
  Switch: 16,
  Fence: 17,
  /** Floating point must be on (and becomes dirty), or the instruction is illegal. */
  RequireFloat: 18,
} as const;

export type Stmt = {
  readonly kind: number;
  /** Temp index, width, label, or what the kind says. */
  readonly op: number;
  readonly a: Expr | undefined;
  readonly b: Expr | undefined;
  /** Offset of a store. */
  readonly value: number;
  readonly operand: Operand;
  readonly name: string;
  readonly args: readonly Expr[];
  readonly then: readonly Stmt[];
  readonly else: readonly Stmt[];
  readonly cases: readonly (readonly Stmt[])[];
};

/** Which way an `If` mostly goes, in `op`. */
export const Likely = { Unknown: 0, Never: 1 } as const;

/** How a jump that sets a link register or returns is meant; the region translator nests calls by it. */
export const JumpHint = { None: 0, Call: 1, Return: 2 } as const;
