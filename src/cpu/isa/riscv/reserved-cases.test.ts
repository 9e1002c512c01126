/** Cases where QEMU 7.2 is no oracle, and faults that the differential sets once found. */
import { beforeEach, describe, expect, test } from "vitest";
import { Cause, MSTATUS, Privilege } from "#cpu/isa/riscv/constants.ts";
import { encode, type Fields } from "#cpu/isa/riscv/encoder.ts";
import { resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { RISCV_ROWS } from "#cpu/isa/riscv/riscv.ts";
import { BareMachine, RAM_BASE } from "#cpu/testing/bare-machine.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";

const HANDLER = RAM_BASE + 0x1000;
const DATA = RAM_BASE + 0x8000;
const A0 = 10;
const A1 = 11;
const A2 = 12;
const RM_DYNAMIC = 7;

const word = (name: string, fields: Fields = {}): number => {
  const row = RISCV_ROWS.find((r) => r.name === name);
  if (!row) throw new Error(`no row '${name}'`);
  return encode(row, fields);
};

let machine: BareMachine;
const view = (): DataView => machine.vcpu.view;
const get = (offset: number): bigint => view().getBigUint64(machine.vcpu.cpu + offset, true);
const set = (offset: number, value: bigint): void => view().setBigUint64(machine.vcpu.cpu + offset, value, true);
const setX = (register: number, value: bigint): void => set(VCPU.x + 8 * register, value);

function place(address: number, words: readonly number[]): void {
  machine.load(address, new Uint8Array(Int32Array.from(words).buffer));
}
/** Runs `words` in a mode until a trap to machine mode; returns the cause. */
function trapOf(words: readonly number[], mode: number = Privilege.Machine): number {
  place(RAM_BASE, [...words, word("ecall")]);
  place(HANDLER, [word("wfi")]);
  set(VCPU.mtvec, BigInt(HANDLER));
  view().setInt32(machine.vcpu.cpu + VCPU.privilege, mode, true);
  machine.vcpu.runtime.updateMode(machine.vcpu.cpu);
  machine.run();
  return Number(get(VCPU.mcause));
}
const pmp = (entry: number, config: bigint, address: bigint): void => {
  machine.vcpu.pmp.write(0x3b0 + entry, address);
  machine.vcpu.pmp.write(0x3a0, machine.vcpu.pmp.read(0x3a0) | (config << BigInt(8 * entry)));
};

beforeEach(() => {
  machine = new BareMachine({ ramBytes: 2 ** 20, extensions: resolveExtensions({}) });
});

test("ctzw of a word that is 0 is 32, whatever lies above", () => {
  setX(A1, 0x1234_0000_0000n);
  trapOf([word("ctzw", { rd: A0, rs1: A1 })]);
  expect(machine.vcpu.register(A0)).toBe(32n);
});

describe("reserved rounding modes are refused where nothing is rounded too", () => {
  // 3 is exact in every format.
  const cases: readonly (readonly [string, Fields])[] = [
    ["fcvt.d.w", { rd: 1, rs1: A1 }],
    ["fcvt.d.wu", { rd: 1, rs1: A1 }],
    ["fcvt.s.l", { rd: 1, rs1: A1 }],
    ["fcvt.wu.d", { rd: A0, rs1: 2 }],
    ["fcvt.d.s", { rd: 1, rs1: 2 }],
    ["fadd.d", { rd: 1, rs1: 2, rs2: 2 }],
  ];
  test.each(cases)("%s", (name, fields) => {
    setX(A1, 3n);
    set(VCPU.f + 16, name === "fcvt.d.s" ? 0xffff_ffff_4040_0000n : 0n);
    for (const rm of [5, 6]) expect(trapOf([word(name, { ...fields, rm })])).toBe(Cause.Illegal);
    for (const frm of [5, 6, 7]) {
      const code = [word("csrrwi", { csr: 2, uimm: frm }), word(name, { ...fields, rm: RM_DYNAMIC })];
      expect(trapOf(code)).toBe(Cause.Illegal);
      machine.reset(RAM_BASE);
    }
    expect(trapOf([word("csrrwi", { csr: 2, uimm: 4 }), word(name, { ...fields, rm: RM_DYNAMIC })])).toBe(
      Cause.EcallFromMachine,
    );
  });
});

describe("a PMP entry that matches part of an access refuses it", () => {
  const NA4_ALL = 0x17n;
  test.each([
    ["ld", { rd: A0, rs1: A1 }, Cause.LoadAccess],
    ["sd", { rs1: A1, rs2: A0 }, Cause.StoreAccess],
    ["amoadd.d", { rd: A0, rs1: A1, rs2: A0 }, Cause.StoreAccess],
    ["lr.d", { rd: A0, rs1: A1 }, Cause.LoadAccess],
  ] as const)("%s, in machine mode", (name, fields, cause) => {
    pmp(0, NA4_ALL, BigInt(DATA + 4) >> 2n);
    setX(A1, BigInt(DATA));
    expect(trapOf([word(name, fields)])).toBe(cause);
    expect(get(VCPU.mtval)).toBe(BigInt(DATA));
  });
  test("lw beside it is not refused", () => {
    pmp(0, NA4_ALL, BigInt(DATA + 4) >> 2n);
    setX(A1, BigInt(DATA));
    expect(trapOf([word("lw", { rd: A0, rs1: A1 })])).toBe(Cause.EcallFromMachine);
  });
});

test("user mode may not do the Svinval fences", () => {
  pmp(0, 0x1fn, (1n << 54n) - 1n);
  for (const name of ["sfence.w.inval", "sfence.inval.ir"]) {
    machine.vcpu.pc = BigInt(RAM_BASE);
    expect(trapOf([word(name)], Privilege.User)).toBe(Cause.Illegal);
  }
});

test("of several pending interrupts external comes before software before timer", () => {
  const order = [9n, 1n, 5n];
  for (let i = 0; i < order.length; i++) {
    machine.reset(RAM_BASE);
    const pending = order.slice(i).reduce((bits, irq) => bits | (1n << irq), 0n);
    set(VCPU.mipSoft, pending);
    set(VCPU.mie, pending);
    set(VCPU.mtvec, BigInt(HANDLER));
    set(VCPU.mstatus, get(VCPU.mstatus) | MSTATUS.MIE);
    place(HANDLER, [word("csrrw", { csr: 0x304 }), word("wfi")]);
    machine.vcpu.takeInterrupt();
    expect(get(VCPU.mcause)).toBe((1n << 63n) | (order[i] as bigint));
  }
});

/** Sv39 with root and middle tables in RAM; a load from virtual 0x4000_0000 in supervisor mode. */
describe("entries of the page table", () => {
  const ROOT = RAM_BASE + 0x1_0000;
  const MIDDLE = RAM_BASE + 0x1_1000;
  const LAST = RAM_BASE + 0x1_2000;
  const pte = (address: number, bits: bigint): bigint => ((BigInt(address) >> 12n) << 10n) | bits;
  const put = (address: number, value: bigint): void => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
    machine.load(address, bytes);
  };
  function causeWith(leaf: bigint, toLast = pte(LAST, 1n)): number {
    pmp(0, 0x1fn, (1n << 54n) - 1n);
    put(ROOT + 8 * 2, pte(RAM_BASE, 0xcfn));
    put(ROOT + 8, pte(MIDDLE, 1n));
    put(MIDDLE, toLast);
    put(LAST, leaf);
    set(VCPU.satp, (8n << 60n) | (BigInt(ROOT) >> 12n));
    setX(A1, 0x4000_0000n);
    return trapOf([word("ld", { rd: A0, rs1: A1 })], Privilege.Supervisor);
  }
  test("a good one translates", () => {
    expect(causeWith(pte(DATA, 0xcfn))).toBe(Cause.EcallFromSupervisor);
  });
  test.each([54n, 57n, 60n])("reserved bit %i is refused", (bit) => {
    expect(causeWith(pte(DATA, 0xcfn | (1n << bit)))).toBe(Cause.LoadPage);
  });
  test("a memory type is refused while menvcfg.PBMTE is off", () => {
    expect(causeWith(pte(DATA, 0xcfn | (1n << 61n)))).toBe(Cause.LoadPage);
  });
  test("a table where no memory is gives an access fault", () => {
    expect(causeWith(pte(DATA, 0xcfn), pte(0x4000_0000, 1n))).toBe(Cause.LoadAccess);
  });
});

test("more pages of code than there are code pages, in an order that leaves the first in its fetch TLB", () => {
  const PAGES = 1100;
  machine = new BareMachine({ ramBytes: 8 * 2 ** 20, extensions: resolveExtensions({}) });
  const first = RAM_BASE + 0x10_0000;
  const at = (page: number): number => first + 0x1000 * page;
  const jump = (from: number, to: number): number[] => {
    const distance = to - from;
    const low = (distance << 20) >> 20;
    return [word("auipc", { rd: 5, imm: distance - low }), word("jalr", { rd: 0, rs1: 5, imm: low })];
  };
  // Page 0, then all whose fetch TLB entry is another one, then page 0 again; each adds 1 to a0.
  const order = Array.from({ length: PAGES }, (_, i) => i).filter((page) => page % 256 !== 0);
  const path = [0, ...order];
  path.forEach((page, i) => {
    const next = at(path[(i + 1) % path.length] as number);
    // Page 0 stops when it is reached the second time; the others when that went wrong.
    const limit = page === 0 ? A1 : A2;
    const code = [word("addi", { rd: A0, rs1: A0, imm: 1 }), word("blt", { rs1: A0, rs2: limit, imm: 8 }), word("wfi")];
    const from = at(page) + 4 * code.length;
    place(at(page), [...code, ...jump(from, next)]);
  });
  setX(A1, BigInt(path.length + 1));
  setX(A2, BigInt(3 * path.length));
  machine.vcpu.pc = BigInt(at(0));
  machine.run();
  expect(machine.vcpu.register(A0)).toBe(BigInt(path.length + 1));
});
