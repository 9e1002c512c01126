/** What the fetch TLB keeps over fence.i, and what it does not. */
import { expect, test } from "vitest";
import { Observed } from "#cpu/engine/runtime-options.ts";
import { resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { Assembler } from "#cpu/testing/assembler.ts";
import { BareMachine, RAM_BASE } from "#cpu/testing/bare-machine.ts";
import { CODE_PAGE, FETCH_TLB, VCPU } from "#cpu/vcpu/layout.ts";

const RAM_BYTES = 2 ** 20;
const [T0, A0, A1, A2] = [5, 10, 11, 12];

/** A machine, and how many pages have entered its fetch TLB. */
function observedMachine(): { machine: BareMachine; translated: () => number } {
  let count = 0;
  const observer = { observed: Observed.Fetch, observe: () => void count++ };
  const machine = new BareMachine({ ramBytes: RAM_BYTES, extensions: resolveExtensions({}), observer: () => observer });
  return { machine, translated: () => count };
}

test("fence.i: code that was changed runs, its address is not translated anew", () => {
  const { machine, translated } = observedMachine();
  const a = new Assembler(machine.bytes(RAM_BASE, RAM_BYTES), RAM_BASE, RAM_BASE);
  const other = RAM_BASE + 0x80;
  // Each round replaces the first addition by the second one.
  a.address(A1, RAM_BASE + 0x40);
  a.address(A2, other);
  a.op("lw", { rd: A2, rs1: A2 });
  a.op("addi", { rd: T0, imm: 10 });
  a.op("jal", { rd: 0, imm: RAM_BASE + 0x40 - a.at });
  a.at = RAM_BASE + 0x40;
  a.op("addi", { rd: A0, rs1: A0, imm: 1 });
  a.op("sw", { rs1: A1, rs2: A2 });
  a.op("fence.i");
  a.op("addi", { rd: T0, rs1: T0, imm: -1 });
  a.op("bne", { rs1: T0, rs2: 0, imm: RAM_BASE + 0x40 - a.at });
  a.op("wfi");
  a.at = other;
  a.op("addi", { rd: A0, rs1: A0, imm: 100 });
  machine.reset(RAM_BASE);
  machine.run();
  expect(machine.vcpu.register(A0)).toBe(901n);
  expect(translated()).toBe(1);
});

test("what is flushed stays flushed, in whatever order the two come", () => {
  const { machine, translated } = observedMachine();
  machine.reset(RAM_BASE);
  const { runtime, cpu } = machine.vcpu;
  const fetch = (): number => runtime.fetchPage(cpu, BigInt(RAM_BASE)) >>> 0;
  const page = fetch();
  expect(translated()).toBe(1);
  runtime.discardCode(cpu);
  runtime.flushTlbs(cpu);
  expect(fetch()).toBe(page);
  expect(translated()).toBe(2);
  runtime.flushTlbs(cpu);
  runtime.discardCode(cpu);
  expect(fetch()).toBe(page);
  expect(translated()).toBe(3);
  runtime.discardCode(cpu);
  runtime.discardCode(cpu);
  expect(fetch()).toBe(page);
  expect(translated()).toBe(3);
});

test.each([5, 31, 32, 300])(
  "fence.i after %i pages: all are compared anew, and the last ones not translated",
  (pages) => {
    const { machine, translated } = observedMachine();
    machine.reset(RAM_BASE);
    const { runtime, cpu, view } = machine.vcpu;
    const fetch = (index: number): number => runtime.fetchPage(cpu, BigInt(RAM_BASE + 4096 * (index % 256))) >>> 0;
    const all = Array.from({ length: pages }, (_, index) => fetch(index));
    const before = translated();
    runtime.discardCode(cpu);
    const epoch = view.getInt32(cpu + VCPU.fetchEpoch, true);
    const tlb = view.getUint32(cpu + VCPU.tlbFetch, true);
    for (let index = 0; index < Math.min(pages, 256); index++) {
      const entry = tlb + (((RAM_BASE >>> 12) + index) % FETCH_TLB.entries) * FETCH_TLB.entryBytes;
      expect(view.getUint32(entry + FETCH_TLB.tag, true) & FETCH_TLB.unseen).toBe(FETCH_TLB.unseen);
    }
    for (const [index, page] of all.entries()) {
      expect(fetch(index)).toBe(page);
      expect(view.getInt32(page + CODE_PAGE.epoch, true)).toBe(epoch);
    }
    expect(translated()).toBe(before + Math.max(0, pages - 256));
  },
);
