/**
 * The board's two flash chips: their RAM blocks, the drives behind them, and how guests read them.
 */
import type { Disk } from "#core/host.ts";
import type { MemoryLayout } from "#cpu/vcpu/layout.ts";
import { Request } from "#cpu/vcpu/layout.ts";
import { PflashCfi01 } from "#hw/devices/pflash-cfi01.ts";
import type { VcpuControl } from "#machine/vcpu-control.ts";
import { setFlashReadable, VIRT_BLOCK, virtBlock } from "#machine/virt/virt-memory.ts";

export class FlashError extends Error {
  readonly code = "bad-flash";
}

export type VirtFlash = {
  readonly device: PflashCfi01;
  /** Resolves when everything that the guest wrote is in the file. */
  flush(): Promise<void>;
};

/** `index` is 0 or 1. Reads the drive's content. Rejects with {@link FlashError} or the drive's error. */
export async function makeFlash(
  memory: WebAssembly.Memory,
  layout: MemoryLayout,
  control: VcpuControl,
  index: 0 | 1,
  disk: Disk | undefined,
): Promise<VirtFlash> {
  const blockIndex = index === 0 ? VIRT_BLOCK.flash0 : VIRT_BLOCK.flash1;
  const { host, sizeBytes } = virtBlock(layout, blockIndex);
  const bytes = new Uint8Array(memory.buffer, host, sizeBytes);
  if (disk !== undefined) {
    if (disk.sizeBytes !== sizeBytes) {
      throw new FlashError(
        `flash ${index} has ${sizeBytes} bytes, and ${disk.name} has ${disk.sizeBytes}; make the file that long ` +
          `('truncate -s ${sizeBytes} ${disk.name}')`,
      );
    }
    const content = new Uint8Array(sizeBytes);
    await disk.read(0, content);
    bytes.set(content);
  }
  let writes: Promise<void> = Promise.resolve();
  const store = (offset: number, lengthBytes: number): void => {
    if (disk === undefined || disk.readOnly) return;
    // A copy, in order: the guest may write there again before this is done. What the host refuses is lost.
    const copy = bytes.slice(offset, offset + lengthBytes);
    writes = writes.then(() => disk.write(offset, copy)).catch(() => {});
  };
  const device = new PflashCfi01(
    {
      memory: bytes,
      setRomd: (isOn) => {
        if (setFlashReadable(memory, blockIndex, isOn)) control.requestAll(Request.FlushTlb);
      },
      store,
    },
    { readOnly: disk?.readOnly ?? false },
  );
  return {
    device,
    async flush() {
      await writes;
      if (disk !== undefined && !disk.readOnly) await disk.flush();
    },
  };
}
