/** Which events of a vCPU a log needs to hear of. */
import type { Log } from "#core/log.ts";
import { Observed } from "#cpu/engine/runtime-options.ts";

/** Bits of `Observed`. */
export function observedEvents(log: Log): number {
  const on = (event: number, ...wanted: unknown[]): number => (wanted.some((w) => w !== undefined) ? event : 0);
  return (
    on(Observed.Trap, log.writer("int"), log.trace.riscv_trap) |
    on(Observed.Data | Observed.Fetch, log.writer("mmu")) |
    on(Observed.Enter, log.writer("exec"), log.writer("cpu"))
  );
}
