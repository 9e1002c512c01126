/** The one memory that everything of a machine is in. */
import { LayoutError, type MemoryLayout } from "#cpu/vcpu/layout.ts";

/** Throws `LayoutError` when the host has not that much. */
export function allocateMemory({ totalBytes }: MemoryLayout): WebAssembly.Memory {
  const pages = totalBytes / 65_536;
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    throw new LayoutError(
      `the host did not give the ${Math.ceil(pages / 16)} MiB of memory that the machine needs; use less RAM (-m) or fewer vCPUs (-smp)`,
      { cause },
    );
  }
}
