/** Guest physical memory as a debugger sees it: RAM, ROM and flash, never a device. */
import { REGIONS } from "#cpu/vcpu/layout.ts";
import type { Machine } from "#machine/machine.ts";

/**
 * The bytes at `address` up to the end of their region, `lengthBytes` at most; undefined where no memory is.
 * Throws `PageMissing` during a postcopy: call it in `Machine.whenPresent` or `whileStopped`, which wait and call again.
 */
export function memoryAt(machine: Machine, address: bigint, lengthBytes: number): Uint8Array | undefined {
  const { buffer } = machine.memory;
  const view = new DataView(buffer);
  const count = view.getInt32(REGIONS.count, true);
  for (let index = 0; index < count; index++) {
    const entry = REGIONS.entries + index * REGIONS.entryBytes;
    const offset = address - view.getBigUint64(entry + REGIONS.first, true);
    const left = view.getBigUint64(entry + REGIONS.size, true) - offset;
    if (offset < 0n || left <= 0n) continue;
    const host = view.getInt32(entry + REGIONS.host, true) >>> 0;
    const [from, size] = [host + Number(offset), Number(left < lengthBytes ? left : BigInt(lengthBytes))];
    machine.requireMemory(from, size);
    return new Uint8Array(buffer, from, size);
  }
  return undefined;
}

const CHUNK_BYTES = 1 << 20;

/** The range in parts; what is no memory reads as zeros. */
export async function* physicalChunks(
  machine: Machine,
  address: bigint,
  lengthBytes: bigint,
): AsyncGenerator<Uint8Array> {
  let at = address;
  const end = address + lengthBytes;
  while (at < end) {
    const wanted = Number(end - at < CHUNK_BYTES ? end - at : BigInt(CHUNK_BYTES));
    const start = at;
    // A copy: the guest goes on writing.
    const bytes =
      (await machine.whenPresent(() => memoryAt(machine, start, wanted)?.slice())) ??
      new Uint8Array(Math.min(wanted, 4096 - Number(at & 4095n)));
    yield bytes;
    at += BigInt(bytes.length);
  }
}
