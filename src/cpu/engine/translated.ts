/**
 * One decoded instruction as the region translator sees it: its IR, what registers it reads and writes, how it ends.
 * Depends on the instruction word alone, so it is made once a word.
 */
import { fusedMultiplyAddRoutine } from "#cpu/engine/emitter.ts";
import { endsBlock } from "#cpu/engine/interpreter.ts";
import { type WildEffect, wildEffect } from "#cpu/engine/loop-pages.ts";
import { type WordEffect, wordEffect } from "#cpu/engine/words.ts";
import { Builder } from "#cpu/ir/builder.ts";
import { type Expr, ExprKind, type Stmt, StmtKind, type ValueType } from "#cpu/ir/ir.ts";
import type { Decoded, Isa } from "#cpu/isa/isa.ts";

/** Registers as bits: integer registers in `x`, floating-point registers in `f`. */
export type RegisterSet = { x: number; f: number };

export type Translated = {
  readonly statements: readonly Stmt[];
  readonly temps: readonly ValueType[];
  readonly lengthBytes: number;
  /** Byte offset of the target of a branch or jump. */
  readonly imm: number;
  /** The statement that ends the basic block: Branch, Jump, JumpReg, or an Enter that does not resume. */
  readonly end: Stmt | undefined;
  /** Registers that must hold their values before: read, or written on some paths only. */
  readonly uses: Readonly<RegisterSet>;
  /** Registers that may be written. */
  readonly writes: Readonly<RegisterSet>;
  /** Registers that are written whenever the instruction completes. */
  readonly kills: Readonly<RegisterSet>;
  /** Routines that are called. */
  readonly calls: ReadonlySet<string>;
  readonly touchesMemory: boolean;
  readonly requiresFloat: boolean;
  /** A routine may change what the vCPU's mode is: Enter that resumes. */
  readonly resumes: boolean;
  /** Whether it leaves a 32-bit word in a register. */
  readonly words: WordEffect;
  /** Whether an address made of what it leaves in registers may lie anywhere. */
  readonly wild: WildEffect;
};

const MAX_WORDS = 50_000;

/** Translated instructions by their words. */
export class Translations {
  readonly #isa: Isa;
  readonly #byWord = new Map<number, Translated>();

  constructor(isa: Isa) {
    this.#isa = isa;
  }
  of(word: number): Translated {
    let known = this.#byWord.get(word);
    if (!known) {
      if (this.#byWord.size === MAX_WORDS) this.#byWord.clear();
      known = new Walk().translate(this.#isa, this.#isa.decode(word));
      this.#byWord.set(word, known);
    }
    return known;
  }
}

class Walk {
  readonly #uses: RegisterSet = { x: 0, f: 0 };
  readonly #writes: RegisterSet = { x: 0, f: 0 };
  readonly #kills: RegisterSet = { x: 0, f: 0 };
  readonly #calls = new Set<string>();
  #touchesMemory = false;
  #requiresFloat = false;
  #resumes = false;

  translate(isa: Isa, decoded: Decoded): Translated {
    const b = new Builder();
    isa.rows[decoded.row]?.meaning(b, decoded);
    this.#statements(b.statements, true);
    const last = b.statements.at(-1);
    const resumes = this.#resumes;
    return {
      statements: b.statements,
      temps: b.temps,
      lengthBytes: decoded.lengthBytes,
      imm: decoded.imm,
      end: endsBlock(b.statements) && !resumes ? last : undefined,
      uses: this.#uses,
      writes: this.#writes,
      kills: this.#kills,
      calls: this.#calls,
      touchesMemory: this.#touchesMemory,
      requiresFloat: this.#requiresFloat,
      resumes,
      words: wordEffect(b.statements),
      wild: wildEffect(b.statements, this.#writes.x),
    };
  }

  #statements(list: readonly Stmt[], always: boolean): void {
    for (const s of list) {
      this.#expr(s.a);
      this.#expr(s.b);
      for (const argument of s.args) this.#expr(argument);
      switch (s.kind) {
        case StmtKind.SetReg:
          if (s.operand !== 0) this.#write("x", s.operand as number, always);
          break;
        case StmtKind.SetFReg:
          this.#write("f", s.operand as number, always);
          break;
        case StmtKind.GuestStore:
          this.#touchesMemory = true;
          break;
        case StmtKind.Effect:
        case StmtKind.Enter:
          if (s.name) this.#calls.add(s.name);
          if (s.kind === StmtKind.Enter && s.op === 1) {
            this.#resumes = true;
            // The routine has written it in memory; it is loaded anew.
            if (s.operand !== 0) this.#kills.x |= 1 << (s.operand as number);
          }
          break;
        case StmtKind.RequireFloat:
          this.#requiresFloat = true;
          break;
        default:
      }
      this.#statements(s.then, false);
      this.#statements(s.else, false);
      for (const body of s.cases) this.#statements(body, false);
    }
  }

  #write(file: "x" | "f", register: number, always: boolean): void {
    const bit = 1 << register;
    this.#writes[file] |= bit;
    if (always) this.#kills[file] |= bit;
    else this.#uses[file] |= bit;
  }

  #expr(e: Expr | undefined): void {
    if (!e) return;
    if (e.kind === ExprKind.Reg) this.#uses.x |= 1 << (e.operand as number);
    else if (e.kind === ExprKind.FReg) this.#uses.f |= 1 << (e.operand as number);
    else if (e.kind === ExprKind.GuestLoad) this.#touchesMemory = true;
    else if (e.kind === ExprKind.Call) this.#calls.add(e.name);
    else if (e.kind === ExprKind.FusedMultiplyAdd) this.#calls.add(fusedMultiplyAddRoutine(e.type));
    this.#expr(e.a);
    this.#expr(e.b);
    this.#expr(e.c);
    for (const argument of e.args) this.#expr(argument);
  }
}
