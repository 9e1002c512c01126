/**
 * Address translation and physical memory protection, as routines.
 *
 *   va -> walk (Sv39, Sv48, Sv57) -> pa -> PMP -> RAM or device
 *
 * Spec: RISC-V Privileged Architecture 1.13, 11.3.2 "Virtual Address Translation Process", 3.7 "PMP", Svadu, Svnapot, Svpbmt.
 */
import { Access, NO_HOST, PERMISSION } from "#cpu/engine/softmmu.ts";
import { type Routine, routine } from "#cpu/engine/routine.ts";
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, I32, I64 } from "#cpu/ir/ir.ts";
import { Cause, MENVCFG, PTE } from "#cpu/isa/riscv/constants.ts";
import { Feature, MmuMode, REGIONS, VCPU } from "#cpu/vcpu/layout.ts";

/** Records a trap; `value` goes to xtval. */
export function recordTrap(b: Builder, cause: Expr, value: Expr): void {
  b.set(VCPU.trapCause, cause);
  b.set(VCPU.trapValue, value);
  b.set(VCPU.trapPending, b.i32(1));
}

/** Picks a cause by the kind of access. */
function causeOf(b: Builder, access: Expr, read: number, write: number, execute: number): Expr {
  return b.select(
    b.eq(access, b.i32(Access.Read)),
    b.i64(read),
    b.select(b.eq(access, b.i32(Access.Write)), b.i64(write), b.i64(execute)),
  );
}

const faultRoutine = (name: string, read: number, write: number, execute: number): Routine =>
  routine(name, [I64, I32], undefined, (b, va, access) => recordTrap(b, causeOf(b, access, read, write, execute), va));

const pageFault = faultRoutine("pageFault", Cause.LoadPage, Cause.StorePage, Cause.InstructionPage);
const accessFault = faultRoutine("accessFault", Cause.LoadAccess, Cause.StoreAccess, Cause.InstructionAccess);
const misalignedFault = faultRoutine(
  "misalignedFault",
  Cause.LoadMisaligned,
  Cause.StoreMisaligned,
  Cause.InstructionMisaligned,
);

/** Host address of `pa`, or 1 when no RAM answers this access there; the block's flags go to helperC. */
const hostOf = routine("hostOf", [I64, I32], I32, (b, pa, access) => {
  const entry = b.variable(b.i32(REGIONS.entries));
  const end = b.let(
    b.add(b.i32(REGIONS.entries), b.mul(b.load(I32, b.i32(0), REGIONS.count), b.i32(REGIONS.entryBytes))),
  );
  b.loop((label) => {
    b.if(b.geU(entry, end), () => b.break(label));
    const offset = b.let(b.sub(pa, b.load(I64, entry, REGIONS.first)));
    b.if(b.ltU(offset, b.load(I64, entry, REGIONS.size)), () => {
      const flags = b.let(b.load(I32, entry, REGIONS.flags));
      const wanted = b.select(b.eq(access, b.i32(Access.Write)), b.i32(REGIONS.writable), b.i32(REGIONS.readable));
      b.if(b.eqz(b.and(flags, wanted)), () => b.return(b.i32(NO_HOST.device)));
      b.set(VCPU.helperC, b.extU(flags));
      const host = b.let(b.add(b.load(I32, entry, REGIONS.host), b.wrap(offset)));
      b.effect("awaitPage", [b.cpu(), host]);
      b.return(host);
    });
    b.assign(entry, b.add(entry, b.i32(REGIONS.entryBytes)));
    b.continue(label);
  });
  b.return(b.i32(NO_HOST.device));
});

/** PMP permissions of `pa`: R 1, W 2, X 4; 8 when the rest of the page is not the same. */
const PMP_PARTIAL = 8;
const pmpCheck = routine("pmpCheck", [I64, I32], I32, (b, pa, machine) => {
  const entry = b.variable(b.add(b.cpu(), b.i32(VCPU.pmpRanges)));
  const end = b.let(b.add(b.add(b.cpu(), b.i32(VCPU.pmpRanges)), b.mul(b.get(I32, VCPU.pmpCount), b.i32(24))));
  const page = b.let(b.and(pa, b.i64(-4096)));
  const pageLast = b.let(b.or(page, b.i64(4095)));
  const partial = b.variable(b.i32(0));
  const LOCKED = 128;
  b.loop((label) => {
    b.if(b.geU(entry, end), () => b.break(label));
    const first = b.let(b.load(I64, entry, 0));
    const last = b.let(b.load(I64, entry, 8));
    b.if(b.and(b.leU(first, pageLast), b.geU(last, page)), () => {
      b.if(b.or(b.gtU(first, page), b.ltU(last, pageLast)), () => b.assign(partial, b.i32(PMP_PARTIAL)));
      b.if(b.and(b.leU(first, pa), b.geU(last, pa)), () => {
        const config = b.let(b.load(I32, entry, 16));
        b.if(b.and(machine, b.eqz(b.and(config, b.i32(LOCKED)))), () => b.return(b.or(partial, b.i32(7))));
        b.return(b.or(partial, b.and(config, b.i32(7))));
      });
    });
    b.assign(entry, b.add(entry, b.i32(24)));
    b.continue(label);
  });
  b.return(b.or(partial, b.select(machine, b.i32(7), b.i32(0))));
});

/**
 * 1 when the first PMP entry that matches any byte of an access matches them all: else it is refused, whatever the
 * entry says and in machine mode too (3.7.1.3).
 */
const pmpSpan = routine("pmpSpan", [I64, I32], I32, (b, pa, width) => {
  const entry = b.variable(b.add(b.cpu(), b.i32(VCPU.pmpRanges)));
  const end = b.let(b.add(b.add(b.cpu(), b.i32(VCPU.pmpRanges)), b.mul(b.get(I32, VCPU.pmpCount), b.i32(24))));
  const paLast = b.let(b.add(pa, b.extU(b.sub(width, b.i32(1)))));
  b.loop((label) => {
    b.if(b.geU(entry, end), () => b.break(label));
    const first = b.let(b.load(I64, entry, 0));
    const last = b.let(b.load(I64, entry, 8));
    b.if(b.and(b.leU(first, paLast), b.geU(last, pa)), () => b.return(b.and(b.leU(first, pa), b.geU(last, paLast))));
    b.assign(entry, b.add(entry, b.i32(24)));
    b.continue(label);
  });
  b.return(b.i32(1));
});

/** Walks the page table; 1 with the address in helperA and the leaf's permissions in helperB, or 0 with a fault. */
const walk = routine("walk", [I64, I32, I32], I32, (b, va, access, mode) => {
  const fault = (): void => {
    b.effect("pageFault", [b.cpu(), va, access]);
    b.return(b.i32(0));
  };
  const satp = b.let(b.get(I64, VCPU.satp));
  const levels = b.let(b.sub(b.wrap(b.shrU(satp, b.i64(60))), b.i32(5)));
  const unusedBits = b.let(b.extU(b.sub(b.i32(52), b.mul(levels, b.i32(9)))));
  b.if(b.ne(b.shrS(b.shl(va, unusedBits), unusedBits), va), fault);
  const table = b.variable(b.shl(b.and(satp, b.i64((1n << 44n) - 1n)), b.i64(12)));
  const shift = b.variable(b.add(b.mul(levels, b.i32(9)), b.i32(3)));
  const menvcfg = b.let(b.get(I64, VCPU.menvcfg));
  b.loop((label) => {
    const index = b.and(b.shrU(va, b.extU(shift)), b.i64(511));
    const pteAddress = b.let(b.add(table, b.shl(index, b.i64(3))));
    const pteHost = b.let(b.call("hostOf", I32, [b.cpu(), pteAddress, b.i32(Access.Read)]));
    b.if(b.eq(pteHost, b.i32(NO_HOST.device)), () => {
      b.effect("accessFault", [b.cpu(), va, access]);
      b.return(b.i32(0));
    });
    const pte = b.let(b.load(I64, pteHost, 0));
    const low = b.let(b.wrap(pte));
    // A writable page that is not readable is reserved (11.3.2 step 3).
    b.if(b.eqz(b.and(low, b.i32(PTE.V))), fault);
    b.if(b.eq(b.and(low, b.i32(PTE.R | PTE.W)), b.i32(PTE.W)), fault);
    b.if(b.ne(b.and(pte, b.i64(PTE.RESERVED)), b.i64(0)), fault);
    const ppn = b.let(b.and(b.shrU(pte, b.i64(PTE.PPN_BIT)), b.i64((1n << 44n) - 1n)));
    b.if(b.eqz(b.and(low, b.i32(PTE.R | PTE.X))), () => {
      b.if(b.ne(b.and(pte, b.i64(PTE.N | PTE.PBMT | BigInt(PTE.D | PTE.A | PTE.U))), b.i64(0)), fault);
      b.if(b.eq(shift, b.i32(12)), fault);
      b.assign(shift, b.sub(shift, b.i32(9)));
      b.assign(table, b.shl(ppn, b.i64(12)));
      b.continue(label);
    });
    // Leaf. Svpbmt: reserved value 3, and all of it while menvcfg.PBMTE is off.
    b.if(b.ne(b.and(pte, b.i64(PTE.PBMT)), b.i64(0)), () => {
      b.if(b.eqz(b.and(menvcfg, b.i64(MENVCFG.PBMTE))), fault);
      b.if(b.eq(b.and(pte, b.i64(PTE.PBMT)), b.i64(PTE.PBMT)), fault);
    });
    b.if(
      b.and(low, b.i32(PTE.U)),
      () => {
        b.if(b.eq(mode, b.i32(MmuMode.Supervisor)), fault);
        b.if(b.and(b.ne(mode, b.i32(MmuMode.User)), b.eq(access, b.i32(Access.Execute))), fault);
      },
      () => b.if(b.eq(mode, b.i32(MmuMode.User)), fault),
    );
    const mxr = b.let(b.wrap(b.shrU(b.get(I64, VCPU.mstatus), b.i64(19))));
    const readable = b.let(b.and(b.or(b.shrU(low, b.i32(1)), b.and(mxr, b.shrU(low, b.i32(3)))), b.i32(1)));
    b.if(b.and(b.eq(access, b.i32(Access.Read)), b.eqz(readable)), fault);
    b.if(b.and(b.eq(access, b.i32(Access.Write)), b.eqz(b.and(low, b.i32(PTE.W)))), fault);
    b.if(b.and(b.eq(access, b.i32(Access.Execute)), b.eqz(b.and(low, b.i32(PTE.X)))), fault);
    const pageMask = b.let(b.sub(b.shl(b.i64(1), b.extU(b.sub(shift, b.i32(12)))), b.i64(1)));
    b.if(b.ne(b.and(ppn, pageMask), b.i64(0)), fault);
    const frame = b.variable(b.or(ppn, b.and(b.shrU(va, b.i64(12)), pageMask)));
    // Svnapot: 64 KiB, encoded by ppn[3:0] = 8 at the last level.
    b.if(b.ne(b.and(pte, b.i64(PTE.N)), b.i64(0)), () => {
      b.if(b.eqz(b.and(b.get(I32, VCPU.features), b.i32(Feature.Svnapot))), fault);
      b.if(b.ne(shift, b.i32(12)), fault);
      b.if(b.ne(b.and(ppn, b.i64(15)), b.i64(8)), fault);
      b.assign(frame, b.or(b.and(ppn, b.i64(-16)), b.and(b.shrU(va, b.i64(12)), b.i64(15))));
    });
    const wanted = b.let(b.or(low, b.select(b.eq(access, b.i32(Access.Write)), b.i32(PTE.A | PTE.D), b.i32(PTE.A))));
    b.if(b.ne(wanted, low), () => {
      b.if(b.eqz(b.and(menvcfg, b.i64(MENVCFG.ADUE))), fault);
      const updated = b.or(pte, b.extU(b.and(wanted, b.i32(PTE.A | PTE.D))));
      const pteWritable = b.let(b.call("hostOf", I32, [b.cpu(), pteAddress, b.i32(Access.Write)]));
      b.if(b.eq(pteWritable, b.i32(NO_HOST.device)), () => {
        b.effect("accessFault", [b.cpu(), va, access]);
        b.return(b.i32(0));
      });
      b.effect("markDirty", [b.cpu(), pteWritable]);
      // Somebody else changed the entry: look at it again.
      b.if(b.ne(b.rmw("compareExchange", 8, pteHost, updated, pte), pte), () => b.continue(label));
    });
    // What a flush must know of the entry that may be made of this: large pages, and pages of this address space alone.
    b.if(b.or(b.ne(shift, b.i32(12)), b.ne(b.and(pte, b.i64(PTE.N)), b.i64(0))), () => {
      const sizeMask = b.let(
        b.select(b.eq(shift, b.i32(12)), b.i64(0xffff), b.sub(b.shl(b.i64(1), b.extU(shift)), b.i64(1))),
      );
      const first = b.let(b.and(va, b.xor(sizeMask, b.i64(-1))));
      const last = b.let(b.or(va, sizeMask));
      b.if(b.ltU(first, b.get(I64, VCPU.largeFirst)), () => b.set(VCPU.largeFirst, first));
      b.if(b.gtU(last, b.get(I64, VCPU.largeLast)), () => b.set(VCPU.largeLast, last));
    });
    b.if(b.eqz(b.and(low, b.i32(PTE.G))), () =>
      b.if(b.eq(mode, b.i32(MmuMode.Supervisor)), () => b.set(VCPU.localEntries, b.i32(1))),
    );
    b.set(VCPU.helperA, b.or(b.shl(frame, b.i64(12)), b.and(va, b.i64(4095))));
    const writable = b.and(b.eq(b.and(wanted, b.i32(PTE.W | PTE.D)), b.i32(PTE.W | PTE.D)), b.i32(1));
    b.set(VCPU.helperB, b.extU(b.or(readable, b.shl(writable, b.i32(1)))));
  });
  b.return(b.i32(1));
});

/** See `softmmu.ts`. The access lies in one page, so nothing need be done where the page is all alike. */
const translateSpan = routine("translateSpan", [I64, I32, I32, I32], I32, (b, va, width, access, mode) => {
  const host = b.let(b.call("translate", I32, [b.cpu(), va, access, mode]));
  b.if(b.and(b.ne(host, b.i32(NO_HOST.trap)), b.eqz(b.get(I64, VCPU.helperB))), () =>
    b.if(b.eqz(b.call("pmpSpan", I32, [b.cpu(), b.get(I64, VCPU.helperA), width])), () => {
      b.effect("accessFault", [b.cpu(), va, access]);
      b.return(b.i32(NO_HOST.trap));
    }),
  );
  b.return(host);
});

/** See `softmmu.ts`. */
const translate = routine("translate", [I64, I32, I32], I32, (b, va, access, mode) => {
  b.set(VCPU.helperA, va);
  b.set(VCPU.helperB, b.i64(PERMISSION.read | PERMISSION.write));
  const translated = b.and(
    b.ne(mode, b.i32(MmuMode.Machine)),
    b.ne(b.shrU(b.get(I64, VCPU.satp), b.i64(60)), b.i64(0)),
  );
  b.if(translated, () =>
    b.if(b.eqz(b.call("walk", I32, [b.cpu(), va, access, mode])), () => b.return(b.i32(NO_HOST.trap))),
  );
  const pa = b.let(b.get(I64, VCPU.helperA));
  const pmp = b.let(b.call("pmpCheck", I32, [b.cpu(), pa, b.eq(mode, b.i32(MmuMode.Machine))]));
  b.if(b.eqz(b.and(pmp, b.shl(b.i32(1), access))), () => {
    b.effect("accessFault", [b.cpu(), va, access]);
    b.return(b.i32(NO_HOST.trap));
  });
  const host = b.let(b.call("hostOf", I32, [b.cpu(), pa, access]));
  const shared = b.and(b.and(b.get(I64, VCPU.helperB), b.get(I64, VCPU.helperC)), b.extU(pmp));
  b.set(VCPU.helperB, b.select(b.and(pmp, b.i32(PMP_PARTIAL)), b.i64(0), shared));
  b.return(host);
});

export const MMU_ROUTINES: readonly Routine[] = [
  pageFault,
  accessFault,
  misalignedFault,
  hostOf,
  pmpCheck,
  pmpSpan,
  walk,
  translate,
  translateSpan,
];
