/**
 * The rules of the IR, checked. Run in tests over every row, CSR and routine.
 *
 *  - a tree node is used once, but for constants, temps and parameters;
 *  - operand types fit the operation, and arguments what is called;
 *  - a temp is set before it is read, on every path;
 *  - a guest load stands in a `let` or a register write of its own, before any other effect of the instruction;
 *  - what ends an instruction stands last;
 *  - breaks and continues name a loop around them;
 *  - an instruction has no parameters and does not return; a routine has no guest registers or operands.
 */
import { type Expr, ExprKind, F32, F64, I32, I64, type Stmt, StmtKind, type ValueType } from "#cpu/ir/ir.ts";
import { ATOMIC_LOAD, BINARY, COMPARE, CONVERT, RMW, UNARY } from "#cpu/ir/ops.ts";

export type Signature = { readonly params: readonly ValueType[]; readonly results: readonly ValueType[] };

export type VerifyContext = {
  /** Parameters of a routine, the vCPU block included; undefined for an instruction. */
  readonly routine: Signature | undefined;
  /** What may be called. */
  readonly functions: ReadonlyMap<string, Signature>;
};

const TYPES: readonly ValueType[] = [I32, I64, F32, F64];
const BY_NAME: Readonly<Record<string, ValueType>> = { i32: I32, i64: I64, f32: F32, f64: F64 };
const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [I32, "i32"],
  [I64, "i64"],
  [F32, "f32"],
  [F64, "f64"],
]);
const typeName = (type: ValueType | undefined): string => TYPE_NAMES.get(type ?? 0) ?? "nothing";

type Shape = { readonly operand: ValueType; readonly result: ValueType };
const BINARY_SHAPES = new Map<number, Shape>();
const UNARY_SHAPES = new Map<number, Shape>([
  [0x45, { operand: I32, result: I32 }],
  [0x50, { operand: I64, result: I32 }],
]);
for (const opcodes of Object.values(BINARY)) addShapes(BINARY_SHAPES, opcodes, undefined);
for (const opcodes of Object.values(COMPARE)) addShapes(BINARY_SHAPES, opcodes, I32);
for (const opcodes of Object.values(UNARY)) addShapes(UNARY_SHAPES, opcodes, undefined);
for (const [opcode, from, to] of Object.values(CONVERT)) {
  UNARY_SHAPES.set(opcode, { operand: BY_NAME[from] as ValueType, result: BY_NAME[to] as ValueType });
}
function addShapes(to: Map<number, Shape>, opcodes: readonly number[], result: ValueType | undefined): void {
  opcodes.forEach((opcode, i) => {
    const operand = TYPES[i] as ValueType;
    if (opcode !== 0) to.set(opcode, { operand, result: result ?? operand });
  });
}
const COMPARE_EXCHANGE: readonly number[] = RMW.compareExchange;
const ATOMIC_LOADS: readonly number[] = Object.values(ATOMIC_LOAD);

/** What breaks the rules, a sentence each; empty when nothing does. */
export function verifyIr(
  statements: readonly Stmt[],
  temps: readonly ValueType[],
  context: VerifyContext,
): readonly string[] {
  const verifier = new Verifier(temps, context);
  verifier.body(statements);
  return verifier.faults;
}

/** Temps that are certainly set here; undefined where no path arrives. */
type Known = ReadonlySet<number> | undefined;
type Loop = { readonly label: number; after: Known };

const ENDS: readonly number[] = [StmtKind.Branch, StmtKind.Jump, StmtKind.JumpReg, StmtKind.Enter];
const SHARED: readonly number[] = [ExprKind.Const, ExprKind.Temp, ExprKind.Param];
const GUEST_EXPRS: readonly number[] = [
  ExprKind.Reg,
  ExprKind.FReg,
  ExprKind.Imm,
  ExprKind.Pc,
  ExprKind.NextPc,
  ExprKind.GuestLoad,
];
const GUEST_STATEMENTS: readonly number[] = [
  ...ENDS,
  StmtKind.SetReg,
  StmtKind.SetFReg,
  StmtKind.GuestStore,
  StmtKind.CheckTrap,
  StmtKind.RequireFloat,
];
const MAY_LOAD: readonly number[] = [StmtKind.Let, StmtKind.SetReg, StmtKind.SetFReg];
const CHANGES: readonly number[] = [
  StmtKind.SetReg,
  StmtKind.SetFReg,
  StmtKind.Store,
  StmtKind.GuestStore,
  StmtKind.Effect,
];

class Verifier {
  readonly faults: string[] = [];
  readonly #temps: readonly ValueType[];
  readonly #context: VerifyContext;
  readonly #used = new Set<Expr>();
  readonly #loops: Loop[] = [];
  #known: Known = new Set();
  /** An effect of the instruction has been seen. */
  #changed = false;
  #guestLoads = 0;
  #calls = 0;
  #nesting = 0;

  constructor(temps: readonly ValueType[], context: VerifyContext) {
    this.#temps = temps;
    this.#context = context;
  }

  body(statements: readonly Stmt[]): void {
    statements.forEach((s, i) => {
      if (ENDS.includes(s.kind) && i !== statements.length - 1) this.#fault("what ends an instruction is not last");
      this.#statement(s);
    });
    const { routine } = this.#context;
    if (routine && routine.results.length > 0 && this.#known) this.#fault("a path of the routine returns nothing");
  }

  #fault(text: string): void {
    this.faults.push(text);
  }

  #nested(statements: readonly Stmt[]): void {
    this.#nesting++;
    for (const s of statements) {
      if (ENDS.includes(s.kind)) this.#fault("what ends an instruction is nested");
      this.#statement(s);
    }
    this.#nesting--;
  }

  #statement(s: Stmt): void {
    if (!this.#known) this.#fault(`statement kind ${s.kind} is never reached`);
    if (this.#context.routine && GUEST_STATEMENTS.includes(s.kind)) {
      this.#fault(`a routine has statement kind ${s.kind}, which is an instruction's`);
    }
    this.#guestLoads = 0;
    this.#calls = 0;
    switch (s.kind) {
      case StmtKind.Let:
        this.#expect(s.a, this.#temps[s.op]);
        this.#known = this.#known && new Set([...this.#known, s.op]);
        break;
      case StmtKind.SetReg:
        this.#expect(s.a, I64);
        break;
      case StmtKind.SetFReg:
        this.#expect(s.a, F64);
        break;
      case StmtKind.Store:
        this.#expect(s.a, I32);
        this.#width(s.op, this.#expression(s.b));
        break;
      case StmtKind.GuestStore: {
        this.#expect(s.a, I64);
        const type = this.#expression(s.b);
        if (type !== I64 && !(type === F64 && s.op === 8)) this.#fault(`guest store of ${typeName(type)}`);
        this.#width(s.op, type);
        break;
      }
      case StmtKind.If:
        this.#expect(s.a, I32);
        this.#checkLoads(s);
        this.#branches([s.then, s.else]);
        return;
      case StmtKind.Switch:
        this.#expect(s.a, I32);
        this.#checkLoads(s);
        this.#branches([...s.cases, s.else]);
        return;
      case StmtKind.Loop:
        this.#loop(s);
        return;
      case StmtKind.Break:
      case StmtKind.Continue:
        this.#leaveLoop(s);
        break;
      case StmtKind.Effect:
        if (s.name) this.#call(s.name, s.args, undefined);
        else this.#expression(s.a);
        break;
      case StmtKind.Return: {
        const { routine } = this.#context;
        if (!routine) this.#fault("an instruction returns");
        else if (s.a) this.#expect(s.a, routine.results[0]);
        else if (routine.results.length > 0) this.#fault("a return gives no result");
        this.#known = undefined;
        break;
      }
      case StmtKind.Branch:
        this.#expect(s.a, I32);
        break;
      case StmtKind.JumpReg:
        this.#expect(s.a, I64);
        break;
      case StmtKind.Enter:
        this.#enter(s);
        break;
      case StmtKind.Jump:
      case StmtKind.CheckTrap:
      case StmtKind.Fence:
      case StmtKind.RequireFloat:
        break;
      default:
        this.#fault(`unknown statement kind ${s.kind}`);
    }
    this.#checkLoads(s);
    if (CHANGES.includes(s.kind)) this.#changed = true;
  }

  #checkLoads(s: Stmt): void {
    if (this.#guestLoads === 0) return;
    if (!MAY_LOAD.includes(s.kind) || this.#nesting > 0) this.#fault("a guest load stands in no let or register write");
    if (this.#guestLoads > 1 || this.#calls > 0) this.#fault("a guest load shares its statement with another effect");
    if (this.#changed) this.#fault("a guest load comes after another effect");
  }

  /** What is known after the paths is what all of them have set. */
  #branches(paths: readonly (readonly Stmt[])[]): void {
    const before = this.#known;
    let after: Known;
    for (const path of paths) {
      this.#known = before;
      this.#nested(path);
      after = meet(after, this.#known);
    }
    this.#known = after;
  }

  #loop(s: Stmt): void {
    const loop: Loop = { label: s.op, after: undefined };
    this.#loops.push(loop);
    this.#nested(s.then);
    this.#loops.pop();
    this.#known = meet(loop.after, this.#known);
  }
  #leaveLoop(s: Stmt): void {
    const loop = this.#loops.find((l) => l.label === s.op);
    if (!loop) this.#fault(`no loop ${s.op} to leave or go on with`);
    else if (s.kind === StmtKind.Break) loop.after = meet(loop.after, this.#known);
    this.#known = undefined;
  }

  #enter(s: Stmt): void {
    const signature = this.#context.functions.get(s.name);
    if (!signature) return this.#fault(`no routine '${s.name}' to enter`);
    const types = s.args.map((argument) => this.#expression(argument));
    this.#matches(s.name, [I32, I64, I64, ...types], signature);
    if (signature.results[0] !== I64) this.#fault(`routine '${s.name}' is entered and gives no pc`);
  }

  #call(name: string, args: readonly Expr[], result: ValueType | undefined): void {
    this.#calls++;
    const types = args.map((argument) => this.#expression(argument));
    const signature = this.#context.functions.get(name);
    if (!signature) return this.#fault(`no function '${name}'`);
    this.#matches(name, types, signature);
    if (signature.results[0] !== result) {
      this.#fault(`'${name}' gives ${typeName(signature.results[0])}, not ${typeName(result)}`);
    }
  }
  #matches(name: string, types: readonly (ValueType | undefined)[], { params }: Signature): void {
    const fits = types.length === params.length && types.every((type, i) => type === params[i]);
    if (!fits) this.#fault(`'${name}' takes (${params.map(typeName)}), not (${types.map(typeName)})`);
  }

  #width(width: number, type: ValueType | undefined): void {
    const most = type === I32 || type === F32 ? 4 : 8;
    const least = type === F32 ? 4 : type === F64 ? 8 : 1;
    if (width < least || width > most) this.#fault(`${width} bytes of ${typeName(type)}`);
  }

  #expect(e: Expr | undefined, type: ValueType | undefined): void {
    const found = this.#expression(e);
    if (found !== type) this.#fault(`${typeName(found)} where ${typeName(type)} belongs`);
  }

  #expression(e: Expr | undefined): ValueType | undefined {
    if (!e) {
      this.#fault("an operand is missing");
      return undefined;
    }
    if (!SHARED.includes(e.kind)) {
      if (this.#used.has(e)) this.#fault(`an expression of kind ${e.kind} is used twice; make it a let`);
      this.#used.add(e);
    }
    const { routine } = this.#context;
    if (routine && GUEST_EXPRS.includes(e.kind)) this.#fault(`a routine has expression kind ${e.kind}`);
    switch (e.kind) {
      case ExprKind.Temp:
        if (this.#known && !this.#known.has(e.op)) this.#fault(`temp ${e.op} may be read before it is set`);
        if (e.type !== this.#temps[e.op]) this.#fault(`temp ${e.op} has two types`);
        break;
      case ExprKind.Param:
        if (!routine) this.#fault("an instruction has a parameter");
        else if (e.type !== routine.params[e.op]) this.#fault(`parameter ${e.op} is not ${typeName(e.type)}`);
        break;
      case ExprKind.Unary:
        this.#operation(UNARY_SHAPES.get(e.op), e, [e.a]);
        break;
      case ExprKind.Binary:
        this.#operation(BINARY_SHAPES.get(e.op), e, [e.a, e.b]);
        break;
      case ExprKind.Select:
        this.#expect(e.a, e.type);
        this.#expect(e.b, e.type);
        this.#expect(e.c, I32);
        break;
      case ExprKind.FusedMultiplyAdd:
        if (e.type !== F32 && e.type !== F64) this.#fault(`multiply-add of ${typeName(e.type)}`);
        for (const operand of [e.a, e.b, e.c]) this.#expect(operand, e.type);
        break;
      case ExprKind.Load:
        this.#expect(e.a, I32);
        this.#width(e.op, e.type);
        break;
      case ExprKind.GuestLoad:
        this.#guestLoads++;
        this.#expect(e.a, I64);
        this.#width(e.value as number, e.type);
        break;
      case ExprKind.Call:
        this.#call(e.name, e.args, e.type);
        break;
      case ExprKind.CallIndirect:
        this.#expect(e.a, I32);
        for (const argument of e.args) this.#expression(argument);
        break;
      case ExprKind.Atomic:
        this.#atomic(e);
        break;
      default:
        break;
    }
    return e.type;
  }

  #operation(shape: Shape | undefined, e: Expr, operands: readonly (Expr | undefined)[]): void {
    if (!shape) return this.#fault(`unknown operation 0x${e.op.toString(16)}`);
    for (const operand of operands) this.#expect(operand, shape.operand);
    if (e.type !== shape.result) this.#fault(`operation 0x${e.op.toString(16)} gives ${typeName(shape.result)}`);
  }

  #atomic(e: Expr): void {
    const type = e.value === 8 ? I64 : I32;
    this.#calls++;
    this.#expect(e.a, I32);
    if (!ATOMIC_LOADS.includes(e.op)) this.#expect(e.b, type);
    if (COMPARE_EXCHANGE.includes(e.op)) this.#expect(e.c, type);
    if (e.type !== type) this.#fault(`an atomic access of ${e.value} bytes gives ${typeName(type)}`);
  }
}

function meet(x: Known, y: Known): Known {
  if (!x) return y;
  return y ? new Set([...x].filter((temp) => y.has(temp))) : x;
}
