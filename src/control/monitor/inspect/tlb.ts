/** The data TLB of a vCPU's present mode in lines: page, where it lies in the guest's memory, and what is allowed. */
import { hex16 } from "#control/monitor/hmp/examine.ts";
import { vcpuView } from "#control/monitor/inspect/registers.ts";
import { REGIONS, TLB, VCPU } from "#cpu/vcpu/layout.ts";
import type { Machine } from "#machine/machine.ts";

const LOW_BITS = 0xfffn;

export function describeTlb(machine: Machine, vcpu: number): string {
  const memory = new DataView(machine.memory.buffer);
  const table = vcpuView(machine, vcpu).getInt32(VCPU.tlbData, true) >>> 0;
  const lines: string[] = [];
  for (let index = 0; table !== 0 && index < TLB.entries; index++) {
    const entry = table + index * TLB.entryBytes;
    const read = memory.getBigUint64(entry + TLB.readTag, true);
    const write = memory.getBigUint64(entry + TLB.writeTag, true);
    const [canRead, canWrite] = [(read & LOW_BITS) === 0n, (write & LOW_BITS) === 0n];
    if (!canRead && !canWrite) continue;
    const page = canRead ? read : write;
    const host = (memory.getInt32(entry + TLB.addend, true) + Number(BigInt.asIntN(32, page))) >>> 0;
    const physical = physicalOf(memory, host);
    const rights = `${canRead ? "r" : "-"}${canWrite ? "w" : "-"}`;
    lines.push(`${hex16(page)}: ${physical === undefined ? "?" : hex16(physical)} ${rights}\n`);
  }
  return lines.sort().join("");
}

/** The guest physical address of a place in the shared memory. */
function physicalOf(memory: DataView, host: number): bigint | undefined {
  const count = memory.getInt32(REGIONS.count, true);
  for (let index = 0; index < count; index++) {
    const entry = REGIONS.entries + index * REGIONS.entryBytes;
    const offset = BigInt(host - (memory.getInt32(entry + REGIONS.host, true) >>> 0));
    if (offset >= 0n && offset < memory.getBigUint64(entry + REGIONS.size, true)) {
      return memory.getBigUint64(entry + REGIONS.first, true) + offset;
    }
  }
  return undefined;
}
