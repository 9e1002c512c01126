/**
 * One vCPU: its block in the shared memory, its copy of the runtime module, its code pages.
 *
 *   run() -> dispatcher (WebAssembly) -> exit reason -> decode, wait -> run again
 *
 * Thread: the vCPU's own, but for the words in `layout.ts` that are marked as shared.
 */
import { CodePages } from "#cpu/engine/code-pages.ts";
import type { EngineFeatures } from "#cpu/engine/features.ts";
import { RegionCompiler } from "#cpu/engine/region-compiler.ts";
import type { RegionExchange } from "#cpu/engine/region-library.ts";
import { Lockstep } from "#cpu/vcpu/lockstep.ts";
import { type HostFunctions, makeRuntime, runtimeRoutines } from "#cpu/engine/runtime.ts";
import {
  type CompiledRuntime,
  neededEvents,
  Observed,
  REGION_SLOTS,
  type RuntimeOptions,
} from "#cpu/engine/runtime-options.ts";
import type { Isa } from "#cpu/isa/isa.ts";
import { Pmp } from "#cpu/isa/riscv/pmp.ts";
import { type FloatFormatIndex, type FloatOp, floatSlowOp } from "#cpu/softfloat/dispatch.ts";
import {
  ExitReason,
  FETCH_TLB,
  type MemoryLayout,
  PAGE_BYTES,
  STATISTICS,
  VCPU,
  VCPU_FETCH_TLBS,
  VCPU_TLBS,
  JUMP_CACHE,
  VCPU_JUMP_CACHE,
  writePageMaps,
} from "#cpu/vcpu/layout.ts";
import { IMPORT_MODULE } from "#cpu/wasm/module.ts";

/** What a vCPU needs of the board. Addresses are guest physical. */
export type VcpuPorts = {
  /** Reads `width` bytes (1, 2, 4) of a device; -1 for a bus error. */
  mmioRead(address: number, width: number): number;
  mmioWrite(address: number, width: number, value: number): boolean;
  mmioRead64(address: number): bigint | undefined;
  mmioWrite64(address: number, value: bigint): boolean;
  /** Machine time, in ticks of the board's timer and in nanoseconds. */
  timeTicks(): number;
  machineNs(): number;
  /** stimecmp or its enable has changed: update the STIP line and the wake-up. */
  stimecmpChanged(): void;
  /** The page at this host address has not come yet; returns when it has. Absent: every page is there. */
  pageMissing?(host: number): void;
  /** Told about what the guest does wrong (`-d guest_errors`). */
  readonly guestError?: (message: string) => void;
};

/** What a log hears of a vCPU. Thread: the vCPU's own. */
export type VcpuObserver = {
  /** Bits of `Observed` to be told of; code for the others is not generated. */
  readonly observed: number;
  /** One of them has happened; the details are in the vCPU's block. */
  observe(event: number): void;
  /** Instructions that lie one after the other from `pc` on were decoded. */
  decoded?(pc: bigint, words: readonly number[]): void;
  /** Hot code was translated to this module. */
  compiled?(code: Uint8Array): void;
};

export type VcpuOptions = {
  /** Entries of a place in the code after which it is translated; 0 interprets everything. */
  readonly hotThreshold: number;
  /** Regions that are waited for to share a module; a good number by default. */
  readonly batchRegions?: number | undefined;
  /** As {@link probeEngineFeatures} finds them in this thread. */
  readonly features: EngineFeatures;
  /** Milliseconds from any start; times the translator. */
  readonly nowMs: () => number;
  readonly observer?: VcpuObserver | undefined;
  /** Run every region with both engines; throws `LockstepError` at the first difference. */
  readonly lockstep?: boolean | undefined;
  /** To and from the other vCPUs, whose regions may be of use here. */
  readonly exchange?: RegionExchange | undefined;
  /** Made for these options, and for what {@link neededEvents} says; made here by default. */
  readonly runtime?: CompiledRuntime | undefined;
};

type RuntimeExports = {
  readonly run: (cpu: number) => number;
  readonly interpret: (cpu: number, ip: number, page: number, base: bigint) => bigint;
  readonly takeTrap: (cpu: number) => bigint;
  readonly interruptCheck: (cpu: number) => void;
  readonly updateMode: (cpu: number) => void;
  readonly flushTlbs: (cpu: number) => void;
  readonly discardCode: (cpu: number) => void;
  readonly fetchPage: (cpu: number, va: bigint) => number;
  readonly fpUpdate: (cpu: number) => void;
};

/** The interpreter stops in every round of a loop to compare. */
const LOCKSTEP_LOOP_BUDGET = 20;

export class Vcpu {
  readonly index: number;
  /** Address of the block. */
  readonly cpu: number;
  readonly view: DataView;
  readonly words: Int32Array;
  readonly runtime: RuntimeExports;
  readonly pages: CodePages;
  readonly pmp: Pmp;

  /** Undefined when everything is interpreted. */
  readonly compiler: RegionCompiler | undefined;
  readonly lockstep: Lockstep | undefined;
  readonly #observer: VcpuObserver | undefined;
  #publishedModules = 0;

  constructor(
    memory: WebAssembly.Memory,
    layout: MemoryLayout,
    index: number,
    isa: Isa,
    ports: VcpuPorts,
    options: VcpuOptions,
  ) {
    this.index = index;
    this.cpu = layout.vcpus + index * layout.vcpuStride;
    this.view = new DataView(memory.buffer);
    this.words = new Int32Array(memory.buffer);
    this.#observer = options.observer;
    this.pmp = new Pmp(memory.buffer, this.cpu, ports.guestError);
    const ofRuntime: RuntimeOptions = {
      ...options,
      observed: neededEvents(options.observer?.observed ?? 0, options.lockstep ?? false),
    };
    const runtime = options.runtime ?? makeRuntime(isa, ofRuntime);
    writePageMaps(memory.buffer, layout);
    this.pages = new CodePages(isa, runtime.handlers, memory.buffer, layout, this.cpu);
    const table = new WebAssembly.Table({
      element: "anyfunc",
      initial: REGION_SLOTS.first,
      maximum: REGION_SLOTS.most,
    });
    const host: HostFunctions = this.#hostFunctions(ports);
    const instance = new WebAssembly.Instance(runtime.module, {
      [IMPORT_MODULE]: { ...host, memory, regions: table },
    });
    this.runtime = instance.exports as unknown as RuntimeExports;
    if (options.lockstep) this.lockstep = this.#makeLockstep(table);
    if (options.hotThreshold > 0) {
      const { exports } = instance as { exports: Record<string, CallableFunction & (() => unknown)> };
      this.compiler = new RegionCompiler(
        isa,
        this.pages,
        memory,
        layout,
        table,
        runtimeRoutines(isa, ofRuntime),
        exports,
        options.nowMs,
        {
          features: options.features,
          loopBudget: options.lockstep ? LOCKSTEP_LOOP_BUDGET : undefined,
          stackRegister: isa.stackRegister,
        },
        options.batchRegions,
        options.lockstep ? undefined : options.exchange,
      );
      const { observer } = options;
      if (observer?.compiled) this.compiler.onCompile = (code) => observer.compiled?.(code);
    }
  }

  /** Other vCPUs have offered regions. */
  takeSharedRegions(): void {
    this.compiler?.takeShared();
  }

  /** Power-on state: registers 0 but for what the caller sets, TLBs empty. */
  reset(options: { pc: bigint; misa: bigint; menvcfg: bigint; features: number }): void {
    const { view, cpu } = this;
    // The words that other threads write are left alone.
    const bytes = new Uint8Array(view.buffer);
    bytes.fill(0, cpu, cpu + VCPU.request);
    bytes.fill(0, cpu + VCPU.tlbData, cpu + VCPU.mmioAddress);
    bytes.fill(0, cpu + VCPU.helperA, cpu + VCPU_TLBS);
    new Uint8Array(view.buffer).fill(0xff, cpu + VCPU_TLBS, cpu + VCPU_FETCH_TLBS + 4 * 4096);
    bytes.fill(0, cpu + VCPU_JUMP_CACHE, cpu + VCPU_JUMP_CACHE + JUMP_CACHE.entries * JUMP_CACHE.entryBytes);
    view.setBigUint64(cpu + VCPU.pc, options.pc, true);
    view.setBigUint64(cpu + VCPU.misa, options.misa, true);
    view.setBigUint64(cpu + VCPU.menvcfg, options.menvcfg, true);
    view.setInt32(cpu + VCPU.features, options.features, true);
    view.setBigUint64(cpu + VCPU.mhartid, BigInt(this.index), true);
    view.setBigUint64(cpu + VCPU.mstatus, (2n << 32n) | (2n << 34n), true);
    view.setBigInt64(cpu + VCPU.reservedAddress, -1n, true);
    view.setBigInt64(cpu + VCPU.stimecmp, -1n, true);
    view.setInt32(cpu + VCPU.privilege, 3, true);
    this.#publishedModules = 0;
    this.pmp.refresh();
    this.runtime.discardCode(cpu);
    this.runtime.updateMode(cpu);
  }

  get pc(): bigint {
    return this.view.getBigUint64(this.cpu + VCPU.pc, true);
  }
  set pc(value: bigint) {
    this.view.setBigUint64(this.cpu + VCPU.pc, value, true);
  }
  register(index: number): bigint {
    return this.view.getBigUint64(this.cpu + VCPU.x + 8 * index, true);
  }
  floatRegister(index: number): bigint {
    return this.view.getBigUint64(this.cpu + VCPU.f + 8 * index, true);
  }

  /** Runs guest code until somebody outside is needed: a request or WFI. */
  run(): number {
    this.compiler?.compile();
    this.#publishStatistics();
    for (;;) {
      const reason = this.runtime.run(this.cpu);
      if (reason === ExitReason.Decode) this.#decode();
      else if (reason === ExitReason.Hot) this.#compile();
      else if (reason === ExitReason.Region) {
        const stop = this.#runLockstep();
        if (stop !== ExitReason.None) return stop;
      } else return reason;
    }
  }

  /** Puts the translator's counters where a monitor finds them. */
  #publishStatistics(): void {
    const statistics = this.compiler?.statistics;
    if (!statistics || statistics.modules === this.#publishedModules) return;
    this.#publishedModules = statistics.modules;
    STATISTICS.forEach((name, index) =>
      this.view.setFloat64(this.cpu + VCPU.statistics + 8 * index, statistics[name], true),
    );
  }

  /** Runs the region at pc with both engines, and what the dispatcher does behind it. */
  #runLockstep(): number {
    const { words, cpu } = this;
    const next = (this.lockstep as Lockstep).run(this.pc);
    this.pc = next & ~1n;
    if ((next & 1n) === 0n) return ExitReason.None;
    this.#takeRecordedTrap();
    const reason = words[(cpu + VCPU.exitReason) >>> 2] as number;
    words[(cpu + VCPU.exitReason) >>> 2] = ExitReason.None;
    if (reason === ExitReason.Decode) this.#decode();
    else if (reason === ExitReason.Hot) this.#compile();
    else return reason;
    return ExitReason.None;
  }

  #makeLockstep(table: WebAssembly.Table): Lockstep {
    const { view, words, cpu, pages, runtime } = this;
    return new Lockstep({
      view,
      words,
      cpu,
      pages,
      table,
      interpret: runtime.interpret,
      fetchPage: runtime.fetchPage,
      flushTlbs: runtime.flushTlbs,
      restored: () => this.pmp.refresh(),
    });
  }

  /** True when an interrupt that mie enables is pending: WFI does not wait then (privileged spec 3.3.3). */
  hasPendingInterrupt(): boolean {
    const { view, cpu } = this;
    const lines = Atomics.load(this.words, (cpu + VCPU.irqLines) >>> 2);
    const soft = view.getInt32(cpu + VCPU.mipSoft, true);
    return ((lines | soft) & view.getInt32(cpu + VCPU.mie, true)) !== 0;
  }

  /** Memory, or where it lies, has changed without the guest's doing. */
  memoryChanged(): void {
    this.runtime.flushTlbs(this.cpu);
    this.runtime.discardCode(this.cpu);
  }

  /** Pages went clean in the dirty map: the next write to each must come by the slow path. */
  dirtyMapCleared(): void {
    this.runtime.flushTlbs(this.cpu);
  }

  /** The registers and the memory were loaded from a stream. */
  loaded(): void {
    this.pmp.refresh();
    this.runtime.updateMode(this.cpu);
    this.runtime.fpUpdate(this.cpu);
    this.memoryChanged();
  }

  /** Takes an interrupt if one is pending and enabled. */
  takeInterrupt(): void {
    this.runtime.interruptCheck(this.cpu);
    this.#takeRecordedTrap();
  }

  #takeRecordedTrap(): void {
    if (this.words[(this.cpu + VCPU.trapPending) >>> 2] !== 0)
      this.pc = BigInt.asUintN(64, this.runtime.takeTrap(this.cpu));
  }

  /** Code page at pc, or 0 with a trap taken. */
  #fetchPc(): number {
    const { words, cpu } = this;
    // The dispatcher has just come from there, so that it stands in the fetch TLB as a rule.
    const low = words[(cpu + VCPU.pc) >>> 2] as number;
    const index = (low >>> 8) & ((FETCH_TLB.entries - 1) * FETCH_TLB.entryBytes);
    const entry = (((words[(cpu + VCPU.tlbFetch) >>> 2] as number) >>> 0) + index) >>> 2;
    const isHit = words[entry] === (low & -PAGE_BYTES) && words[entry + 1] === words[(cpu + VCPU.pc + 4) >>> 2];
    return isHit ? (words[entry + (FETCH_TLB.page >>> 2)] as number) >>> 0 : this.#fetch(this.pc);
  }

  /** Code page at `va`, or 0 with a trap taken. */
  #fetch(va: bigint): number {
    const page = this.runtime.fetchPage(this.cpu, va) >>> 0;
    if (page === 0) this.#takeRecordedTrap();
    return page;
  }

  #decode(): void {
    const observer = this.#observer;
    if (!observer?.decoded) return this.#decodeAtPc();
    const { pc } = this;
    const words: number[] = [];
    this.pages.onDecode = (word) => words.push(word);
    this.#decodeAtPc();
    this.pages.onDecode = undefined;
    if (words.length > 0) observer.decoded(pc, words);
  }

  #decodeAtPc(): void {
    const page = this.#fetchPc();
    if (page === 0) return;
    if (this.pages.decodeBlock(page, this.#pageOffset())) return;
    const next = this.#fetch((this.pc & ~0xfffn) + BigInt(PAGE_BYTES));
    if (next !== 0) this.pages.crossing(page, next);
  }

  #compile(): void {
    const page = this.#fetchPc();
    if (page !== 0) this.compiler?.request(page, this.#pageOffset(), this.#knownPage((this.pc & ~0xfffn) + 4096n));
  }

  /** Code page of the page at `va` if it stands in the fetch TLB, else 0. */
  #knownPage(va: bigint): number {
    const { view, cpu } = this;
    const index = Number((va >> 8n) & BigInt((FETCH_TLB.entries - 1) * FETCH_TLB.entryBytes));
    const entry = view.getUint32(cpu + VCPU.tlbFetch, true) + index;
    if (view.getBigUint64(entry + FETCH_TLB.tag, true) !== BigInt.asUintN(64, va)) return 0;
    return view.getUint32(entry + FETCH_TLB.page, true);
  }

  /** Byte offset of pc in its page. */
  #pageOffset(): number {
    return (this.words[(this.cpu + VCPU.pc) >>> 2] as number) & (PAGE_BYTES - 1);
  }

  #hostFunctions(ports: VcpuPorts): HostFunctions {
    const { view, cpu, words } = this;
    const helperA = (cpu + VCPU.helperA) >>> 2;
    const helperResult = (cpu + VCPU.helperResult) >>> 2;
    const address = (): number => ((words[helperA] as number) >>> 0) + ((words[helperA + 1] as number) >>> 0) * 2 ** 32;
    return {
      mmioLoad: (_cpu, width) => {
        this.lockstep?.device();
        if (width === 8) {
          const value = ports.mmioRead64(address());
          if (value === undefined) return 1;
          view.setBigUint64(cpu + VCPU.helperResult, value, true);
          return 0;
        }
        const value = ports.mmioRead(address(), width);
        if (value < 0) return 1;
        words[helperResult] = value;
        words[helperResult + 1] = 0;
        return 0;
      },
      mmioStore: (_cpu, width) => {
        this.lockstep?.device();
        const value = view.getBigUint64(cpu + VCPU.helperResult, true);
        if (width === 8) return ports.mmioWrite64(address(), value) ? 0 : 1;
        const mask = width === 4 ? 0xffffffff : (1 << (8 * width)) - 1;
        return ports.mmioWrite(address(), width, ((words[helperResult] as number) & mask) >>> 0) ? 0 : 1;
      },
      timeTicks: () => this.lockstep?.time(() => ports.timeTicks()) ?? ports.timeTicks(),
      machineNs: () => this.lockstep?.time(() => ports.machineNs()) ?? ports.machineNs(),
      stimecmpChanged: () => ports.stimecmpChanged(),
      csrHelperRead: (_cpu, csr) => view.setBigUint64(cpu + VCPU.helperResult, this.pmp.read(csr), true),
      csrHelperWrite: (_cpu, csr) => {
        this.pmp.write(csr, view.getBigUint64(cpu + VCPU.helperA, true));
        this.runtime.flushTlbs(cpu);
      },
      floatHelper: (_cpu, operation, rounding) => this.#float(operation, rounding),
      newCodePage: (host) => this.pages.create(host >>> 0),
      codePageChanged: (page) => this.pages.changed(page >>> 0),
      pageMissing: (_cpu, host) => ports.pageMissing?.(host >>> 0),
      observe: (_cpu, event) => {
        if (event === Observed.Data && this.lockstep) this.lockstep.touched(address());
        if ((this.#observer?.observed ?? 0) & event) this.#observer?.observe(event);
      },
    };
  }

  #float(operation: number, rounding: number): void {
    const { view, cpu } = this;
    const result = floatSlowOp(
      (operation & 0xff) as FloatOp,
      (operation >>> 8) as FloatFormatIndex,
      rounding,
      view.getBigUint64(cpu + VCPU.helperA, true),
      view.getBigUint64(cpu + VCPU.helperB, true),
      view.getBigUint64(cpu + VCPU.helperC, true),
    );
    view.setBigUint64(cpu + VCPU.helperResult, BigInt.asUintN(64, result.bits), true);
    const flags = view.getInt32(cpu + VCPU.fflags, true);
    if ((flags | result.flags) !== flags) {
      view.setInt32(cpu + VCPU.fflags, flags | result.flags, true);
      this.runtime.fpUpdate(cpu);
    }
  }
}
