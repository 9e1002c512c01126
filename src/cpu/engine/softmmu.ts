/**
 * Slow paths of guest memory accesses: what an engine calls when its inline TLB check fails.
 *
 *   address -> translate (the ISA's page walk) -> RAM: fill the TLB and access; device: call out; else record a trap
 *
 * The ISA provides routine `translate(cpu, va, access, mode)` -> host address, or 0 with a trap recorded, or 1 for a
 * device; it leaves the physical address in helperA and the page's permissions in helperB (see `PERMISSION`), and
 * `translateSpan(cpu, va, width, access, mode)`, the same for `width` bytes that lie in one page.
 */
import { type Routine, routine } from "#cpu/engine/routine.ts";
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, I32, I64 } from "#cpu/ir/ir.ts";
import {
  FETCH_TLB,
  FILL_LIST,
  INVALID_TAG,
  JUMP_GENERATION_STEP,
  MMU_MODES,
  MmuMode,
  PAGE_MAPS,
  SEEN_LIST,
  TLB,
  VCPU,
  VCPU_FETCH_TLBS,
  VCPU_FETCH_TLB_BYTES,
  VCPU_FILL_LISTS,
  VCPU_TLB_BYTES,
  VCPU_TLBS,
} from "#cpu/vcpu/layout.ts";

/** Kinds of access. */
export const Access = { Read: 0, Write: 1, Execute: 2 } as const;
/** What `translate` leaves in helperB: which accesses may enter the TLB. */
export const PERMISSION = { read: 1, write: 2 } as const;
/** What `translate` returns when there is no host address. */
export const NO_HOST = { trap: 0, device: 1 } as const;

/** Kind argument of the slow load: width in bytes, and this bit for sign extension. */
export const SIGNED_BIT = 16;

const lastHost = (b: Builder, host: Expr): Expr => b.leU(host, b.i32(1));

/** Address of the entry of `va` in the current data TLB. */
export function entryAddress(b: Builder, va: Expr): Expr {
  const index = b.and(b.shrU(b.wrap(va), b.i32(7)), b.i32((TLB.entries - 1) * TLB.entryBytes));
  return b.add(b.get(I32, VCPU.tlbData), index);
}

/** Enters the page of `va` at `host`, with the permissions in helperB. */
const fillTlb = routine("fillTlb", [I64, I32], undefined, (b, va, host) => {
  const permissions = b.let(b.wrap(b.get(I64, VCPU.helperB)));
  const page = b.let(b.and(va, b.i64(-4096)));
  const entry = b.let(entryAddress(b, va));
  const invalid = b.i64(INVALID_TAG);
  const tag = (allowed: Expr): Expr => b.select(allowed, page, invalid);
  b.if(b.eqz(permissions), () => b.return());
  b.store(entry, TLB.readTag, tag(b.and(permissions, b.i32(PERMISSION.read))));
  // A page that is clean in the dirty map stays out until it is written.
  const dirty = b.call("isDirty", I32, [b.cpu(), host]);
  b.store(entry, TLB.writeTag, tag(b.and(b.shrU(permissions, b.i32(1)), dirty)));
  b.store(entry, TLB.addend, b.sub(b.and(host, b.i32(-4096)), b.wrap(page)));
  const countAddress = b.let(b.add(b.cpu(), b.shl(b.get(I32, VCPU.mmuModeData), b.i32(2))));
  const count = b.let(b.load(I32, countAddress, VCPU.fillCount));
  b.if(b.ltU(count, b.i32(FILL_LIST)), () => {
    const list = b.add(b.cpu(), b.mul(b.get(I32, VCPU.mmuModeData), b.i32(FILL_LIST * 2)));
    const index = b.and(b.shrU(b.wrap(va), b.i32(12)), b.i32(TLB.entries - 1));
    b.store(b.add(list, b.shl(count, b.i32(1))), VCPU_FILL_LISTS, index, 2);
  });
  b.store(countAddress, VCPU.fillCount, b.add(count, b.i32(1)));
});

/** Invalidates the entries that were filled since the last flush in one data TLB. */
function flushData(b: Builder, mode: number): void {
  const table = VCPU_TLBS + mode * VCPU_TLB_BYTES;
  const countAt = VCPU.fillCount + 4 * mode;
  const count = b.let(b.get(I32, countAt));
  const i = b.variable(b.i32(0));
  const each = (limit: Expr, index: () => Expr): void =>
    b.loop((label) => {
      b.if(b.geU(i, limit), () => b.break(label));
      const entry = b.let(b.add(b.cpu(), b.shl(index(), b.i32(5))));
      b.store(entry, table + TLB.readTag, b.i64(INVALID_TAG));
      b.store(entry, table + TLB.writeTag, b.i64(INVALID_TAG));
      b.assign(i, b.add(i, b.i32(1)));
      b.continue(label);
    });
  b.if(
    b.gtU(count, b.i32(FILL_LIST)),
    () => each(b.i32(TLB.entries), () => i),
    () => each(count, () => b.load(I32, b.add(b.cpu(), b.shl(i, b.i32(1))), VCPU_FILL_LISTS + mode * FILL_LIST * 2, 2)),
  );
  b.set(countAt, b.i32(0));
}

/** What the jump cache holds is good no longer. */
function newJumpGeneration(b: Builder): void {
  b.set(VCPU.jumpGeneration, b.add(b.get(I64, VCPU.jumpGeneration), b.i64(JUMP_GENERATION_STEP)));
}

/** Does something to every entry, by its address, of the fetch TLBs of `tables` privileges from `first` on. */
function eachFetchEntry(b: Builder, first: number, tables: number, body: (at: Expr) => void): void {
  const start = VCPU_FETCH_TLBS + first * VCPU_FETCH_TLB_BYTES;
  const at = b.variable(b.add(b.cpu(), b.i32(start)));
  const end = b.let(b.add(b.cpu(), b.i32(start + tables * VCPU_FETCH_TLB_BYTES)));
  b.loop((label) => {
    body(at);
    b.assign(at, b.add(at, b.i32(FETCH_TLB.entryBytes)));
    b.if(b.ltU(at, end), () => b.continue(label));
  });
}

/** Invalidates the fetch TLBs of `tables` privileges from `first` on. */
function flushFetch(b: Builder, first: number, tables: number): void {
  newJumpGeneration(b);
  eachFetchEntry(b, first, tables, (at) => b.store(at, FETCH_TLB.tag, b.i64(INVALID_TAG)));
}

/** Data TLBs and fetch TLBs whose entries come from page tables: all but machine mode's. */
const TRANSLATED_MODES = [MmuMode.User, MmuMode.Supervisor, MmuMode.SupervisorSum] as const;
const USER_FETCH = 0;
const SUPERVISOR_FETCH = 1;

/** Invalidates everything. */
const flushTlbs = routine("flushTlbs", [], undefined, (b) => {
  b.set(VCPU.stackPage, b.i64(INVALID_TAG));
  b.effect("flushTranslations", [b.cpu()]);
  flushData(b, MmuMode.Machine);
  flushFetch(b, 0, MMU_MODES);
});

/** Invalidates everything that comes from page tables. */
const flushTranslations = routine("flushTranslations", [], undefined, (b) => {
  b.set(VCPU.stackPage, b.i64(INVALID_TAG));
  for (const mode of TRANSLATED_MODES) flushData(b, mode);
  flushFetch(b, USER_FETCH, 2);
  b.set(VCPU.localEntries, b.i32(0));
  b.set(VCPU.largeFirst, b.i64(-1));
  b.set(VCPU.largeLast, b.i64(0));
});

/** Invalidates what belongs to the current address space alone: global pages stay. */
const flushContext = routine("flushContext", [], undefined, (b) => {
  b.set(VCPU.stackPage, b.i64(INVALID_TAG));
  b.if(b.get(I32, VCPU.localEntries), () => {
    b.effect("flushTranslations", [b.cpu()]);
    b.return();
  });
  flushData(b, MmuMode.User);
  flushData(b, MmuMode.SupervisorSum);
  flushFetch(b, USER_FETCH, 1);
});

/** Invalidates the page of `va`; everything when a large page may cover it. */
const flushAddress = routine("flushAddress", [I64], undefined, (b, va) => {
  b.set(VCPU.stackPage, b.i64(INVALID_TAG));
  b.if(b.and(b.geU(va, b.get(I64, VCPU.largeFirst)), b.leU(va, b.get(I64, VCPU.largeLast))), () => {
    b.effect("flushTranslations", [b.cpu()]);
    b.return();
  });
  newJumpGeneration(b);
  const page = b.let(b.wrap(b.shrU(va, b.i64(12))));
  const entry = b.let(b.add(b.cpu(), b.shl(b.and(page, b.i32(TLB.entries - 1)), b.i32(5))));
  for (const mode of TRANSLATED_MODES) {
    b.store(entry, VCPU_TLBS + mode * VCPU_TLB_BYTES + TLB.readTag, b.i64(INVALID_TAG));
    b.store(entry, VCPU_TLBS + mode * VCPU_TLB_BYTES + TLB.writeTag, b.i64(INVALID_TAG));
  }
  const fetch = b.let(b.add(b.cpu(), b.shl(b.and(page, b.i32(FETCH_TLB.entries - 1)), b.i32(4))));
  for (const table of [USER_FETCH, SUPERVISOR_FETCH])
    b.store(fetch, VCPU_FETCH_TLBS + table * VCPU_FETCH_TLB_BYTES + FETCH_TLB.tag, b.i64(INVALID_TAG));
});

/**
 * Makes every code page be compared with memory before it is used again: what the fetch TLBs hold is marked, so that
 * `fetchPage` looks at the page but need not translate the address anew.
 */
const discardCode = routine("discardCode", [], undefined, (b) => {
  b.set(VCPU.fetchEpoch, b.add(b.get(I32, VCPU.fetchEpoch), b.i32(1)));
  newJumpGeneration(b);
  const mark = (at: Expr): void =>
    b.store(at, FETCH_TLB.tag, b.or(b.load(I32, at, FETCH_TLB.tag), b.i32(FETCH_TLB.unseen)));
  const count = b.let(b.get(I32, VCPU.seenCount));
  b.if(b.gtU(count, b.i32(SEEN_LIST)), () => {
    eachFetchEntry(b, 0, MMU_MODES, mark);
    b.set(VCPU.seenCount, b.i32(0));
    b.return();
  });
  const i = b.variable(b.i32(0));
  b.loop((label) => {
    b.if(b.geU(i, count), () => b.break(label));
    mark(b.let(b.load(I32, b.add(b.cpu(), b.shl(i, b.i32(2))), VCPU.seenEntries)));
    b.assign(i, b.add(i, b.i32(1)));
    b.continue(label);
  });
  b.set(VCPU.seenCount, b.i32(0));
});

function extended(b: Builder, value: Expr, kind: Expr): Expr {
  const shift = b.let(b.extU(b.sub(b.i32(64), b.shl(b.and(kind, b.i32(15)), b.i32(3)))));
  return b.select(b.and(kind, b.i32(SIGNED_BIT)), b.shrS(b.shl(value, shift), shift), value);
}

/**
 * Host address of `width` bytes that lie in one page, by the TLB if its tag (`TLB.readTag`, `TLB.writeTag`) is there for
 * the page, else by the page walk. 0 with a trap recorded, 1 for a device.
 */
function hostOfAccess(b: Builder, va: Expr, width: Expr, access: number, tag: number): Expr {
  const host = b.variable(b.i32(0));
  const entry = b.let(entryAddress(b, va));
  b.if(
    b.eq(b.load(I64, entry, tag), b.and(va, b.i64(-4096))),
    () => b.assign(host, b.add(b.load(I32, entry, TLB.addend), b.wrap(va))),
    () => {
      const mode = b.get(I32, VCPU.mmuModeData);
      b.assign(host, b.call("translateSpan", I32, [b.cpu(), va, width, b.i32(access), mode]));
      b.if(b.gtU(host, b.i32(1)), () => {
        if (access === Access.Write) b.effect("markDirty", [b.cpu(), host]);
        b.effect("fillTlb", [b.cpu(), va, host]);
      });
    },
  );
  return host;
}

/** Remembers the page of `va` as the stack's when the TLB says that it can be read and written. */
function rememberStack(b: Builder, va: Expr): void {
  const entry = b.let(entryAddress(b, va));
  const page = b.let(b.and(va, b.i64(-4096)));
  const both = b.and(b.eq(b.load(I64, entry, TLB.readTag), page), b.eq(b.load(I64, entry, TLB.writeTag), page));
  b.if(both, () => {
    b.set(VCPU.stackPage, page);
    b.set(VCPU.stackAddend, b.load(I32, entry, TLB.addend));
  });
}

/** As `loadSlow` and `storeSlow`, for accesses relative to the stack pointer. */
const stackLoad = routine("stackLoad", [I64, I32], I64, (b, va, kind) => {
  const value = b.let(b.call("loadSlow", I64, [b.cpu(), va, kind]));
  rememberStack(b, va);
  b.return(value);
});
const stackStore = routine("stackStore", [I64, I32, I64], undefined, (b, va, width, value) => {
  b.effect("storeSlow", [b.cpu(), va, width, value]);
  rememberStack(b, va);
});

/** Loads `kind & 15` bytes from `va`; i64, extended as the kind says. May record a trap (and returns 0 then). */
const loadSlow = routine("loadSlow", [I64, I32], I64, (b, va, kind) => {
  const width = b.let(b.and(kind, b.i32(15)));
  b.if(b.gtU(b.add(b.and(b.wrap(va), b.i32(4095)), width), b.i32(4096)), () => {
    const value = b.variable(b.i64(0));
    const i = b.variable(b.i32(0));
    b.loop((label) => {
      const byte = b.let(b.call("loadSlow", I64, [b.cpu(), b.add(va, b.extU(i)), b.i32(1)]));
      b.if(b.get(I32, VCPU.trapPending), () => b.return(b.i64(0)));
      b.assign(value, b.or(value, b.shl(byte, b.extU(b.shl(i, b.i32(3))))));
      b.assign(i, b.add(i, b.i32(1)));
      b.if(b.ltU(i, width), () => b.continue(label));
    });
    b.return(extended(b, value, kind));
  });
  const host = hostOfAccess(b, va, width, Access.Read, TLB.readTag);
  b.if(lastHost(b, host), () => {
    b.if(b.eqz(host), () => b.return(b.i64(0)));
    b.if(b.call("mmioLoad", I32, [b.cpu(), width]), () => {
      b.effect("accessFault", [b.cpu(), va, b.i32(Access.Read)]);
      b.return(b.i64(0));
    });
    b.return(extended(b, b.let(b.get(I64, VCPU.helperResult)), kind));
  });
  const value = b.variable(b.i64(0));
  for (const w of [1, 2, 4, 8] as const) {
    b.if(b.eq(width, b.i32(w)), () => b.assign(value, b.load(I64, host, 0, w)));
  }
  b.return(extended(b, value, kind));
});

/** Stores the low `width` bytes of `value` at `va`. May record a trap. */
const storeSlow = routine("storeSlow", [I64, I32, I64], undefined, (b, va, width, value) => {
  b.if(b.gtU(b.add(b.and(b.wrap(va), b.i32(4095)), width), b.i32(4096)), () => {
    // Both pages must be writable before the first byte goes out.
    const lastByte = b.let(b.add(va, b.extU(b.sub(width, b.i32(1)))));
    const mode = b.let(b.get(I32, VCPU.mmuModeData));
    b.if(b.eqz(b.call("translate", I32, [b.cpu(), va, b.i32(Access.Write), mode])), () => b.return());
    const second = b.let(b.and(lastByte, b.i64(-4096)));
    b.if(b.eqz(b.call("translate", I32, [b.cpu(), second, b.i32(Access.Write), mode])), () => b.return());
    const i = b.variable(b.i32(0));
    b.loop((label) => {
      const byte = b.shrU(value, b.extU(b.shl(i, b.i32(3))));
      b.effect("storeSlow", [b.cpu(), b.add(va, b.extU(i)), b.i32(1), byte]);
      b.if(b.get(I32, VCPU.trapPending), () => b.return());
      b.assign(i, b.add(i, b.i32(1)));
      b.if(b.ltU(i, width), () => b.continue(label));
    });
    b.return();
  });
  const host = hostOfAccess(b, va, width, Access.Write, TLB.writeTag);
  b.if(lastHost(b, host), () => {
    b.if(b.eqz(host), () => b.return());
    b.set(VCPU.helperResult, value);
    b.if(b.call("mmioStore", I32, [b.cpu(), width]), () => b.effect("accessFault", [b.cpu(), va, b.i32(Access.Write)]));
    b.return();
  });
  for (const w of [1, 2, 4, 8] as const) {
    b.if(b.eq(width, b.i32(w)), () => b.store(host, 0, value, w));
  }
});

/**
 * Host address for an atomic access of `width` bytes at `va`, or 0 with a trap recorded.
 * Misaligned addresses and devices are refused, as the A extension allows.
 */
const probe = (name: string, access: number, tag: number): Routine =>
  routine(name, [I64, I32], I32, (b, va, width) => {
    b.if(b.and(b.wrap(va), b.sub(width, b.i32(1))), () => {
      b.effect("misalignedFault", [b.cpu(), va, b.i32(access)]);
      b.return(b.i32(0));
    });
    const entry = b.let(entryAddress(b, va));
    b.if(b.eq(b.load(I64, entry, tag), b.and(va, b.i64(-4096))), () =>
      b.return(b.add(b.load(I32, entry, TLB.addend), b.wrap(va))),
    );
    const host = b.let(b.call("translateSpan", I32, [b.cpu(), va, width, b.i32(access), b.get(I32, VCPU.mmuModeData)]));
    b.if(lastHost(b, host), () => {
      b.if(host, () => b.effect("accessFault", [b.cpu(), va, b.i32(access)]));
      b.return(b.i32(0));
    });
    if (access === Access.Write) b.effect("markDirty", [b.cpu(), host]);
    b.effect("fillTlb", [b.cpu(), va, host]);
    b.return(host);
  });

/** Address of the entry of the page at `host` in the map of bytes whose base is at `base`; see `PAGE_MAPS`. */
const mapEntry = (b: Builder, base: number, host: Expr): Expr =>
  b.add(b.load(I32, b.i32(0), base), b.shrU(host, b.i32(12)));

/** The page maps by host address; a byte is 0 when there is nothing to do. `awaitPage` returns when the page is there. */
const PAGE_MAP_ROUTINES: readonly Routine[] = [
  routine("markDirty", [I32], undefined, (b, host) => b.store(mapEntry(b, PAGE_MAPS.dirty, host), 0, b.i32(1), 1)),
  routine("awaitPage", [I32], undefined, (b, host) =>
    // Whoever sees the 0 sees the page.
    b.unlikely(b.atomicLoad(1, mapEntry(b, PAGE_MAPS.missing, host)), () => b.effect("pageMissing", [b.cpu(), host])),
  ),
  routine("isDirty", [I32], I32, (b, host) => b.return(b.load(I32, mapEntry(b, PAGE_MAPS.dirty, host), 0, 1))),
];

export const SOFTMMU_ROUTINES: readonly Routine[] = [
  ...PAGE_MAP_ROUTINES,
  fillTlb,
  flushTranslations,
  flushTlbs,
  flushContext,
  flushAddress,
  discardCode,
  loadSlow,
  storeSlow,
  stackLoad,
  stackStore,
  probe("probeRead", Access.Read, TLB.readTag),
  probe("probeWrite", Access.Write, TLB.writeTag),
];
