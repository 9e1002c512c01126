/**
 * Compiles regions: hot entry -> the functions it calls in the same page -> one module -> slots of the region table.
 *
 * Thread: the vCPU's own. A slot number in a code page stands for the region that starts at that halfword.
 */
import type { CodePages } from "#cpu/engine/code-pages.ts";
import type { EngineFeatures } from "#cpu/engine/features.ts";
import { findRegion, type Region } from "#cpu/engine/region.ts";
import { emitRegion, REGION_ROUTINES } from "#cpu/engine/region-emitter.ts";
import type { Routine } from "#cpu/engine/routine.ts";
import type { Isa } from "#cpu/isa/isa.ts";
import type { MemoryLayout } from "#cpu/vcpu/layout.ts";
import { encodeModule, IMPORT_MODULE, type ModuleImport } from "#cpu/wasm/module.ts";

/** Instructions in one region, and in all of one module. */
const REGION_LIMIT = 1000;
const MODULE_LIMIT = 2500;
const MODULE_REGIONS = 16;

export type RegionStatistics = {
  modules: number;
  regions: number;
  instructions: number;
  wasmBytes: number;
  /** Milliseconds in translation (TypeScript) and in the engine's compilation. */
  translateMs: number;
  compileMs: number;
  /** Times that the table was full and everything was dropped. */
  drops: number;
};

type RuntimeFunction = (...args: never[]) => unknown;

export class RegionCompiler {
  readonly statistics: RegionStatistics = {
    modules: 0,
    regions: 0,
    instructions: 0,
    wasmBytes: 0,
    translateMs: 0,
    compileMs: 0,
    drops: 0,
  };
  readonly #isa: Isa;
  readonly #pages: CodePages;
  readonly #memory: WebAssembly.Memory;
  readonly #memoryPages: number;
  readonly #table: WebAssembly.Table;
  readonly #routines: ReadonlyMap<string, Routine>;
  readonly #runtime: Readonly<Record<string, RuntimeFunction>>;
  readonly #nowMs: () => number;
  readonly #features: EngineFeatures;
  readonly #freeSlots: number[] = [];
  #nextSlot = 1;

  constructor(
    isa: Isa,
    pages: CodePages,
    memory: WebAssembly.Memory,
    layout: MemoryLayout,
    table: WebAssembly.Table,
    routines: readonly Routine[],
    runtime: Readonly<Record<string, RuntimeFunction>>,
    nowMs: () => number,
    features: EngineFeatures,
  ) {
    this.#features = features;
    this.#nowMs = nowMs;
    this.#isa = isa;
    this.#pages = pages;
    this.#memory = memory;
    this.#memoryPages = layout.totalBytes / 65_536;
    this.#table = table;
    this.#routines = new Map(routines.map((routine) => [routine.name, routine]));
    this.#runtime = runtime;
    pages.onSlotFreed = (slot) => this.#free(slot);
  }

  /** Compiles the region at a byte offset of a code page, and with it what it calls there. */
  compile(page: number, offset: number): void {
    if (this.#pages.slotAt(page, offset) !== 0) return;
    const start = this.#nowMs();
    const batch = this.#collect(page, offset);
    if (batch.length === 0) return;
    const names = this.#importedNames(batch);
    const indices = new Map(names.map((name, i) => [name, i]));
    const functionIndex = (name: string): number => {
      const index = indices.get(name);
      if (index === undefined) throw new Error(`a region calls '${name}', which it does not import`);
      return index;
    };
    const siblings = new Map(batch.map((region, i) => [region.entry.offset, names.length + i]));
    const imports: ModuleImport[] = names.map((name) => {
      const routine = this.#routines.get(name);
      if (!routine) throw new Error(`no routine '${name}'`);
      return { kind: "function", name, type: routine.type };
    });
    imports.push({ kind: "memory", name: "memory", maximumPages: this.#memoryPages });
    const functions = batch.map((region) =>
      emitRegion(`r${region.entry.offset}`, region, siblings, functionIndex, this.#features),
    );
    const bytes = encodeModule({ imports, functions, exports: functions.map((f) => f.name) });
    const emitted = this.#nowMs();
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      [IMPORT_MODULE]: { ...this.#runtime, memory: this.#memory },
    });
    for (const region of batch) {
      const { offset: at } = region.entry;
      if (this.#pages.slotAt(page, at) !== 0) continue;
      const slot = this.#allocate();
      this.#table.set(slot, instance.exports[`r${at}`] as CallableFunction);
      this.#pages.setSlot(page, at, slot);
    }
    const { statistics } = this;
    statistics.modules++;
    statistics.regions += batch.length;
    statistics.instructions += batch.reduce((sum, region) => sum + region.instructionCount, 0);
    statistics.wasmBytes += bytes.length;
    statistics.translateMs += emitted - start;
    statistics.compileMs += this.#nowMs() - emitted;
  }

  /** The region at `offset` and those that it calls in its page, as many as fit in a module. */
  #collect(page: number, offset: number): Region[] {
    const batch: Region[] = [];
    const seen = new Set<number>([offset]);
    let left = MODULE_LIMIT;
    const work = [offset];
    for (let at = work.shift(); at !== undefined && batch.length < MODULE_REGIONS && left > 0; at = work.shift()) {
      const region = findRegion(this.#isa, this.#pages, page, at, REGION_LIMIT);
      if (!region || leavesAtOnce(region)) continue;
      batch.push(region);
      left -= region.instructionCount;
      for (const callee of region.callees) {
        if (seen.has(callee)) continue;
        seen.add(callee);
        work.push(callee);
      }
    }
    return batch[0]?.entry.offset === offset ? batch : [];
  }

  #importedNames(batch: readonly Region[]): string[] {
    const names = new Set<string>(REGION_ROUTINES);
    for (const region of batch)
      for (const block of region.blocks)
        for (const instruction of block.instructions) for (const name of instruction.calls) names.add(name);
    return [...names];
  }

  #allocate(): number {
    const free = this.#freeSlots.pop();
    if (free !== undefined) return free;
    if (this.#nextSlot < this.#table.length) return this.#nextSlot++;
    this.#pages.dropSlots();
    this.statistics.drops++;
    return this.#freeSlots.pop() as number;
  }

  #free(slot: number): void {
    this.#table.set(slot, null);
    this.#freeSlots.push(slot);
  }
}

/** True when there is nothing to gain: the first instruction goes to a routine and leaves. */
const leavesAtOnce = (region: Region): boolean => {
  const [first] = region.entry.instructions;
  return first?.end !== undefined && region.blocks.length === 1 && region.entry.instructions.length === 1;
};
