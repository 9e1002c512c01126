/** placeholder */
import type { CodePages } from "#cpu/engine/code-pages.ts";
import type { Routine } from "#cpu/engine/routine.ts";
import type { Isa } from "#cpu/isa/isa.ts";
import type { MemoryLayout } from "#cpu/vcpu/layout.ts";

export type RegionCompilerParts = {
  readonly isa: Isa;
  readonly pages: CodePages;
  readonly memory: WebAssembly.Memory;
  readonly layout: MemoryLayout;
  readonly table: WebAssembly.Table;
  readonly routines: readonly Routine[];
  readonly routineExports: WebAssembly.Exports;
  readonly statistics: { regions: number };
};
export class RegionCompiler {
  constructor(_parts: RegionCompilerParts) {}
  compile(_page: number, _offset: number): void {}
  drop(_page: number): void {}
}
