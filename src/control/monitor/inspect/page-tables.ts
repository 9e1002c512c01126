/**
 * Address translation for a debugger: reads the page tables and changes nothing.
 * Spec: RISC-V Privileged Architecture 1.13, 11.3 to 11.6 (Sv39, Sv48, Sv57), Svnapot.
 */
import { memoryAt } from "#control/monitor/inspect/physical-memory.ts";
import { vcpuView } from "#control/monitor/inspect/registers.ts";
import { MPP_BIT, MSTATUS, Privilege, PTE } from "#cpu/isa/riscv/constants.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";
import type { Machine } from "#machine/machine.ts";

const MODE_BIT = 60n;
const LEVELS: Readonly<Record<number, number>> = { 8: 3, 9: 4, 10: 5 };
const PAGE_BIT = 12n;
const LEVEL_BITS = 9n;
const ENTRIES = 512;
/** Tables that a guest has made to point at each other must not keep the machine thread for ever. */
const MAX_TABLES = 8192;
const PPN_MASK = (1n << 44n) - 1n;

type Table = { readonly levels: number; readonly root: bigint };

/** What the vCPU's data accesses go through; undefined: addresses are physical. */
export function activeTable(machine: Machine, vcpu: number): Table | undefined {
  const view = vcpuView(machine, vcpu);
  const mstatus = view.getBigUint64(VCPU.mstatus, true);
  let privilege = view.getInt32(VCPU.privilege, true);
  if (mstatus & MSTATUS.MPRV) privilege = Number((mstatus >> BigInt(MPP_BIT)) & 3n);
  if (privilege === Privilege.Machine) return undefined;
  return satpTable(machine, vcpu);
}

/** The table of satp, whatever the privilege; undefined when translation is off. */
export function satpTable(machine: Machine, vcpu: number): Table | undefined {
  const satp = vcpuView(machine, vcpu).getBigUint64(VCPU.satp, true);
  const levels = LEVELS[Number(satp >> MODE_BIT)];
  return levels === undefined ? undefined : { levels, root: (satp & PPN_MASK) << PAGE_BIT };
}

/** The physical address of `address`; undefined when it is not mapped. */
export function translate(machine: Machine, vcpu: number, address: bigint): bigint | undefined {
  const table = activeTable(machine, vcpu);
  const unsigned = BigInt.asUintN(64, address);
  if (!table) return unsigned;
  if (!isCanonical(table.levels, unsigned)) return undefined;
  let base = table.root;
  for (let level = table.levels - 1; level >= 0; level--) {
    const shift = PAGE_BIT + LEVEL_BITS * BigInt(level);
    const entry = readEntry(machine, base, Number((unsigned >> shift) & 511n));
    if (entry === undefined || !isValid(entry)) return undefined;
    base = target(entry);
    if (isLeaf(entry)) return leafAddress(entry, base, shift) | (unsigned & ((1n << leafShift(entry, shift)) - 1n));
  }
  return undefined;
}

export type Mapping = {
  readonly virtual: bigint;
  readonly physical: bigint;
  readonly lengthBytes: bigint;
  /** As the page table entry has them: r, w, x, u, g, a, d or a dash for each. */
  readonly attributes: string;
};

/** What is mapped, in order, neighbours with the same attributes as one; at most `limit` of them. */
export function listMappings(machine: Machine, { levels, root }: Table, limit: number): Mapping[] {
  const mappings: Mapping[] = [];
  let tables = 0;
  const walk = (base: bigint, level: number, virtual: bigint): void => {
    if (++tables > MAX_TABLES) return;
    const shift = PAGE_BIT + LEVEL_BITS * BigInt(level);
    for (let index = 0; index < ENTRIES && mappings.length <= limit; index++) {
      const entry = readEntry(machine, base, index);
      if (entry === undefined || !isValid(entry)) continue;
      const at = virtual | (BigInt(index) << shift);
      if (isLeaf(entry)) {
        const offset = at & ((1n << leafShift(entry, shift)) - 1n);
        const physical = leafAddress(entry, target(entry), shift) | offset;
        add(mappings, at, physical, 1n << shift, attributes(entry));
      }
      if (!isLeaf(entry) && level > 0) walk(target(entry), level - 1, at);
    }
  };
  walk(root, levels - 1, 0n);
  const signBit = PAGE_BIT + LEVEL_BITS * BigInt(levels);
  return mappings
    .slice(0, limit)
    .map((mapping) => ({ ...mapping, virtual: BigInt.asUintN(64, BigInt.asIntN(Number(signBit), mapping.virtual)) }));
}

function add(mappings: Mapping[], virtual: bigint, physical: bigint, lengthBytes: bigint, attributes: string): void {
  const last = mappings.at(-1);
  const isNext =
    last?.attributes === attributes &&
    last.virtual + last.lengthBytes === virtual &&
    last.physical + last.lengthBytes === physical;
  if (isNext) mappings[mappings.length - 1] = { ...last, lengthBytes: last.lengthBytes + lengthBytes };
  else mappings.push({ virtual, physical, lengthBytes, attributes });
}

function readEntry(machine: Machine, base: bigint, index: number): bigint | undefined {
  const bytes = memoryAt(machine, base + BigInt(8 * index), 8);
  if (bytes?.length !== 8) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
}

function isCanonical(levels: number, address: bigint): boolean {
  const bits = Number(PAGE_BIT + LEVEL_BITS * BigInt(levels));
  return BigInt.asUintN(64, BigInt.asIntN(bits, address)) === address;
}

const has = (entry: bigint, bit: number): boolean => (entry & BigInt(bit)) !== 0n;
const isValid = (entry: bigint): boolean => has(entry, PTE.V) && !(has(entry, PTE.W) && !has(entry, PTE.R));
const isLeaf = (entry: bigint): boolean => has(entry, PTE.R) || has(entry, PTE.X);
const target = (entry: bigint): bigint => ((entry >> BigInt(PTE.PPN_BIT)) & PPN_MASK) << PAGE_BIT;

const NAPOT_BIT = 16n;
/** A leaf with N covers 64 KiB. */
const leafShift = (entry: bigint, shift: bigint): bigint => (entry & PTE.N && shift === PAGE_BIT ? NAPOT_BIT : shift);
const leafAddress = (entry: bigint, base: bigint, shift: bigint): bigint =>
  (base >> leafShift(entry, shift)) << leafShift(entry, shift);

function attributes(entry: bigint): string {
  const letters: readonly (readonly [string, number])[] = [
    ["r", PTE.R],
    ["w", PTE.W],
    ["x", PTE.X],
    ["u", PTE.U],
    ["g", PTE.G],
    ["a", PTE.A],
    ["d", PTE.D],
  ];
  return letters.map(([letter, bit]) => (has(entry, bit) ? letter : "-")).join("");
}
