/**
 * Emits a region as one WebAssembly function: structured control flow from the dominator tree (N. Ramsey, "Beyond
 * Relooper", ICFP 2022), guest registers in locals.
 *
 *   (cpu, base, depth) -> next pc; pc is always base + a constant
 *
 * Registers are loaded at the entry when they are live, and written back at every exit when they may be dirty.
 * Exits that are rare share stubs: one a set of dirty registers, with the pc in a local.
 */
import type { EngineFeatures } from "#cpu/engine/features.ts";
import { type FunctionIndex, Locals } from "#cpu/engine/emitter.ts";
import { GuestEmitter, type LastPage, type StackPage } from "#cpu/engine/guest-emitter.ts";
import { baseRegister, type QuietLoop, wildAfter } from "#cpu/engine/loop-pages.ts";
import { type Block, isIrreducible, type Region } from "#cpu/engine/region.ts";
import type { PageVersion } from "#cpu/engine/code-span.ts";
import type { RegisterSet, Translated } from "#cpu/engine/translated.ts";
import {
  BITWISE_STEP,
  COMPARE_STEP,
  EQZ_I32,
  isBitwise,
  isCompare,
  isEqz,
  isNatural,
  isSignExtended,
  isTruth,
  isWordConst,
  isWordLoad,
  isWrap,
  wordConst,
  wordInputs,
} from "#cpu/engine/words.ts";
import {
  type Expr,
  ExprKind,
  F64,
  I32,
  I64,
  JumpHint,
  type Operand,
  type Stmt,
  StmtKind,
  type ValueType,
} from "#cpu/ir/ir.ts";
import { CONVERT } from "#cpu/ir/ops.ts";
import { CODE_PAGE, FETCH_TLB, INVALID_TAG, LAST_PAGE, PAGE_BYTES, VCPU } from "#cpu/vcpu/layout.ts";
import { Code } from "#cpu/wasm/code.ts";
import type { FunctionBody, FunctionType } from "#cpu/wasm/module.ts";

/** A compiled region: (cpu, virtual address of its page, call depth left) -> next pc, bit 0 as the interpreter's. */
export const REGION_TYPE: FunctionType = { params: [I32, I64, I32], results: [I64] };
const BASE = 1;
const DEPTH = 2;

/** What every region may call, beside what its instructions do. */
export const REGION_ROUTINES = ["callFar", "loadSlow", "storeSlow", "stackLoad", "stackStore", "fpEnable"] as const;

export type RegionOptions = {
  readonly features: EngineFeatures;
  /** Leave after so many rounds of loops, for who wants to look in between. */
  readonly loopBudget?: number | undefined;
  /** Accesses relative to this register share the page of the stack. */
  readonly stackRegister: number;
};

/** Indices of the functions in the same module, by their offset in the page. */
export type Siblings = ReadonlyMap<number, number>;

export function emitRegion(
  name: string,
  region: Region,
  siblings: Siblings,
  functionIndex: FunctionIndex,
  options: RegionOptions,
): FunctionBody {
  return new RegionEmitter(region, siblings, functionIndex, options).emit(name);
}

/** An exit shared by several places: the registers it writes back, and the branches that go there. */
type Stub = {
  /** Goes on in another region, so that the callers are come back to; else leaves to the dispatcher. */
  readonly goesOn: boolean;
  readonly dirty: RegisterSet;
  readonly words: Words;
  readonly branches: { readonly place: number; readonly depth: number }[];
};

/** Registers as bits. A register is in its i64 local unless it is stale there; then it is in its i32 local. */
type Words = {
  /** Known to be a sign-extended 32-bit word. */
  known: number;
  /** In its i32 local. */
  low: number;
  /** Not in its i64 local. */
  stale: number;
  /** Words that are known not to be negative. */
  natural: number;
};
const NO_WORDS: Readonly<Words> = { known: 0, low: 0, stale: 0, natural: 0 };

class RegionEmitter extends GuestEmitter {
  protected readonly tlbLocal: number;
  readonly #region: Region;
  readonly #siblings: Siblings;
  readonly #xLocals: number[] = [];
  readonly #wordLocals: number[] = [];
  readonly #fLocals: number[] = [];
  readonly #npc: number;
  readonly #exitOffset: number;
  readonly #touchesMemory: boolean;
  readonly #stackRegister: number;
  #stackPage: StackPage | undefined;
  readonly #stubs = new Map<string, Stub>();
  readonly #loopLabels = new Map<Block, number>();
  readonly #mergeLabels = new Map<Block, number>();
  /** Registers that may be dirty here. */
  #dirty: RegisterSet = { x: 0, f: 0 };
  #words: Words = { ...NO_WORDS };
  /** Blocks open at the start of the instruction: what is read deeper may not be read on every path. */
  #instructionDepth = 0;
  #floatReady = false;
  /** Registers that may be wild here; see `loop-pages.ts`. */
  #wild = 0;
  /** 1 once the next page was found to be the one that was translated; nothing else can come there until it is left. */
  readonly #nextKnown: number;
  /** Counts rounds of loops. */
  #budget: { readonly local: number; readonly limit: number } | undefined;
  /** The instruction in hand, and its block. */
  #offset = 0;
  #instruction: Translated | undefined;
  #block: Block;

  constructor(region: Region, siblings: Siblings, functionIndex: FunctionIndex, options: RegionOptions) {
    super(new Code(1 << 12), new Locals(REGION_TYPE.params.length), functionIndex, options.features);
    if (options.loopBudget !== undefined)
      this.#budget = { local: this.locals.allocate(I32), limit: options.loopBudget };
    this.#nextKnown = region.takesNext ? this.locals.allocate(I32) : 0;
    this.#region = region;
    this.#siblings = siblings;
    this.#block = region.entry;
    this.tlbLocal = this.locals.allocate(I32);
    this.#npc = this.locals.allocate(I64);
    this.#exitOffset = this.locals.allocate(I32);
    this.#touchesMemory = region.blocks.some((block) => block.instructions.some((i) => i.touchesMemory));
    this.#stackRegister = options.stackRegister;
    const onStack = (i: Translated): boolean => i.statements.some((s) => this.#isOnStack(s));
    if (region.blocks.some((block) => block.instructions.some(onStack))) {
      this.#stackPage = { page: this.locals.allocate(I64), addend: this.locals.allocate(I32) };
    }
  }

  emit(name: string): FunctionBody {
    const { code } = this;
    this.#load(this.#region.entry.live);
    const start = code.length;
    this.#tree(this.#region.entry);
    code.byte(0x00);
    const body = code.bytes.subarray(start, code.length);
    const whole = new Code(code.length + 1024);
    whole.append(code.bytes.subarray(0, start));
    const stubs = [...this.#stubs.values()];
    stubs.forEach((stub, i) => {
      whole.block();
      for (const { place, depth } of stub.branches) code.patchBr(place, depth + i);
    });
    const shift = whole.length - start;
    whole.append(body);
    for (const stub of stubs) this.#stub(whole, stub);
    if (stubs.length > 0) whole.byte(0x00);
    whole.end();
    return {
      name,
      type: REGION_TYPE,
      locals: this.locals.types,
      code: whole.finish(),
      hints: this.hints.map(({ at, likely }) => ({ at: at + shift, likely })),
    };
  }

  /** Ends the stub's block and emits what lies behind: write back, then go on, or remember the pc and leave. */
  #stub(whole: Code, stub: Stub): void {
    whole.end();
    this.#spill(whole, stub.dirty, stub.words);
    whole.localGet(0);
    whole.localGet(BASE);
    whole.localGet(this.#exitOffset);
    whole.op(0xad);
    whole.op(0x7c);
    if (stub.goesOn) {
      whole.localGet(DEPTH);
      whole.returnCall(this.functionIndex("callFar"));
      return;
    }
    whole.localTee(this.#npc);
    whole.memory(0x37, 3, VCPU.pc);
    whole.localGet(this.#npc);
    whole.i64Const(1);
    whole.op(0x84);
    whole.return();
  }

  // Control flow

  #tree(block: Block): void {
    if (block.isLoopHeader) {
      if (block.quietLoop?.order === block.order) this.#forgetLastPages(block.quietLoop);
      this.code.loop();
      this.depth++;
      this.#loopLabels.set(block, this.depth);
    }
    const merges = block.dominated.filter((b) => b.isMerge);
    for (let i = merges.length - 1; i >= 0; i--) {
      this.openBlock();
      this.#mergeLabels.set(merges[i] as Block, this.depth);
    }
    this.#emitBlock(block);
    for (const merge of merges) {
      this.close();
      this.#tree(merge);
    }
    if (block.isLoopHeader) this.close();
  }

  #emitBlock(block: Block): void {
    this.#block = block;
    this.#dirty = { ...block.dirty };
    this.#words = { known: block.knownWords, low: block.words, stale: block.words, natural: 0 };
    this.#floatReady = block.floatReady;
    this.#wild = block.wild;
    this.#offset = block.offset;
    if (block.isLoopHeader) this.#requestCheck();
    for (const instruction of block.instructions) {
      this.#instruction = instruction;
      this.#instructionDepth = this.depth;
      // What is written on some paths only must be whole on the others.
      this.#extend(instruction.writes.x & ~instruction.kills.x);
      this.begin(instruction.temps);
      this.statements(instruction.statements);
      this.#wild = wildAfter(this.#wild, instruction.wild);
      this.#offset += instruction.lengthBytes;
    }
    if (!block.instructions.at(-1)?.end) this.#edge(block, block.end);
  }

  /** Somebody wants attention: leaves at the start of the loop. */
  #requestCheck(): void {
    const { code } = this;
    code.localGet(0);
    code.memory(0x28, 2, VCPU.request);
    if (this.#budget) {
      const { local, limit } = this.#budget;
      code.localGet(local);
      code.i32Const(1);
      code.op(0x6a);
      code.localTee(local);
      code.i32Const(limit);
      code.op(0x4b);
      code.op(0x72);
    }
    this.openHintedIf(0);
    this.#leaveByStub(this.#offset, false);
    this.close();
  }

  /** The label that an edge can branch to without further ado, if it has one. */
  #directLabel(from: Block, offset: number): number | undefined {
    return this.#goesBeyond(from, offset) ? undefined : this.#label(from, offset);
  }
  /** The label of an edge's target, if it has one. */
  #label(from: Block, offset: number): number | undefined {
    const to = this.#region.byOffset.get(offset);
    if (!to || isIrreducible(from, to)) return undefined;
    if (to.order <= from.order) return this.#loopLabels.get(to);
    return to.isMerge ? this.#mergeLabels.get(to) : undefined;
  }

  /** Goes from the end of a block to an offset; never falls through. */
  #edge(from: Block, offset: number): void {
    if (this.#goesBeyond(from, offset) && this.#region.byOffset.has(offset)) this.#requireNext(offset);
    const label = this.#label(from, offset);
    if (label !== undefined) {
      this.#settleWords(offset);
      this.code.br(this.depth - label);
      return;
    }
    const to = this.#region.byOffset.get(offset);
    if (to && !isIrreducible(from, to)) {
      this.#settleWords(offset);
      this.#tree(to);
    } else if (offset >= 0 && offset < PAGE_BYTES) this.#leaveByStub(offset, true);
    else this.#jumpFar(() => this.#address(offset));
  }

  #goesBeyond(from: Block, offset: number): boolean {
    const { span } = this.#region;
    return span.isBeyond(offset) && !span.isBeyond(from.offset);
  }

  /** The next page must be mapped to the code page that was translated, as it was then; else goes on elsewhere. */
  #requireNext(offset: number): void {
    const { code } = this;
    const { page, version } = this.#region.span.next as PageVersion;
    const entry = this.scratch(I32);
    code.localGet(this.#nextKnown);
    code.op(0x45);
    this.openHintedIf(0);
    this.fetchTag(() => this.#address(PAGE_BYTES), entry);
    this.#address(PAGE_BYTES);
    code.op(0x52);
    code.localGet(entry);
    code.memory(0x28, 2, FETCH_TLB.page);
    code.i32Const(page | 0);
    code.op(0x47);
    code.op(0x72);
    code.i32Const(page | 0);
    code.memory(0x28, 2, CODE_PAGE.version);
    code.i32Const(version);
    code.op(0x47);
    code.op(0x72);
    this.openHintedIf(0);
    this.#leaveByStub(offset, true);
    this.close();
    code.i32Const(1);
    code.localSet(this.#nextKnown);
    this.close();
  }

  protected control(s: Stmt): void {
    switch (s.kind) {
      case StmtKind.Branch:
        this.#branch(s.a as Expr);
        break;
      case StmtKind.Jump:
        this.#jump(s.op === JumpHint.Call);
        break;
      case StmtKind.JumpReg:
        this.#jumpReg(s.a as Expr, s.op);
        break;
      case StmtKind.Enter:
        this.#enter(s);
        break;
      default:
        throw new Error(`unknown IR statement kind ${s.kind}`);
    }
  }

  #branch(condition: Expr): void {
    const { code } = this;
    const block = this.#block;
    const taken = this.#offset + (this.#instruction as Translated).imm;
    const dirty = { ...this.#dirty };
    const takenLabel = this.#directLabel(block, taken);
    const otherwise = block.end;
    const otherwiseLabel = this.#directLabel(block, otherwise);
    if (takenLabel !== undefined) this.#settleWords(taken);
    else if (otherwiseLabel !== undefined) this.#settleWords(otherwise);
    this.expr(condition);
    const words = { ...this.#words };
    if (taken === otherwise) {
      code.op(0x1a);
      this.#edge(block, otherwise);
    } else if (takenLabel !== undefined) {
      code.brIf(this.depth - takenLabel);
      this.#edge(block, otherwise);
    } else if (otherwiseLabel !== undefined) {
      code.op(0x45);
      code.brIf(this.depth - otherwiseLabel);
      this.#edge(block, taken);
    } else {
      if (this.#region.byOffset.has(taken)) this.openIf();
      else this.openHintedIf(0);
      this.#edge(block, taken);
      this.close();
      this.#dirty = dirty;
      this.#words = words;
      this.#edge(block, otherwise);
    }
  }

  #jump(isCallJump: boolean): void {
    const block = this.#block;
    const target = this.#offset + (this.#instruction as Translated).imm;
    if (!isCallJump) {
      this.#edge(block, target);
      return;
    }
    const sibling = this.#siblings.get(target);
    if (sibling === undefined) {
      this.#callFar(() => this.#address(target));
      return;
    }
    const { code } = this;
    this.#spill(code, this.#dirty);
    // The callee's own code asks only in its loops: recursion must ask here.
    code.localGet(0);
    code.memory(0x28, 2, VCPU.request);
    code.localGet(DEPTH);
    code.op(0x45);
    code.op(0x72);
    this.openHintedIf(0);
    this.#address(target);
    code.return();
    this.close();
    code.localGet(0);
    code.localGet(BASE);
    this.#oneLess();
    code.call(sibling);
    this.#afterCall();
  }

  #jumpReg(target: Expr, hint: number): void {
    const { code } = this;
    if (hint === JumpHint.Call) {
      this.#callFar(() => this.expr(target));
    } else if (hint === JumpHint.Return) {
      this.#spill(code, this.#dirty);
      this.expr(target);
      code.return();
    } else this.#computedJump(target);
  }

  /** A jump table over the targets that have been seen; anything else goes on in another region. */
  #computedJump(target: Expr): void {
    const { code } = this;
    const labels = new Map<number, number>();
    for (const offset of this.#region.jumpTargets) {
      const label = this.#directLabel(this.#block, offset);
      if (label !== undefined) labels.set(offset, label);
    }
    const offsets = [...labels.keys()];
    if (offsets.length === 0) {
      this.#jumpFar(() => this.expr(target));
      return;
    }
    for (const offset of offsets) this.#settleWords(offset);
    const first = offsets[0] as number;
    const count = ((offsets.at(-1) as number) - first) / 2 + 1;
    const index = this.scratch(I64);
    this.expr(target);
    code.localTee(this.#npc);
    this.#address(first);
    code.op(0x7d);
    code.i64Const(1);
    code.op(0x88);
    code.localTee(index);
    code.i64Const(count);
    code.op(0x54);
    this.openIf();
    code.localGet(index);
    code.op(0xa7);
    code.brTable(
      Array.from({ length: count }, (_, i) => {
        const label = labels.get(first + 2 * i);
        return label === undefined ? 0 : this.depth - label;
      }),
      0,
    );
    this.close();
    this.#jumpFar(() => code.localGet(this.#npc));
  }

  /** Goes on in another region, or leaves. */
  #jumpFar(target: () => void): void {
    const { code } = this;
    this.#spill(code, this.#dirty);
    code.localGet(0);
    target();
    code.localGet(DEPTH);
    code.returnCall(this.functionIndex("callFar"));
  }

  #callFar(target: () => void): void {
    const { code } = this;
    this.#spill(code, this.#dirty);
    code.localGet(0);
    target();
    this.#oneLess();
    code.call(this.functionIndex("callFar"));
    this.#afterCall();
  }

  #oneLess(): void {
    this.code.localGet(DEPTH);
    this.code.i32Const(1);
    this.code.op(0x6b);
  }

  /** The pc that a call has come back with is on the stack: goes on at the return site when it is that one. */
  #afterCall(): void {
    const { code } = this;
    const block = this.#block;
    const site = this.#region.byOffset.get(block.end);
    if (!site || isIrreducible(block, site)) {
      code.return();
      return;
    }
    code.localTee(this.#npc);
    this.#address(block.end);
    code.op(0x52);
    this.openHintedIf(0);
    code.localGet(this.#npc);
    code.return();
    this.close();
    this.#load(site.live);
    this.#dirty = { x: 0, f: 0 };
    this.#words = { ...NO_WORDS };
    this.#edge(block, block.end);
  }

  /** Calls a routine that returns the next pc. */
  #enter(s: Stmt): void {
    const { code } = this;
    const resumes = s.op === 1;
    this.#spill(code, this.#dirty);
    code.localGet(0);
    this.pc();
    this.nextPc();
    for (const argument of s.args) this.expr(argument);
    code.call(this.functionIndex(s.name));
    if (resumes) {
      code.localTee(this.#npc);
      this.nextPc();
      code.op(0x52);
      this.openHintedIf(0);
      code.localGet(this.#npc);
    }
    // Bit 0: a caller must not take it for a return to it, since the mode may have changed.
    code.i64Const(1);
    code.op(0x84);
    code.return();
    if (!resumes) return;
    this.close();
    this.#dirty = { x: 0, f: 0 };
    this.#floatReady = false;
    if (this.#region.takesNext) {
      code.i32Const(0);
      code.localSet(this.#nextKnown);
    }
    const written = s.operand as number;
    this.#forgetWord(1 << written);
    this.#load({ x: written === 0 ? 0 : 1 << written, f: 0 });
  }

  // Exits

  #leaveByStub(offset: number, goesOn: boolean): void {
    const { code } = this;
    code.i32Const(offset);
    code.localSet(this.#exitOffset);
    const { x, f } = this.#dirty;
    const stale = this.#words.stale & x;
    const key = `${x},${f},${stale},${goesOn}`;
    let stub = this.#stubs.get(key);
    if (!stub) {
      stub = { goesOn, dirty: { x, f }, words: { ...NO_WORDS, stale }, branches: [] };
      this.#stubs.set(key, stub);
    }
    stub.branches.push({ place: code.brLater(), depth: this.depth });
  }

  protected leaveForTrap(): void {
    this.#leaveByStub(this.#offset, false);
  }

  protected override requireFloat(): void {
    if (this.#floatReady) return;
    super.requireFloat();
    this.#floatReady = true;
  }

  // Registers

  #load({ x, f }: RegisterSet): void {
    const { code } = this;
    forEachBit(x, (register) => {
      code.localGet(0);
      code.memory(0x29, 3, VCPU.x + 8 * register);
      code.localSet(this.#xLocal(register));
    });
    forEachBit(f, (register) => {
      code.localGet(0);
      code.memory(0x2b, 3, VCPU.f + 8 * register);
      code.localSet(this.#fLocal(register));
    });
    if (!this.#touchesMemory) return;
    code.localGet(0);
    code.memory(0x28, 2, VCPU.tlbData);
    code.localSet(this.tlbLocal);
    if (this.#stackPage) this.loadStackPage(this.#stackPage);
  }

  /** True for a statement that accesses memory relative to the stack pointer. */
  #isOnStack(s: Stmt): boolean {
    if (s.kind === StmtKind.GuestStore) return this.#isStackAddress(s.a as Expr);
    return s.a?.kind === ExprKind.GuestLoad && this.#isStackAddress(s.a.a as Expr);
  }
  #isStackAddress(address: Expr): boolean {
    return baseRegister(address) === this.#stackRegister;
  }
  protected stackPage(address: Expr): StackPage | undefined {
    return this.#isStackAddress(address) ? this.#stackPage : undefined;
  }

  protected lastPage(address: Expr): LastPage | undefined {
    const register = baseRegister(address);
    const loop = this.#block.quietLoop;
    if (!loop || register === 0 || (this.#wild & (1 << register)) !== 0) return undefined;
    return { at: lastPageAt(register), isWritten: (loop.stores & (1 << register)) !== 0 };
  }
  #forgetLastPages({ bases }: QuietLoop): void {
    forEachBit(bases & ~(1 << this.#stackRegister), (register) => {
      this.code.localGet(0);
      this.code.i64Const(INVALID_TAG);
      this.code.memory(0x37, 2, lastPageAt(register) + LAST_PAGE.tag);
    });
  }

  #spill(code: Code, { x, f }: RegisterSet, words: Readonly<Words> = this.#words): void {
    forEachBit(x, (register) => {
      code.localGet(0);
      this.#getWhole(code, register, words);
      code.memory(0x37, 3, VCPU.x + 8 * register);
    });
    forEachBit(f, (register) => {
      code.localGet(0);
      code.localGet(this.#fLocal(register));
      code.memory(0x39, 3, VCPU.f + 8 * register);
    });
  }

  #xLocal(register: number): number {
    return (this.#xLocals[register] ??= this.locals.allocate(I64));
  }
  #wordLocal(register: number): number {
    return (this.#wordLocals[register] ??= this.locals.allocate(I32));
  }
  #fLocal(register: number): number {
    return (this.#fLocals[register] ??= this.locals.allocate(F64));
  }

  /** All 64 bits of a register, without a note that they have been extended. */
  #getWhole(code: Code, register: number, { stale, natural }: Readonly<Words>): void {
    const bit = 1 << register;
    if ((stale & bit) === 0) {
      code.localGet(this.#xLocal(register));
      return;
    }
    code.localGet(this.#wordLocal(register));
    code.op((natural & bit) === 0 ? 0xac : 0xad);
  }
  protected getReg(reg: Operand): void {
    const register = reg as number;
    const wasStale = (this.#words.stale & (1 << register)) !== 0;
    this.#getWhole(this.code, register, this.#words);
    if (!wasStale || this.depth !== this.#instructionDepth) return;
    this.code.localTee(this.#xLocal(register));
    this.#words.stale &= ~(1 << register);
  }
  /** The low word of a register, as i32. */
  #getWord(register: number): void {
    const { code } = this;
    if (this.#words.low & (1 << register)) code.localGet(this.#wordLocal(register));
    else {
      code.localGet(this.#xLocal(register));
      code.op(0xa7);
    }
  }

  protected setReg(reg: Operand, value: Expr): void {
    if (reg === 0) {
      if (isPure(value)) return;
      this.expr(value);
      this.code.op(0x1a);
      return;
    }
    const register = reg as number;
    const bit = 1 << register;
    const { code } = this;
    if (this.depth !== this.#instructionDepth) {
      this.expr(value);
      code.localSet(this.#xLocal(register));
      this.#forgetWord(bit);
      this.#dirty.x |= bit;
      return;
    }
    const isWord = isWordLoad(value) || this.#isWord(value);
    const isNaturalWord = isWord && this.#isNaturalWord(value);
    const isWholeWordLoad = isWordLoad(value) && value.value === 4;
    const isLow = isWord && (isWordLoad(value) ? isWholeWordLoad : this.#isLow(value));
    if (isLow) {
      if (isWholeWordLoad) this.expr({ ...value, type: I32 });
      else this.#wordExpr(value);
      code.localSet(this.#wordLocal(register));
    }
    const isConst = isWordConst(value);
    if (!isLow || isConst) {
      this.expr(value);
      code.localSet(this.#xLocal(register));
    }
    this.#forgetWord(bit);
    // Only now: a load that faults must find the register as it was.
    this.#dirty.x |= bit;
    const words = this.#words;
    if (isWord) words.known |= bit;
    if (isLow) words.low |= bit;
    if (isLow && !isConst) words.stale |= bit;
    if (isNaturalWord) words.natural |= bit;
  }

  // 32-bit words

  #forgetWord(bits: number): void {
    const words = this.#words;
    words.known &= ~bits;
    words.low &= ~bits;
    words.stale &= ~bits;
    words.natural &= ~bits;
  }
  /** True when the i64 expression is a word, as far as is known here. */
  #isWord(e: Expr): boolean {
    const inputs = wordInputs(e);
    return inputs !== -1 && (this.#words.known & inputs) === inputs;
  }
  #isNaturalWord(e: Expr): boolean {
    if (e.kind === ExprKind.Reg) return (this.#words.natural & (1 << (e.operand as number))) !== 0;
    return isNatural(e);
  }
  /** True when a word is best computed as i32: it is one by its operation, or some part of it is in an i32 local. */
  #isLow(e: Expr): boolean {
    if (e.kind === ExprKind.Reg) return (this.#words.low & (1 << (e.operand as number))) !== 0;
    if (isBitwise(e)) return this.#hasLow(e.a as Expr) || this.#hasLow(e.b as Expr);
    return true;
  }
  #hasLow(e: Expr): boolean {
    return e.kind !== ExprKind.Const && this.#isLow(e);
  }
  /** The low word of an i64 expression that is bitwise, a register, a constant, or extended from i32. */
  #wordExpr(e: Expr): void {
    const { code } = this;
    if (e.kind === ExprKind.Reg) this.#getWord(e.operand as number);
    else if (e.kind === ExprKind.Const) code.i32Const(wordConst(e) as number);
    else if (isBitwise(e)) {
      this.#wordExpr(e.a as Expr);
      this.#wordExpr(e.b as Expr);
      code.op(e.op - BITWISE_STEP);
    } else if (isSignExtended(e) || isTruth(e)) this.expr(e.a as Expr);
    else {
      this.expr(e);
      code.op(0xa7);
    }
  }
  /** True when reading all of the expression's 64 bits would extend a register. */
  #isStale(e: Expr): boolean {
    return e.kind === ExprKind.Reg && (this.#words.stale & (1 << (e.operand as number))) !== 0;
  }

  override expr(e: Expr): void {
    const { code } = this;
    const a = e.a as Expr;
    if (isWrap(e) && a.kind === ExprKind.Reg) this.#getWord(a.operand as number);
    else if (isEqz(e) && this.#isStale(a)) {
      this.#wordExpr(a);
      code.op(EQZ_I32);
    } else if (isCompare(e) && this.#isWordCompare(a, e.b as Expr)) {
      this.#wordExpr(a);
      this.#wordExpr(e.b as Expr);
      code.op(e.op - COMPARE_STEP);
    } else super.expr(e);
  }
  #isWordCompare(a: Expr, b: Expr): boolean {
    return (this.#isStale(a) || this.#isStale(b)) && this.#isWord(a) && this.#isWord(b);
  }

  protected override guestStore(store: Stmt): void {
    const value = store.b as Expr;
    if (store.op > 4 || !this.#isStale(value)) super.guestStore(store);
    else super.guestStore({ ...store, b: wrapped(value) });
  }

  /** Puts registers that are words alone into their i64 locals. */
  #extend(registers: number): void {
    forEachBit(this.#words.stale & registers, (register) => {
      this.#getWhole(this.code, register, this.#words);
      this.code.localSet(this.#xLocal(register));
    });
    this.#words.stale &= ~registers;
  }
  /** Puts registers where the block at `offset` wants them. */
  #settleWords(offset: number): void {
    const { words, live } = this.#region.byOffset.get(offset) as Block;
    this.#extend(live.x & ~words);
    forEachBit(words & ~this.#words.low, (register) => {
      this.#getWord(register);
      this.code.localSet(this.#wordLocal(register));
      this.#words.low |= 1 << register;
    });
  }

  protected getFReg(reg: Operand): void {
    this.code.localGet(this.#fLocal(reg as number));
  }
  protected setFReg(reg: Operand, value: Expr): void {
    this.expr(value);
    this.code.localSet(this.#fLocal(reg as number));
    this.#dirty.f |= 1 << (reg as number);
  }
  protected immediate(_operand: Operand, _type: ValueType): void {
    throw new Error("an immediate is known when a region is translated");
  }

  protected pc(): void {
    this.#address(this.#offset);
  }
  protected nextPc(): void {
    this.#address(this.#offset + (this.#instruction as Translated).lengthBytes);
  }
  #address(offset: number): void {
    const { code } = this;
    code.localGet(BASE);
    if (offset === 0) return;
    code.i64Const(offset);
    code.op(0x7c);
  }
}

function forEachBit(set: number, each: (index: number) => void): void {
  for (let rest = set; rest !== 0; ) {
    const index = 31 - Math.clz32(rest & -rest);
    each(index);
    rest &= rest - 1;
  }
}

const lastPageAt = (register: number): number => VCPU.lastPages + LAST_PAGE.entryBytes * register;

const wrapped = (a: Expr): Expr => ({ ...a, kind: ExprKind.Unary, type: I32, op: CONVERT.wrap[0], a });

const IMPURE: readonly number[] = [ExprKind.GuestLoad, ExprKind.Call, ExprKind.CallIndirect, ExprKind.Atomic];
/** True when evaluating has no effect. */
function isPure(e: Expr): boolean {
  if (IMPURE.includes(e.kind)) return false;
  return (!e.a || isPure(e.a)) && (!e.b || isPure(e.b)) && (!e.c || isPure(e.c)) && e.args.every(isPure);
}
