/**
 * What the interpreter and the region translator share: guest memory accesses with the TLB check in line.
 *
 * Hit: `host = va + addend`. Miss, device, misaligned: a call to the slow path, marked unlikely, which also does the
 * access; it may record a trap, and then the function is left.
 */
import { Emitter, loadOpcode, signedLoadOpcode, storeOpcode } from "#cpu/engine/emitter.ts";
import { SIGNED_BIT } from "#cpu/engine/softmmu.ts";
import { type Expr, F64, I32, I64, type Stmt, type ValueType } from "#cpu/ir/ir.ts";
import { FETCH_TLB, LAST_PAGE, TLB, VCPU } from "#cpu/vcpu/layout.ts";
import { VOID } from "#cpu/wasm/code.ts";

const INDEX_SHIFT = 7;
const INDEX_MASK = (TLB.entries - 1) * TLB.entryBytes;

/** Locals: i64 tag of the page, i32 addend. */
export type StackPage = { readonly page: number; readonly addend: number };
/** The page of the last access relative to a register, in the vCPU block: one that can be read, or read and written. */
export type LastPage = { readonly at: number; readonly isWritten: boolean };

/** An access that may be in the last page: its address without the bits in the page, but those that alignment clears. */
type LastAccess = { readonly last: LastPage; readonly masked: number };

export abstract class GuestEmitter extends Emitter {
  protected readonly trapPendingOffset = VCPU.trapPending;
  /** Local that holds the host address of the data TLB in use. */
  protected abstract readonly tlbLocal: number;

  /** Locals that hold the page of the stack and its addend, when the address is one of the stack's. */
  protected abstract stackPage(address: Expr): StackPage | undefined;

  /** Where the page of the last access relative to the same register is, if it is kept. */
  protected abstract lastPage(address: Expr): LastPage | undefined;

  protected guestLoad(load: Expr): void {
    const { code } = this;
    const width = load.value as number;
    const va = this.scratch(I64);
    const stack = this.stackPage(load.a as Expr);
    if (stack) {
      this.#onStack(load.a as Expr, va, width, stack, load.type);
      this.#load(load);
      code.else();
      code.localGet(0);
      code.localGet(va);
      code.i32Const(width | (load.op ? SIGNED_BIT : 0));
      code.call(this.functionIndex("stackLoad"));
      if (load.type === F64) code.op(0xbf);
      if (load.type === I32) code.op(0xa7);
      this.checkTrap();
      this.loadStackPage(stack);
      this.close();
      return;
    }
    const last = this.lastPage(load.a as Expr);
    const access = last && this.#inLastPage(load.a as Expr, va, width, last, load.type);
    if (access) {
      this.#load(load);
      code.else();
    }
    const entry = access
      ? this.#lookUpAgain(va, access, TLB.readTag)
      : this.#lookUp(load.a as Expr, va, width, TLB.readTag);
    this.openHintedIf(1, load.type);
    if (access) this.#remember(access, entry, TLB.writeTag);
    this.#hostAddress(va, entry);
    this.#load(load);
    code.else();
    code.localGet(0);
    code.localGet(va);
    code.i32Const(width | (load.op ? SIGNED_BIT : 0));
    code.call(this.functionIndex("loadSlow"));
    if (load.type === F64) code.op(0xbf);
    if (load.type === I32) code.op(0xa7);
    this.checkTrap();
    this.close();
    if (access) this.close();
  }

  protected guestStore(store: Stmt): void {
    const { code } = this;
    const width = store.op;
    const source = store.b as Expr;
    const va = this.scratch(I64);
    const value = this.scratch(source.type);
    this.expr(source);
    code.localSet(value);
    const slow = (routine: string): void => {
      code.localGet(0);
      code.localGet(va);
      code.i32Const(width);
      code.localGet(value);
      if (source.type === F64) code.op(0xbd);
      if (source.type === I32) code.op(0xad);
      code.call(this.functionIndex(routine));
      this.checkTrap();
    };
    const stack = this.stackPage(store.a as Expr);
    if (stack) {
      this.#onStack(store.a as Expr, va, width, stack, VOID);
      code.localGet(value);
      code.memory(storeOpcode(source.type, width), 0, 0);
      code.else();
      slow("stackStore");
      this.loadStackPage(stack);
      this.close();
      return;
    }
    const last = this.lastPage(store.a as Expr);
    const access = last && this.#inLastPage(store.a as Expr, va, width, last, VOID);
    if (access) {
      code.localGet(value);
      code.memory(storeOpcode(source.type, width), 0, 0);
      code.else();
    }
    const entry = access
      ? this.#lookUpAgain(va, access, TLB.writeTag)
      : this.#lookUp(store.a as Expr, va, width, TLB.writeTag);
    this.openHintedIf(1);
    if (access) this.#remember(access, entry, TLB.readTag);
    this.#hostAddress(va, entry);
    code.localGet(value);
    code.memory(storeOpcode(source.type, width), 0, 0);
    code.else();
    slow("storeSlow");
    this.close();
    if (access) this.close();
  }

  /** The host address is on the stack. */
  #load(load: Expr): void {
    const { code } = this;
    const width = load.value as number;
    if (load.type === F64) code.memory(loadOpcode(F64, 8), 0, 0);
    else if (load.type === I32) code.memory(loadOpcode(I32, width), 0, 0);
    else code.memory(load.op ? signedLoadOpcode(width) : loadOpcode(I64, width), 0, 0);
  }

  /** Opens an `if` for addresses in the stack's page, with the host address on the stack: no TLB entry need be loaded. */
  #onStack(address: Expr, va: number, width: number, stack: StackPage, type: ValueType | typeof VOID): void {
    const { code } = this;
    this.expr(address);
    code.localTee(va);
    code.i64Const(-4096 | (width - 1));
    code.op(0x83);
    code.localGet(stack.page);
    code.op(0x51);
    this.openHintedIf(1, type);
    code.localGet(va);
    code.op(0xa7);
    code.localGet(stack.addend);
    code.op(0x6a);
  }

  /** Opens an `if` for addresses in the page of the last access, with the host address on the stack. */
  #inLastPage(address: Expr, va: number, width: number, last: LastPage, type: ValueType | typeof VOID): LastAccess {
    const { code } = this;
    const masked = this.scratch(I64);
    this.expr(address);
    code.localTee(va);
    code.i64Const(-4096 | (width - 1));
    code.op(0x83);
    code.localTee(masked);
    code.localGet(0);
    code.memory(0x29, 2, last.at + LAST_PAGE.tag);
    code.op(0x51);
    this.openHintedIf(1, type);
    code.localGet(va);
    code.op(0xa7);
    code.localGet(0);
    code.memory(0x28, 2, last.at + LAST_PAGE.addend);
    code.op(0x6a);
    return { last, masked };
  }
  /** As {@link #lookUp}, for an address that is in locals. */
  #lookUpAgain(va: number, { masked }: LastAccess, tag: number): number {
    const entry = this.#entryOf(va);
    this.code.memory(0x29, 3, tag);
    this.code.localGet(masked);
    this.code.op(0x51);
    return entry;
  }
  /** After a hit with one tag: takes the page over, if the other kind of access is allowed as well where that is asked. */
  #remember({ last, masked }: LastAccess, entry: number, otherTag: number): void {
    const { code } = this;
    code.localGet(0);
    if (last.isWritten) {
      code.localGet(entry);
      code.memory(0x29, 3, otherTag);
    } else code.localGet(masked);
    code.memory(0x37, 2, last.at + LAST_PAGE.tag);
    code.localGet(0);
    code.localGet(entry);
    code.memory(0x28, 2, TLB.addend);
    code.memory(0x36, 2, last.at + LAST_PAGE.addend);
  }

  /** Takes over the page in the vCPU block: what a slow access has found, or what was there before a call. */
  protected loadStackPage({ page, addend }: StackPage): void {
    const { code } = this;
    code.localGet(0);
    code.memory(0x29, 2, VCPU.stackPage);
    code.localSet(page);
    code.localGet(0);
    code.memory(0x28, 2, VCPU.stackAddend);
    code.localSet(addend);
  }

  protected requireFloat(): void {
    const { code } = this;
    code.localGet(0);
    code.memory(0x28, 2, VCPU.fpReady);
    code.op(0x45);
    this.openHintedIf(0);
    code.localGet(0);
    this.pc();
    code.call(this.functionIndex("fpEnable"));
    this.checkTrap();
    this.close();
  }

  /** Leaves an i32 on the stack, 1 on a hit; returns the local with the entry's address. */
  #lookUp(address: Expr, va: number, width: number, tag: number): number {
    const { code } = this;
    this.expr(address);
    code.localSet(va);
    const entry = this.#entryOf(va);
    code.memory(0x29, 3, tag);
    code.localGet(va);
    // The low bits must be clear as well: a misaligned access takes the slow path.
    code.i64Const(-4096 | (width - 1));
    code.op(0x83);
    code.op(0x51);
    return entry;
  }

  /** Leaves the tag of the fetch TLB entry of an address on the stack, and the entry's address in the local `entry`. */
  protected fetchTag(address: () => void, entry: number): void {
    const { code } = this;
    code.localGet(0);
    code.memory(0x28, 2, VCPU.tlbFetch);
    address();
    code.op(0xa7);
    code.i32Const(8);
    code.op(0x76);
    code.i32Const((FETCH_TLB.entries - 1) * FETCH_TLB.entryBytes);
    code.op(0x71);
    code.op(0x6a);
    code.localTee(entry);
    code.memory(0x29, 3, FETCH_TLB.tag);
  }

  /** Leaves the entry's address on the stack and in the local that it returns. */
  #entryOf(va: number): number {
    const { code } = this;
    const entry = this.scratch(I32);
    code.localGet(va);
    code.op(0xa7);
    code.i32Const(INDEX_SHIFT);
    code.op(0x76);
    code.i32Const(INDEX_MASK);
    code.op(0x71);
    code.localGet(this.tlbLocal);
    code.op(0x6a);
    code.localTee(entry);
    return entry;
  }

  #hostAddress(va: number, entry: number): void {
    const { code } = this;
    code.localGet(va);
    code.op(0xa7);
    code.localGet(entry);
    code.memory(0x28, 2, TLB.addend);
    code.op(0x6a);
  }
}
