/**
 * Interrupt lines into a vCPU: bits of mip in its block, set and cleared by any thread.
 */
import { type MemoryLayout, Request, VCPU } from "#cpu/vcpu/layout.ts";
import type { IrqLine } from "#hw/bus/types.ts";

/** A line whose level can be read back. */
export type VcpuLine = IrqLine & { get(): boolean };

/** Address of a vCPU's block. */
export const vcpuBlock = (layout: MemoryLayout, vcpu: number): number => layout.vcpus + vcpu * layout.vcpuStride;

/** Sets bits in a vCPU's request word and wakes it if it is parked. Thread: any. */
export function requestVcpu(words: Int32Array, block: number, request: number): void {
  const index = (block + VCPU.request) >>> 2;
  Atomics.or(words, index, request);
  Atomics.notify(words, index);
}

/** The line for bit `mask` of mip. A rising edge makes the vCPU look. */
export function vcpuLine(words: Int32Array, block: number, mask: number): VcpuLine {
  const index = (block + VCPU.irqLines) >>> 2;
  return {
    set(level) {
      if (!level) Atomics.and(words, index, ~mask);
      else if ((Atomics.or(words, index, mask) & mask) === 0) requestVcpu(words, block, Request.Interrupt);
    },
    get: () => (Atomics.load(words, index) & mask) !== 0,
  };
}
