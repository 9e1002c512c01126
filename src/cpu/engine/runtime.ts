/**
 * The runtime module: routines, interpreter and dispatcher of one guest architecture; any machine layout will do.
 *
 *   run(cpu): loop { fetch TLB -> code page -> compiled region, or interpreter -> next pc }
 *
 * `run` returns an `ExitReason` whenever TypeScript is needed; everything else stays in WebAssembly.
 */
import { generateInterpreter } from "#cpu/engine/interpreter.ts";
import { pageCompare } from "#cpu/engine/page-compare.ts";
import { emitRoutine, type Routine, routine } from "#cpu/engine/routine.ts";
import { REGION_TYPE } from "#cpu/engine/region-emitter.ts";
import {
  type CompiledRuntime,
  type GeneratedRuntime,
  Observed,
  REGION_SLOTS,
  type RuntimeOptions,
} from "#cpu/engine/runtime-options.ts";
import { Access, NO_HOST, SOFTMMU_ROUTINES } from "#cpu/engine/softmmu.ts";
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, F64, I32, I64 } from "#cpu/ir/ir.ts";
import type { Isa } from "#cpu/isa/isa.ts";
import {
  CODE_PAGE,
  COUNT_MASK,
  ExitReason,
  FETCH_TLB,
  PAGE_BYTES,
  PAGE_MAPS,
  Record,
  SEEN_LIST,
  VCPU,
  JUMP_CACHE,
  VCPU_JUMP_CACHE,
} from "#cpu/vcpu/layout.ts";
import { encodeModule, type FunctionType, type ModuleImport } from "#cpu/wasm/module.ts";

/** As much as WebAssembly can have: a memory may have less. */
const MAX_MEMORY_PAGES = 65_536;
/** How deep guest calls may nest as WebAssembly calls. */
const MAX_DEPTH = 200;

const type = (params: FunctionType["params"], results: FunctionType["results"] = []): FunctionType => ({
  params,
  results,
});

/** What TypeScript provides. */
export const HOST_FUNCTIONS = {
  /** (cpu, width) -> 1 for a bus error; address in helperA, value in helperResult. */
  mmioLoad: type([I32, I32], [I32]),
  mmioStore: type([I32, I32], [I32]),
  /** Machine time in ticks of the board's timer, and in nanoseconds. */
  timeTicks: type([], [F64]),
  machineNs: type([], [F64]),
  stimecmpChanged: type([I32]),
  /** (cpu, CSR number) */
  csrHelperRead: type([I32, I32]),
  csrHelperWrite: type([I32, I32]),
  /** (cpu, operation, rounding mode) */
  floatHelper: type([I32, I32, I32]),
  /** (host address of the guest page) -> code page */
  newCodePage: type([I32], [I32]),
  codePageChanged: type([I32]),
  /** (cpu, host address in a page that has not come yet): returns when it has. */
  pageMissing: type([I32, I32]),
  /** (cpu, bit of `Observed`): only called for events that were asked for. */
  observe: type([I32, I32]),
} as const satisfies Record<string, FunctionType>;
export type HostFunctionName = keyof typeof HOST_FUNCTIONS;
export type HostFunctions = { readonly [name in HostFunctionName]: (...args: number[]) => number | void };

/** Routines that report an event when they are called; `helperC` holds their i64 parameter then, if they have one. */
const OBSERVED_ROUTINES: Readonly<Record<string, number>> = { takeTrap: Observed.Trap, fillTlb: Observed.Data };

function reporting(r: Routine, event: number): Routine {
  return {
    ...r,
    build(b, ...params) {
      const [first] = params;
      if (first?.type === I64) b.set(VCPU.helperC, first);
      report(b, event);
      r.build(b, ...params);
    },
  };
}

const report = (b: Builder, event: number): void => b.effect("observe", [b.cpu(), b.i32(event)]);

/** The routines of the runtime that has these options, all of them exported. */
export function runtimeRoutines(isa: Isa, { hotThreshold, observed = 0 }: RuntimeOptions): readonly Routine[] {
  return [...SOFTMMU_ROUTINES, ...isa.routines, fetchPage(observed), callFar(hotThreshold)].map((r) => {
    const event = (OBSERVED_ROUTINES[r.name] ?? 0) & observed;
    return event === 0 ? r : reporting(r, event);
  });
}

/** Generates the runtime module; tens of milliseconds. */
export function generateRuntime(isa: Isa, options: RuntimeOptions): GeneratedRuntime {
  const { hotThreshold, features, lockstep = false, observed = 0 } = options;
  const routines = runtimeRoutines(isa, options);
  const hostNames = Object.keys(HOST_FUNCTIONS) as HostFunctionName[];
  const names = [...hostNames, ...routines.map((r) => r.name), "pageDiffers", "interpret", "run"];
  const indices = new Map(names.map((name, index) => [name, index]));
  const functionIndex = (name: string): number => {
    const index = indices.get(name);
    if (index === undefined) throw new Error(`no routine '${name}'`);
    return index;
  };
  const interpreter = generateInterpreter(isa, functionIndex, hotThreshold, features);
  const imports: ModuleImport[] = [
    ...hostNames.map((name): ModuleImport => ({ kind: "function", name, type: HOST_FUNCTIONS[name] })),
    { kind: "memory", name: "memory", maximumPages: MAX_MEMORY_PAGES },
    { kind: "table", name: "regions", minimum: REGION_SLOTS.first },
  ];
  const bytes = encodeModule({
    types: [REGION_TYPE],
    imports,
    functions: [
      ...routines.map((r) => emitRoutine(r, functionIndex, features)),
      pageCompare(),
      interpreter.body,
      emitRoutine(run(hotThreshold, observed, lockstep), functionIndex, features),
    ],
    exports: routines.map((r) => r.name).concat("pageDiffers", "interpret", "run"),
  });
  return { bytes, handlers: interpreter.handlers };
}

/** Generates and compiles. Thread: any that can compile synchronously. */
export function makeRuntime(isa: Isa, options: RuntimeOptions): CompiledRuntime {
  const { bytes, handlers } = generateRuntime(isa, options);
  return { module: new WebAssembly.Module(bytes), handlers };
}

/**
 * Code page of the guest page at `va`, entered in the fetch TLB; 0 with a trap recorded.
 * A page whose bytes have changed since it was decoded is decoded anew; it is compared once a `fetchEpoch`.
 */
export function fetchPage(observed = 0): Routine {
  return routine("fetchPage", [I64], I32, (b, va) => {
    const page = b.variable(b.i32(0));
    const entry = b.let(fetchEntry(b, va));
    const tag = b.let(b.and(va, b.i64(-PAGE_BYTES)));
    const epoch = b.let(b.get(I32, VCPU.fetchEpoch));
    b.if(
      b.eq(b.load(I64, entry, FETCH_TLB.tag), b.or(tag, b.i64(FETCH_TLB.unseen))),
      () => b.assign(page, b.load(I32, entry, FETCH_TLB.page)),
      () => {
        const mode = b.get(I32, VCPU.privilege);
        const host = b.let(b.call("translate", I32, [b.cpu(), va, b.i32(Access.Execute), mode]));
        b.if(b.leU(host, b.i32(NO_HOST.device)), () => {
          b.if(host, () => b.effect("accessFault", [b.cpu(), va, b.i32(Access.Execute)]));
          b.return(b.i32(0));
        });
        if (observed & Observed.Fetch) {
          b.set(VCPU.helperC, va);
          report(b, Observed.Fetch);
        }
        const hostPage = b.let(b.and(host, b.i32(-PAGE_BYTES)));
        const index = b.add(b.load(I32, b.i32(0), PAGE_MAPS.codeIndex), b.shl(b.shrU(hostPage, b.i32(12)), b.i32(2)));
        b.assign(page, b.load(I32, b.add(b.cpu(), index), 0));
        b.if(b.eqz(page), () => {
          b.assign(page, b.call("newCodePage", I32, [hostPage]));
          b.store(page, CODE_PAGE.epoch, epoch);
        });
      },
    );
    b.if(b.ne(b.load(I32, page, CODE_PAGE.epoch), epoch), () => {
      const hostPage = b.load(I32, page, CODE_PAGE.host);
      const differs = b.call("pageDiffers", I32, [b.add(page, b.i32(CODE_PAGE.copy)), hostPage]);
      b.if(differs, () => b.effect("codePageChanged", [page]));
      b.store(page, CODE_PAGE.epoch, epoch);
    });
    b.store(entry, FETCH_TLB.tag, tag);
    b.store(entry, FETCH_TLB.page, page);
    const count = b.let(b.get(I32, VCPU.seenCount));
    b.if(b.leU(count, b.i32(SEEN_LIST)), () => {
      b.store(b.add(b.cpu(), b.shl(count, b.i32(2))), VCPU.seenEntries, entry);
      b.set(VCPU.seenCount, b.add(count, b.i32(1)));
    });
    b.return(page);
  });
}

function fetchEntry(b: Builder, va: ReturnType<Builder["i64"]>): ReturnType<Builder["i64"]> {
  const index = b.and(b.shrU(b.wrap(va), b.i32(8)), b.i32((FETCH_TLB.entries - 1) * FETCH_TLB.entryBytes));
  return b.add(b.get(I32, VCPU.tlbFetch), index);
}

/** Counts an entry at `record`; 1 when that makes it hot. */
function becomesHot(b: Builder, record: Expr, hotThreshold: number): Expr {
  const count = b.let(b.add(b.load(I32, record, Record.count, 2), b.i32(1)));
  b.store(record, Record.count, count, 2);
  return b.eq(b.and(count, b.i32(COUNT_MASK)), b.i32(hotThreshold));
}

/** Goes on at `pc` in its region if there is one; else returns the next pc as a region does. */
export const callFar = (hotThreshold: number): Routine =>
  routine("callFar", [I64, I32], I64, (b, pc, depth) => {
    b.unlikely(b.or(b.get(I32, VCPU.request), b.ltS(depth, b.i32(0))), () => b.return(pc));
    const pageVa = b.let(b.and(pc, b.i64(-PAGE_BYTES)));
    const go = (slot: Expr): void => b.return(b.callIndirect(slot, I64, [b.cpu(), pageVa, depth]));
    const SLOT_MASK = (1 << JUMP_CACHE.slotBits) - 1;
    const index = b.and(b.shl(b.wrap(pc), b.i32(3)), b.i32((JUMP_CACHE.entries - 1) * JUMP_CACHE.entryBytes));
    const jump = b.let(b.add(b.add(b.cpu(), b.i32(VCPU_JUMP_CACHE)), index));
    const cached = b.let(b.load(I64, jump, JUMP_CACHE.slot));
    const generation = b.let(b.get(I64, VCPU.jumpGeneration));
    const isPc = b.eq(b.load(I64, jump, JUMP_CACHE.pc), pc);
    b.if(b.and(isPc, b.eq(b.shrU(cached, b.i64(JUMP_CACHE.slotBits)), generation)), () =>
      go(b.and(b.wrap(cached), b.i32(SLOT_MASK))),
    );
    const entry = b.let(fetchEntry(b, pc));
    b.unlikely(b.ne(b.load(I64, entry, FETCH_TLB.tag), pageVa), () => b.return(pc));
    const page = b.let(b.load(I32, entry, FETCH_TLB.page));
    const offset = b.let(b.and(b.wrap(pc), b.i32(0xffe)));
    const slot = b.let(b.load(I32, b.add(page, offset), CODE_PAGE.slots, 2));
    b.unlikely(b.eqz(slot), () => {
      b.if(becomesHot(b, b.let(b.add(page, b.shl(offset, b.i32(3)))), hotThreshold), () => {
        b.set(VCPU.exitReason, b.i32(ExitReason.Hot));
        b.return(b.or(pc, b.i64(1)));
      });
      b.return(pc);
    });
    b.store(jump, JUMP_CACHE.pc, pc);
    b.store(jump, JUMP_CACHE.slot, b.or(b.shl(generation, b.i64(JUMP_CACHE.slotBits)), b.extU(slot)));
    go(slot);
  });

export const run = (hotThreshold: number, observed = 0, lockstep = false): Routine =>
  routine("run", [], I32, (b) => {
    const pc = b.variable(b.get(I64, VCPU.pc));
    const page = b.variable(b.i32(0));
    const next = b.variable(b.i64(0));
    b.loop((again) => {
      b.if(b.get(I32, VCPU.request), () => {
        b.set(VCPU.pc, pc);
        b.return(b.i32(ExitReason.Request));
      });
      const entry = b.let(fetchEntry(b, pc));
      b.if(
        b.eq(b.load(I64, entry, FETCH_TLB.tag), b.and(pc, b.i64(-PAGE_BYTES))),
        () => b.assign(page, b.load(I32, entry, FETCH_TLB.page)),
        () => {
          b.assign(page, b.call("fetchPage", I32, [b.cpu(), pc]));
          b.if(b.eqz(page), () => {
            b.set(VCPU.pc, pc);
            b.assign(pc, b.call("takeTrap", I64, [b.cpu()]));
            b.continue(again);
          });
        },
      );
      if (observed & Observed.Enter) {
        b.set(VCPU.pc, pc);
        report(b, Observed.Enter);
      }
      const offset = b.let(b.and(b.wrap(pc), b.i32(0xffe)));
      const slot = b.let(b.load(I32, b.add(page, offset), CODE_PAGE.slots, 2));
      b.if(
        slot,
        () => {
          if (lockstep) {
            b.set(VCPU.pc, pc);
            b.return(b.i32(ExitReason.Region));
          } else b.assign(next, b.callIndirect(slot, I64, [b.cpu(), b.and(pc, b.i64(-PAGE_BYTES)), b.i32(MAX_DEPTH)]));
        },
        () => {
          const base = b.sub(b.and(pc, b.i64(-PAGE_BYTES)), b.extU(b.shrU(page, b.i32(3))));
          const ip = b.let(b.add(page, b.shl(offset, b.i32(3))));
          if (hotThreshold > 0) {
            b.if(becomesHot(b, ip, hotThreshold), () => {
              b.set(VCPU.pc, pc);
              b.return(b.i32(ExitReason.Hot));
            });
          }
          b.assign(next, b.call("interpret", I64, [b.cpu(), ip, page, base]));
        },
      );
      b.assign(pc, b.and(next, b.i64(-2)));
      b.if(b.eqz(b.and(b.wrap(next), b.i32(1))), () => b.continue(again));
      b.if(b.get(I32, VCPU.trapPending), () => {
        b.assign(pc, b.call("takeTrap", I64, [b.cpu()]));
        b.continue(again);
      });
      const reason = b.let(b.get(I32, VCPU.exitReason));
      b.if(b.eqz(reason), () => b.continue(again));
      b.set(VCPU.exitReason, b.i32(ExitReason.None));
      b.set(VCPU.pc, pc);
      b.return(reason);
    });
  });
