/** What a machine has before it is made. */
import { MachineThreads } from "#app/machine-threads.ts";
import type { MachineConfig } from "#machine/config.ts";
import { allocateMemory } from "#machine/machine-memory.ts";
import { virtLayout } from "#machine/virt/virt-layout.ts";

export type PreparedMachine = { readonly memory: WebAssembly.Memory; readonly threads: MachineThreads };

/**
 * Allocates the memory, then starts the threads: V8 ends the process when a thread finds too little address space, while
 * a memory that does not fit is a `LayoutError`.
 */
export function prepareMachine(config: MachineConfig): PreparedMachine {
  const memory = allocateMemory(virtLayout(config));
  return { memory, threads: new MachineThreads(config.smp.cpus) };
}
