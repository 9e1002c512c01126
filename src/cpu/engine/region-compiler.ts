/**
 * Compiles regions: hot entries -> the functions they call in their pages -> one module -> slots of the region table.
 * What other vCPUs have compiled of the same pages is taken over.
 *
 * Thread: the vCPU's own. A slot number in a code page stands for the region that starts at that halfword.
 */
import type { CodePages } from "#cpu/engine/code-pages.ts";
import { CodeSpan, type PageVersion } from "#cpu/engine/code-span.ts";
import { type RegionExchange, RegionLibrary, type SharedRegions, sharedRegions } from "#cpu/engine/region-library.ts";
import { findRegion, type Region } from "#cpu/engine/region.ts";
import { emitRegion, REGION_ROUTINES, type RegionOptions, type Siblings } from "#cpu/engine/region-emitter.ts";
import { REGION_SLOTS } from "#cpu/engine/runtime-options.ts";
import type { Routine } from "#cpu/engine/routine.ts";
import { Translations } from "#cpu/engine/translated.ts";
import type { Isa } from "#cpu/isa/isa.ts";
import { type MemoryLayout, PAGE_BYTES } from "#cpu/vcpu/layout.ts";
import { encodeModule, IMPORT_MODULE, type ModuleImport } from "#cpu/wasm/module.ts";

/** Instructions in one region, and in all of one module. */
const REGION_LIMIT = 1000;
const MODULE_LIMIT = 4000;
const MODULE_REGIONS = 24;
/** Instructions of a region that is compiled again so that calls to it are direct. */
const COPIED_LIMIT = 100;
/** A module of several regions costs little more than one of one: so many are waited for, at most to the next tick. */
const WANTED_REGIONS = 8;

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

type Place = { readonly page: number; readonly offset: number };
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
  readonly #translations: Translations;
  readonly #pages: CodePages;
  readonly #memory: WebAssembly.Memory;
  readonly #memoryPages: number;
  readonly #table: WebAssembly.Table;
  readonly #routines: ReadonlyMap<string, Routine>;
  readonly #runtime: Readonly<Record<string, RuntimeFunction>>;
  readonly #nowMs: () => number;
  /** Told of every module that is compiled, for a log. */
  onCompile: ((code: Uint8Array) => void) | undefined;
  readonly #wanted: { readonly at: PageVersion; readonly next: PageVersion | undefined; readonly offset: number }[] =
    [];
  readonly #options: RegionOptions;
  readonly #batchRegions: number;
  readonly #exchange: RegionExchange | undefined;
  readonly #library = new RegionLibrary();
  /** Of the modules of other vCPUs that are in use here. */
  readonly #instances = new WeakMap<WebAssembly.Module, WebAssembly.Instance>();
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
    options: RegionOptions,
    batchRegions = WANTED_REGIONS,
    exchange?: RegionExchange,
  ) {
    this.#exchange = exchange;
    this.#options = options;
    this.#batchRegions = batchRegions;
    this.#nowMs = nowMs;
    this.#translations = new Translations(isa);
    this.#pages = pages;
    this.#memory = memory;
    this.#memoryPages = layout.totalBytes / 65_536;
    this.#table = table;
    this.#routines = new Map(routines.map((routine) => [routine.name, routine]));
    this.#runtime = runtime;
    pages.onSlotFreed = (slot) => this.#free(slot);
    if (exchange) pages.onCreated = (page) => this.#takeKnownOf(page);
  }

  /**
   * Asks for the region at a byte offset of a code page; it may be known, or come with others a little later. `next` is the
   * code page behind it in the guest's address space, 0 when that is not known.
   */
  request(page: number, offset: number, next: number): void {
    this.#installKnown(page, (at) => at === offset);
    if (this.#pages.slotAt(page, offset) !== 0) return;
    const at = this.#versionOf(page);
    this.#wanted.push({ at, next: next === 0 ? undefined : this.#versionOf(next), offset });
    if (this.#wanted.length >= this.#batchRegions) this.compile();
  }

  #versionOf(page: number): PageVersion {
    return { page, version: this.#pages.version(page) };
  }

  /** Compiles what has been asked for. */
  compile(): void {
    if (this.#wanted.length === 0) return;
    const start = this.#nowMs();
    const batch = this.#collect();
    if (batch.length === 0) return;
    const names = this.#importedNames(batch);
    const indices = new Map(names.map((name, i) => [name, i]));
    const functionIndex = (name: string): number => {
      const index = indices.get(name);
      if (index === undefined) throw new Error(`a region calls '${name}', which it does not import`);
      return index;
    };
    const siblings = new Map<number, Map<number, number>>();
    batch.forEach(({ span: { page }, entry }, i) => {
      let ofPage = siblings.get(page);
      if (!ofPage) siblings.set(page, (ofPage = new Map<number, number>()));
      ofPage.set(entry.offset, names.length + i);
    });
    const imports: ModuleImport[] = names.map((name) => {
      const routine = this.#routines.get(name);
      if (!routine) throw new Error(`no routine '${name}'`);
      return { kind: "function", name, type: routine.type };
    });
    imports.push({ kind: "memory", name: "memory", maximumPages: this.#memoryPages });
    const functions = batch.map((region, i) =>
      emitRegion(`r${i}`, region, siblings.get(region.span.page) as Siblings, functionIndex, this.#options),
    );
    const bytes = encodeModule({ imports, functions, exports: functions.map((f) => f.name) });
    this.onCompile?.(bytes);
    const emitted = this.#nowMs();
    const module = new WebAssembly.Module(bytes);
    const places = batch.map(({ span: { page }, entry }): Place => ({ page, offset: entry.offset }));
    this.#install(this.#instantiate(module), places);
    // A region in two pages names the code page and the version of the second, which are this vCPU's.
    const shared = places.map((place, i) => (batch[i]?.takesNext ? undefined : place));
    if (shared.some((place) => place)) this.#exchange?.offer(sharedRegions(module, this.#pages, shared));
    const { statistics } = this;
    statistics.modules++;
    statistics.regions += batch.length;
    statistics.instructions += batch.reduce((sum, region) => sum + region.instructionCount, 0);
    statistics.wasmBytes += bytes.length;
    statistics.translateMs += emitted - start;
    statistics.compileMs += this.#nowMs() - emitted;
  }

  /** Puts in place what other vCPUs have translated of pages that are in use here; the rest may be of use later. */
  takeShared(): void {
    for (let next = this.#exchange?.take(); next; next = this.#exchange?.take()) {
      this.#library.add(next);
      this.#installShared(next, ({ page, offset }) => this.#pages.isDecoded(page, offset));
    }
  }

  /** A code page is made, while guest code runs: nothing may be dropped to make room. */
  #takeKnownOf(page: number): void {
    if (this.#nextSlot + MODULE_REGIONS < REGION_SLOTS.most) this.#installKnown(page, () => true);
  }

  /** What other vCPUs have translated of a page. */
  #installKnown(page: number, accepts: (offset: number) => boolean): void {
    for (const regions of this.#library.of(this.#pages.hostOf(page)))
      this.#installShared(regions, (place) => place.page === page && accepts(place.offset));
  }

  #installShared({ module, pages, places }: SharedRegions, accepts: (place: Place) => boolean): void {
    const same = new Map<number, number>();
    const here = places.map((shared): Place | undefined => {
      if (!shared) return undefined;
      const { host, offset } = shared;
      let page = same.get(host);
      if (page === undefined) {
        page = this.#pages.pageAt(host);
        if (page !== 0 && !this.#pages.holds(page, pages.get(host) as Uint8Array)) page = 0;
        same.set(host, page);
      }
      const place = { page, offset };
      return page !== 0 && this.#pages.slotAt(page, offset) === 0 && accepts(place) ? place : undefined;
    });
    if (!here.some((place) => place)) return;
    let instance = this.#instances.get(module);
    if (!instance) this.#instances.set(module, (instance = this.#instantiate(module)));
    this.#install(instance, here);
  }

  #instantiate(module: WebAssembly.Module): WebAssembly.Instance {
    return new WebAssembly.Instance(module, { [IMPORT_MODULE]: { ...this.#runtime, memory: this.#memory } });
  }

  /** `places` in the order of the module's exports. */
  #install(instance: WebAssembly.Instance, places: readonly (Place | undefined)[]): void {
    places.forEach((place, i) => {
      if (!place || this.#pages.slotAt(place.page, place.offset) !== 0) return;
      const slot = this.#allocate();
      this.#table.set(slot, instance.exports[`r${i}`] as CallableFunction);
      this.#pages.setSlot(place.page, place.offset, slot);
    });
  }

  /** The regions that are wanted and those that they call in their pages, as many as fit in a module. */
  #collect(): Region[] {
    const batch: Region[] = [];
    const seen = new Set<number>();
    let left = MODULE_LIMIT;
    const add = (span: CodeSpan, offset: number, largest: number): void => {
      if (seen.has(span.page + offset)) return;
      seen.add(span.page + offset);
      const region = findRegion(this.#translations, span, offset, REGION_LIMIT);
      if (!region || leavesAtOnce(region) || region.instructionCount > largest) return;
      batch.push(region);
      left -= region.instructionCount;
    };
    for (let next = this.#wanted.shift(); next; next = left > 0 ? this.#wanted.shift() : undefined) {
      const { at, offset } = next;
      if (this.#isCurrent(at) && this.#pages.slotAt(at.page, offset) === 0) {
        const behind = next.next && this.#isCurrent(next.next) ? next.next : undefined;
        add(new CodeSpan(this.#pages, at.page, behind), offset, REGION_LIMIT);
      }
    }
    // Also what they call, so that the calls are direct; a loop over a list that grows.
    for (const { span, callees } of batch) {
      for (const callee of callees) {
        if (batch.length >= MODULE_REGIONS || left <= 0) return batch;
        if (callee < 0 || callee >= PAGE_BYTES) continue;
        add(span, callee, this.#pages.slotAt(span.page, callee) === 0 ? REGION_LIMIT : COPIED_LIMIT);
      }
    }
    return batch;
  }

  #isCurrent({ page, version }: PageVersion): boolean {
    return this.#pages.version(page) === version;
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
    if (this.#nextSlot === this.#table.length && this.#nextSlot < REGION_SLOTS.most)
      this.#table.grow(Math.min(this.#nextSlot, REGION_SLOTS.most - this.#nextSlot));
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
