/**
 * The IR as text, for golden files and for looking at: a line a statement, expressions as calls.
 *
 *   t0 := i64.add(x[rs1], imm)
 *   x[rd] := guest.load64(t0)
 */
import { type Expr, ExprKind, F32, F64, I32, I64, type Operand, type Stmt, StmtKind } from "#cpu/ir/ir.ts";
import { BINARY, COMPARE, CONVERT, RMW, UNARY } from "#cpu/ir/ops.ts";
import { VCPU, VCPU_FILL_LISTS } from "#cpu/vcpu/layout.ts";

const TYPE_NAMES = ["i32", "i64", "f32", "f64"] as const;
const TYPE_BY_CODE: Readonly<Record<number, string>> = { [I32]: "i32", [I64]: "i64", [F32]: "f32", [F64]: "f64" };
const typeName = (type: number): string => TYPE_BY_CODE[type] ?? "?";

const OP_NAMES = new Map<number, string>([
  [0x45, "i32.eqz"],
  [0x50, "i64.eqz"],
]);
for (const table of [BINARY, COMPARE, UNARY]) {
  for (const [name, opcodes] of Object.entries<readonly number[]>(table)) {
    opcodes.forEach((opcode, i) => {
      if (opcode !== 0) OP_NAMES.set(opcode, `${TYPE_NAMES[i]}.${name}`);
    });
  }
}
for (const [name, [opcode]] of Object.entries(CONVERT)) OP_NAMES.set(opcode, name);
const RMW_NAMES = new Map<number, string>();
for (const [name, opcodes] of Object.entries(RMW)) for (const opcode of opcodes) RMW_NAMES.set(opcode, name);
const FIELDS = Object.entries(VCPU).sort(([, x], [, y]) => y - x);

/** The statements as lines, each ended by a newline. */
export function printIr(statements: readonly Stmt[]): string {
  return statements.map((s) => statement(s, "")).join("");
}

const operand = (o: Operand): string => (typeof o === "number" ? String(o) : o.field);
const list = (args: readonly Expr[]): string => args.map(expression).join(", ");
const block = (body: readonly Stmt[], indent: string): string => body.map((s) => statement(s, `${indent}  `)).join("");

function statement(s: Stmt, indent: string): string {
  const line = (text: string): string => `${indent}${text}\n`;
  const a = s.a ? expression(s.a) : "";
  const b = s.b ? expression(s.b) : "";
  switch (s.kind) {
    case StmtKind.Let:
      return line(`t${s.op} := ${a}`);
    case StmtKind.SetReg:
      return line(`x[${operand(s.operand)}] := ${a}`);
    case StmtKind.SetFReg:
      return line(`f[${operand(s.operand)}] := ${a}`);
    case StmtKind.Store:
      return line(`${place(s.a as Expr, s.value, s.op)} := ${b}`);
    case StmtKind.GuestStore:
      return line(`guest.store${8 * s.op}(${a}, ${b})`);
    case StmtKind.If: {
      const otherwise = s.else.length > 0 ? line("else") + block(s.else, indent) : "";
      return line(`${s.op ? "unlikely" : "if"} ${a}`) + block(s.then, indent) + otherwise;
    }
    case StmtKind.Loop:
      return line(`loop ${s.op}`) + block(s.then, indent);
    case StmtKind.Break:
      return line(`break ${s.op}`);
    case StmtKind.Continue:
      return line(`continue ${s.op}`);
    case StmtKind.Switch: {
      const cases = s.cases.map((body, i) => line(`case ${i}`) + block(body, indent)).join("");
      return line(`switch ${a}`) + cases + line("else") + block(s.else, indent);
    }
    case StmtKind.Effect:
      return line(s.name ? `${s.name}(${list(s.args)})` : `drop ${a}`);
    case StmtKind.Return:
      return line(a ? `return ${a}` : "return");
    case StmtKind.Branch:
      return line(`branch ${a}, pc + ${operand(s.operand)}`);
    case StmtKind.Jump:
      return line(`jump pc + ${operand(s.operand)}${hint(s.op)}`);
    case StmtKind.JumpReg:
      return line(`jump ${a}${hint(s.op)}`);
    case StmtKind.Enter:
      return line(`enter ${s.name}(${list(s.args)})${s.op ? `, writes x[${operand(s.operand)}]` : ""}`);
    case StmtKind.CheckTrap:
      return line("check trap");
    case StmtKind.Fence:
      return line("fence");
    case StmtKind.RequireFloat:
      return line("require float");
    default:
      throw new Error(`unknown IR statement kind ${s.kind}`);
  }
}

const hint = (op: number): string => ["", " (call)", " (return)"][op] ?? "";

const isField = (offset: number): boolean => offset > 0 && offset < VCPU_FILL_LISTS;
function fieldAt(offset: number): string {
  const [name, start] = FIELDS.find(([, first]) => first <= offset) ?? ["", 0];
  return offset === start ? name : `${name}+${offset - start}`;
}

/** A place in the emulator's memory; those of the vCPU block by name. */
function place(address: Expr, offset: number, widthBytes: number): string {
  if (address.kind === ExprKind.Cpu) return `cpu.${fieldAt(offset)}`;
  if (address.kind === ExprKind.Binary && address.a?.kind === ExprKind.Cpu && isField(offset)) {
    return `cpu.${fieldAt(offset)}[${expression(address.b as Expr)}]`;
  }
  return `memory${8 * widthBytes}[${expression(address)}${offset === 0 ? "" : ` + ${offset}`}]`;
}

function expression(e: Expr): string {
  switch (e.kind) {
    case ExprKind.Const:
      return `${typeName(e.type)} ${String(e.value)}`;
    case ExprKind.Temp:
      return `t${e.op}`;
    case ExprKind.Param:
      return `p${e.op}`;
    case ExprKind.Reg:
      return `x[${operand(e.operand)}]`;
    case ExprKind.FReg:
      return `f[${operand(e.operand)}]`;
    case ExprKind.Imm:
      return `${typeName(e.type)} ${operand(e.operand)}`;
    case ExprKind.Pc:
      return "pc";
    case ExprKind.NextPc:
      return "next pc";
    case ExprKind.Cpu:
      return "cpu";
    case ExprKind.Load:
      return place(e.a as Expr, e.value as number, e.op);
    case ExprKind.GuestLoad:
      return `guest.load${8 * (e.value as number)}${e.op ? "S" : ""}(${expression(e.a as Expr)})`;
    case ExprKind.Call:
      return `${e.name}(${list(e.args)})`;
    case ExprKind.CallIndirect:
      return `region[${expression(e.a as Expr)}](${list(e.args)})`;
    default:
      return `${operationName(e)}(${list([e.a, e.b, e.c].filter((x) => x !== undefined))})`;
  }
}

function operationName(e: Expr): string {
  if (e.kind === ExprKind.Select) return "select";
  if (e.kind === ExprKind.FusedMultiplyAdd) return `${typeName(e.type)}.${e.op ? "nfma" : "fma"}`;
  if (e.kind !== ExprKind.Atomic) return OP_NAMES.get(e.op) ?? `op 0x${e.op.toString(16)}`;
  return `atomic.${RMW_NAMES.get(e.op) ?? "load"}${8 * (e.value as number)}`;
}
