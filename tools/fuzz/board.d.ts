import type { MmioMap } from "#hw/bus/mmio-map.ts";
import type { MigrationSection } from "#hw/bus/types.ts";
import { MigrationPort } from "#machine/migration-port.ts";
/** The board without harts; one memory for all runs, of which what a run may change is cleared. */
export declare class Board {
  #private;
  readonly ram: Uint8Array;
  readonly maps: readonly MmioMap[];
  readonly sections: readonly MigrationSection[];
  readonly migration: MigrationPort;
  readonly layout: import("#cpu/vcpu/layout.ts").MemoryLayout;
  constructor();
  passTime(): void;
  input(bytes: Uint8Array): void;
  access({ address, size, value, write }: Access): void;
}
type Access = {
  readonly address: number;
  readonly size: 1 | 2 | 4 | 8;
  readonly value: bigint;
  readonly write: boolean;
};
export declare const BOARD_TARGETS: import("./target.ts").AnyTarget[];
export {};
