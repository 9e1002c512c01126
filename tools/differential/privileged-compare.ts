/**
 * Compares privileged cases with qemu-system-riscv64, but for what is known to differ: QEMU 7.2 follows an earlier
 * privileged specification in places, and is wrong in others.
 */
import { MENVCFG, MSTATUS } from "#cpu/isa/riscv/constants.ts";
import { BareMachine } from "#cpu/testing/bare-machine.ts";
import { PRIVILEGED_EXTENSIONS } from "./privileged-cases.ts";
import {
  buildPrivilegedImage,
  HANDLER_REGISTERS,
  PRIVILEGED_BASE,
  type PrivilegedCase,
  RECORD_DWORDS,
  slotName,
} from "./privileged-image.ts";
import { runQemuSystem } from "./qemu-system.ts";

const RAM_BYTES = 64 * 2 ** 20;

type Difference = { readonly slot: string; readonly expected: bigint; readonly actual: bigint };
type Explanation = { readonly why: string; readonly fits: (c: PrivilegedCase, d: Difference) => boolean };

const inRange = (value: number | undefined, first: number, last: number): boolean =>
  value !== undefined && value >= first && value <= last;
const isRead = (slot: string): boolean => slot === "x10" || slot === "x12";
/** They differ in no bit outside `mask`. */
const within = (d: Difference, mask: bigint): boolean => ((d.expected ^ d.actual) & ~mask) === 0n;
const MSTATUS_HYPERVISOR = (1n << 38n) | (1n << 39n);
const MSTATUS_VS = 3n << 9n;
const MPP_RESERVED = 2n << 11n;
const HYPERVISOR_IRQS = 0x3444n;
const IRQ_SLOTS: readonly string[] = ["mie", "mideleg"];
const IRQ_CSRS: readonly number[] = [0x303, 0x304, 0x344];
const hasReservedPmp = (config: bigint): boolean =>
  Array.from({ length: 8 }, (_, i) => (config >> BigInt(8 * i)) & 3n).includes(2n);
const FS_CLEAN = 2n << 13n;

/** Section numbers are those of the privileged specification 1.13 unless another is named. */
export const EXPLAINED: readonly Explanation[] = [
  {
    why: "QEMU 7.2 has no Svadu: it always updates A and D, and menvcfg has no ADUE bit",
    fits: (c, d) => (d.slot === "menvcfg" || (c.csr === 0x30a && isRead(d.slot))) && within(d, MENVCFG.ADUE),
  },
  {
    why: "ebreak gives its address as xtval here, 0 there; 3.1.16 allows both",
    fits: (c, d) => /^(c\.)?ebreak/.test(c.text) && /^[ms]tval$/.test(d.slot) && d.expected === 0n,
  },
  {
    why: "a refused sinval.vma gives its bits as xtval here, 0 there; 3.1.16 allows both",
    fits: (c, d) => c.text.startsWith("sinval.vma") && /^[ms]tval$/.test(d.slot) && d.expected === 0n,
  },
  {
    why: "any floating-point instruction makes FS dirty here; 3.1.6.6 allows it",
    fits: (_c, d) =>
      d.slot === "mstatus" && within(d, MSTATUS.FS | MSTATUS.SD) && (d.expected & MSTATUS.FS) === FS_CLEAN,
  },
  {
    why: "mret and sret to a lesser mode clear MPRV (3.1.6.3), which QEMU 7.2 does not do",
    fits: (c, d) => /^[ms]ret/.test(c.text) && d.slot === "mstatus" && within(d, MSTATUS.MPRV),
  },
  {
    why: "QEMU 7.2 lets mstatus bits of the hypervisor and vector extensions be written without them",
    fits: (c, d) =>
      (d.slot === "mstatus" || isRead(d.slot)) &&
      inRange(c.csr, 0x100, 0x300) &&
      within(d, MSTATUS_HYPERVISOR | MSTATUS_VS | MSTATUS.SD),
  },
  {
    why: "QEMU 7.2 lets interrupt bits of the hypervisor and counter overflow extensions be written without them",
    fits: (c, d) =>
      within(d, HYPERVISOR_IRQS) &&
      (d.slot === "mip" || ((isRead(d.slot) || IRQ_SLOTS.includes(d.slot)) && IRQ_CSRS.includes(c.csr ?? 0))),
  },
  {
    why: "mcounteren and scounteren have 32 bits (3.1.11); QEMU 7.2 keeps 64",
    fits: (c, d) =>
      (isRead(d.slot) || d.slot.endsWith("counteren")) &&
      [0x106, 0x306].includes(c.csr ?? 0) &&
      within(d, 0xffff_ffffn << 32n),
  },
  {
    why: "mcountinhibit has 32 bits and none for time (3.1.12)",
    fits: (c, d) =>
      (isRead(d.slot) || d.slot === "mcountinhibit") && c.csr === 0x320 && within(d, (0xffff_ffffn << 32n) | 2n),
  },
  {
    why: "what cannot happen below machine mode cannot be delegated (3.1.8); QEMU 7.2 keeps those bits",
    fits: (c, d) => (isRead(d.slot) || d.slot === "medeleg") && c.csr === 0x302 && within(d, 0xf0_0c00n),
  },
  {
    why: "bit 0 of mepc and sepc is 0 (3.1.14); QEMU 7.2 keeps it",
    fits: (c, d) => (isRead(d.slot) || d.slot === "sepc") && [0x141, 0x341].includes(c.csr ?? 0) && within(d, 1n),
  },
  {
    why: "stimecmp is all ones at power-on here, 0 there; no value is specified",
    fits: (c, d) => isRead(d.slot) && c.csr === 0x14d && d.actual === (1n << 64n) - 1n,
  },
  {
    why: "a PMP entry with W and without R is reserved: here the write is ignored, QEMU 7.2 keeps it",
    fits: (c, d) =>
      (isRead(d.slot) || d.slot === "pmpcfg0") && inRange(c.csr, 0x3a0, 0x3a2) && hasReservedPmp(d.expected),
  },
  {
    why: "where a load across the end of a page has no memory in the first one, QEMU gives the address rounded down",
    fits: (c, d) =>
      / of [0-9a-f]*ff[89a-f] /.test(c.text) &&
      /^[ms]tval$/.test(d.slot) &&
      d.expected < d.actual &&
      d.expected >= (d.actual & ~7n),
  },
  {
    why: "pmpaddr has 54 bits (3.7.1); QEMU 7.2 keeps 64",
    fits: (c, d) =>
      (isRead(d.slot) || d.slot.startsWith("pmpaddr")) && inRange(c.csr, 0x3b0, 0x3bf) && within(d, 0x3ffn << 54n),
  },
  {
    why: "QEMU counts events in 16 of the 29 counters and refuses the others; here all read 0",
    fits: (c) => inRange(c.csr, 0xb03, 0xb1f) || inRange(c.csr, 0xc03, 0xc1f) || inRange(c.csr, 0x323, 0x33f),
  },
  {
    why: "counters of cycles, time and instructions",
    fits: (c, d) => isRead(d.slot) && (inRange(c.csr, 0xb00, 0xb02) || inRange(c.csr, 0xc00, 0xc02)),
  },
  {
    why: "the implementation's numbers are its own",
    fits: (c, d) => isRead(d.slot) && inRange(c.csr, 0xf11, 0xf13),
  },
  {
    why: "mstatus.MPP takes no mode that is not there (3.1.6.1); QEMU 7.2 keeps 2",
    fits: (c, d) =>
      (d.slot === "mstatus" || isRead(d.slot)) &&
      c.csr === 0x300 &&
      (d.expected & MSTATUS.MPP) === MPP_RESERVED &&
      within(d, MSTATUS.MPP | MSTATUS_HYPERVISOR | MSTATUS_VS | MSTATUS.SD),
  },
  {
    why: "a page table where no memory is gives an access fault (11.3.2, step 2); QEMU 7.2 takes a page fault",
    fits: (c, d) => c.csr === 0x180 && d.slot === "mcause" && d.expected === 12n && d.actual === 1n,
  },
  { why: "QEMU 7.2 has vstimecmp without the hypervisor extension", fits: (c) => c.csr === 0x24d },
  { why: "trigger registers read 0 here; QEMU runs without them", fits: (c) => inRange(c.csr, 0x7a0, 0x7a3) },
];

export type PrivilegedComparison = {
  readonly cases: number;
  readonly differences: number;
  readonly explained: number;
  /** A line for each of the first few. */
  readonly examples: readonly string[];
};
const MAX_EXAMPLES = 20;

/** Runs `cases` on both sides. */
export async function comparePrivileged(cases: readonly PrivilegedCase[]): Promise<PrivilegedComparison> {
  const expected = await runQemuSystem(buildPrivilegedImage(cases, "exit"));
  const actual = runHere(cases);
  const e = new DataView(expected.buffer, expected.byteOffset);
  const a = new DataView(actual.buffer, actual.byteOffset);
  let explained = 0;
  const examples: string[] = [];
  let differing = 0;
  cases.forEach((c, index) => {
    const found: Difference[] = [];
    for (let i = 0; i < RECORD_DWORDS; i++) {
      if (i === HANDLER_REGISTERS.tp) continue;
      const at = (index * RECORD_DWORDS + i) * 8;
      const d = { slot: slotName(i), expected: e.getBigUint64(at, true), actual: a.getBigUint64(at, true) };
      if (d.expected === d.actual) continue;
      if (EXPLAINED.some((known) => known.fits(c, d))) explained++;
      else found.push(d);
    }
    if (found.length === 0) return;
    differing++;
    const lines = found.map((d) => `${d.slot}: expected ${d.expected.toString(16)}, got ${d.actual.toString(16)}`);
    if (examples.length < MAX_EXAMPLES) examples.push(`case ${index}, ${c.text}: ${lines.join("; ")}`);
  });
  return { cases: cases.length, differences: differing, explained, examples };
}

/** Runs `cases` on a bare machine of ours; their records. */
export function runHere(cases: readonly PrivilegedCase[]): Uint8Array {
  const machine = new BareMachine({ ramBytes: RAM_BYTES, extensions: PRIVILEGED_EXTENSIONS });
  const image = buildPrivilegedImage(cases, "wfi");
  machine.load(PRIVILEGED_BASE, image.bytes);
  machine.reset(PRIVILEGED_BASE);
  machine.run();
  return machine.bytes(image.records, image.recordBytes).slice();
}
