/** Regions against the interpreter, where control flow is what can go wrong. */
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import type { RegionCompiler } from "#cpu/engine/region-compiler.ts";
import { resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { Assembler } from "#cpu/testing/assembler.ts";
import { BareMachine, RAM_BASE } from "#cpu/testing/bare-machine.ts";
import { ExitReason, Request, VCPU } from "#cpu/vcpu/layout.ts";
import { LockstepError } from "#cpu/vcpu/lockstep.ts";

const extensions = resolveExtensions({});
const RAM_BYTES = 2 ** 20;
const PAGE = 4096;
const STACK = RAM_BASE + 0x8_0000;
const [RA, SP, T0, T1, T2, A0, A1, A2, S2, S3, S4] = [1, 2, 5, 6, 7, 10, 11, 12, 18, 19, 20];
const MTVEC = 0x305;
const MEPC = 0x341;
const MTVAL = 0x343;

type Program = (a: Assembler) => void;

function machineWith(program: Program, options: { hotThreshold: number; lockstep?: boolean }): BareMachine {
  const machine = new BareMachine({ ramBytes: RAM_BYTES, extensions, batchRegions: 1, ...options });
  start(machine, program);
  return machine;
}

/** The program anew, from its start. */
function start(machine: BareMachine, program: Program): void {
  program(new Assembler(machine.bytes(RAM_BASE, RAM_BYTES), RAM_BASE, RAM_BASE));
  machine.reset(RAM_BASE);
}

/** Runs the program on the interpreter and, several times, on regions; the registers of both. */
function both(program: Program): { interpreted: bigint[]; compiled: bigint[]; machine: BareMachine } {
  const registers = (machine: BareMachine): bigint[] =>
    Array.from({ length: 32 }, (_, i) => machine.vcpu.register(i)).slice(1);
  const reference = machineWith(program, { hotThreshold: 0 });
  reference.run();
  const machine = machineWith(program, { hotThreshold: 2 });
  for (let run = 0; run < 4; run++) {
    start(machine, program);
    machine.run();
  }
  return { interpreted: registers(reference), compiled: registers(machine), machine };
}

function expectSame(program: Program): BareMachine {
  const { interpreted, compiled, machine } = both(program);
  expect(compiled).toEqual(interpreted);
  expect(machine.vcpu.compiler?.statistics.regions).toBeGreaterThan(0);
  return machine;
}

/** A branch over `body` that leaves when the register is 0. */
function unlessZero(a: Assembler, register: number, body: () => void): void {
  const branch = a.at;
  a.at += 4;
  body();
  const end = a.at;
  a.at = branch;
  a.op("beq", { rs1: register, rs2: 0, imm: end - branch });
  a.at = end;
}

const sumTo =
  (n: number): Program =>
  (a) => {
    a.op("addi", { rd: T0, imm: n });
    const loop = a.at;
    a.op("add", { rd: A0, rs1: A0, rs2: T0 });
    a.op("addi", { rd: T0, rs1: T0, imm: -1 });
    a.op("bne", { rs1: T0, rs2: 0, imm: loop - a.at });
    a.op("wfi");
  };

/** x10 := depth of a recursion of `depth` levels, each with a frame. */
const recursion =
  (depth: number): Program =>
  (a) => {
    a.op("lui", { rd: T1, imm: depth & ~0xfff });
    a.op("addi", { rd: T1, rs1: T1, imm: depth & 0x7ff });
    a.address(SP, STACK);
    const call = a.at;
    a.op("jal", { rd: RA, imm: 8 });
    a.op("wfi");
    const entry = a.at;
    expect(entry - call).toBe(8);
    a.op("addi", { rd: SP, rs1: SP, imm: -16 });
    a.op("sd", { rs1: SP, rs2: RA, imm: 0 });
    a.op("addi", { rd: T1, rs1: T1, imm: -1 });
    unlessZero(a, T1, () => a.op("jal", { rd: RA, imm: entry - a.at }));
    a.op("addi", { rd: A0, rs1: A0, imm: 1 });
    a.op("ld", { rd: RA, rs1: SP, imm: 0 });
    a.op("addi", { rd: SP, rs1: SP, imm: 16 });
    a.op("jalr", { rd: 0, rs1: RA });
  };

describe("control flow", () => {
  test("a loop", () => {
    const machine = expectSame(sumTo(100));
    expect(machine.vcpu.register(A0)).toBe(5050n);
  });

  test("a recursion deeper than WebAssembly calls may nest", () => {
    const machine = expectSame(recursion(1000));
    expect(machine.vcpu.register(A0)).toBe(1000n);
  });

  test("a call into another page, and back", () => {
    const machine = expectSame((a) => {
      a.op("addi", { rd: T0, imm: 50 });
      const loop = a.at;
      const callee = RAM_BASE + PAGE + 64;
      a.op("jal", { rd: RA, imm: callee - a.at });
      a.op("addi", { rd: T0, rs1: T0, imm: -1 });
      a.op("bne", { rs1: T0, rs2: 0, imm: loop - a.at });
      a.op("wfi");
      a.at = callee;
      a.op("addi", { rd: A0, rs1: A0, imm: 3 });
      a.op("jalr", { rd: 0, rs1: RA });
    });
    expect(machine.vcpu.register(A0)).toBe(150n);
  });

  test("a jump table, with a target that the region has not seen", () => {
    const CASES = 5;
    const machine = expectSame((a) => {
      a.op("addi", { rd: T0, imm: 60 });
      a.address(A1, RAM_BASE + 0x100);
      const loop = a.at;
      // The last case only in the last rounds.
      a.op("addi", { rd: T1, imm: CASES - 1 });
      a.op("slti", { rd: T2, rs1: T0, imm: 5 });
      a.op("remu", { rd: T1, rs1: T0, rs2: T1 });
      a.op("add", { rd: T1, rs1: T1, rs2: T2 });
      a.op("slli", { rd: T1, rs1: T1, imm: 4 });
      a.op("add", { rd: T1, rs1: T1, rs2: A1 });
      a.op("jalr", { rd: 0, rs1: T1 });
      const join = RAM_BASE + 0x200;
      for (let i = 0; i < CASES; i++) {
        a.at = RAM_BASE + 0x100 + 16 * i;
        a.op("slli", { rd: A0, rs1: A0, imm: 1 });
        a.op("addi", { rd: A0, rs1: A0, imm: i + 1 });
        a.op("jal", { rd: 0, imm: join - a.at });
      }
      a.at = join;
      a.op("addi", { rd: T0, rs1: T0, imm: -1 });
      a.op("bne", { rs1: T0, rs2: 0, imm: loop - a.at });
      a.op("wfi");
    });
    expect(machine.vcpu.register(A0)).not.toBe(0n);
  });

  test("an interpreter each of whose instructions ends in a computed jump is no region of all of them, over and over", () => {
    const HANDLERS = 8;
    const HANDLER_BYTES = 64;
    const program: Program = (a) => {
      const handlers = RAM_BASE + 0x100;
      const join = handlers + HANDLERS * HANDLER_BYTES;
      a.op("addi", { rd: T0, imm: 2000 });
      a.address(A1, handlers);
      a.op("jalr", { rd: 0, rs1: A1 });
      for (let i = 0; i < HANDLERS; i++) {
        a.at = handlers + HANDLER_BYTES * i;
        a.op("slli", { rd: T1, rs1: A0, imm: 2 });
        a.op("add", { rd: A0, rs1: A0, rs2: T1 });
        a.op("addi", { rd: A0, rs1: A0, imm: 2 * i + 1 });
        a.op("andi", { rd: T1, rs1: T0, imm: HANDLERS - 1 });
        a.op("slli", { rd: T1, rs1: T1, imm: 6 });
        a.op("add", { rd: T1, rs1: T1, rs2: A1 });
        a.op("addi", { rd: T0, rs1: T0, imm: -1 });
        a.op("beq", { rs1: T0, rs2: 0, imm: join - a.at });
        a.op("jalr", { rd: 0, rs1: T1 });
      }
      a.at = join;
      a.op("wfi");
    };
    const [reference, machine] = [0, 50].map((hotThreshold) => machineWith(program, { hotThreshold }));
    for (const either of [reference, machine]) either?.run();
    expect(machine?.vcpu.register(A0)).toBe(reference?.vcpu.register(A0));
    const { regions, instructions } = machine?.vcpu.compiler?.statistics ?? { regions: 0, instructions: 0 };
    expect(regions).toBeGreaterThan(HANDLERS / 2);
    expect(instructions / regions).toBeLessThan(13);
  });

  test("a hot loop through an instruction that lies in two pages", () => {
    const machine = expectSame((a) => {
      a.op("addi", { rd: T0, imm: 100 });
      a.op("jal", { rd: 0, imm: RAM_BASE + PAGE - 6 - a.at });
      a.at = RAM_BASE + PAGE - 6;
      const loop = a.at;
      a.op("addi", { rd: A0, rs1: A0, imm: 5 });
      a.op("addi", { rd: T0, rs1: T0, imm: -1 });
      a.op("bne", { rs1: T0, rs2: 0, imm: loop - a.at });
      a.op("wfi");
    });
    expect(machine.vcpu.register(A0)).toBe(500n);
  });

  test.each([
    ["between two instructions", 8],
    ["in an instruction", 6],
  ])("a hot loop is one region when a page ends in it, %s", (_, inFirst) => {
    const program: Program = (a) => {
      a.op("addi", { rd: T0, imm: 100 });
      a.op("jal", { rd: 0, imm: RAM_BASE + PAGE - inFirst - a.at });
      a.at = RAM_BASE + PAGE - inFirst;
      const loop = a.at;
      for (let i = 0; i < 3; i++) a.op("addi", { rd: A0, rs1: A0, imm: 5 });
      a.op("addi", { rd: T0, rs1: T0, imm: -1 });
      a.op("bne", { rs1: T0, rs2: 0, imm: loop - a.at });
      a.op("wfi");
    };
    const machine = machineWith(program, { hotThreshold: 20 });
    machine.run();
    expect(machine.vcpu.register(A0)).toBe(1500n);
    const { statistics } = machine.vcpu.compiler as RegionCompiler;
    expect(statistics).toMatchObject({ regions: 1, instructions: 5 });
  });

  test("a long loop across two pages is a region in each", () => {
    const machine = expectSame((a) => {
      a.op("addi", { rd: T0, imm: 100 });
      a.op("jal", { rd: 0, imm: RAM_BASE + PAGE - 256 - a.at });
      a.at = RAM_BASE + PAGE - 256;
      const loop = a.at;
      for (let i = 0; i < 110; i++) a.op("addi", { rd: A0, rs1: A0, imm: 5 });
      a.op("addi", { rd: T0, rs1: T0, imm: -1 });
      a.op("bne", { rs1: T0, rs2: 0, imm: loop - a.at });
      a.op("wfi");
    });
    expect(machine.vcpu.register(A0)).toBe(55_000n);
    expect(machine.vcpu.compiler?.statistics.regions).toBeGreaterThan(1);
  });

  test("a call in a loop across two pages, which comes back in the second", () => {
    const machine = expectSame((a) => {
      const [inFirst, inSecond] = [RAM_BASE + 0x200, RAM_BASE + PAGE + 0x200];
      for (const [at, step] of [
        [inFirst, 1],
        [inSecond, 1000],
      ] as const) {
        a.at = at;
        a.op("addi", { rd: A0, rs1: A0, imm: step });
        a.op("jalr", { rd: 0, rs1: RA });
      }
      a.at = RAM_BASE;
      a.op("addi", { rd: T0, imm: 50 });
      a.op("jal", { rd: 0, imm: RAM_BASE + PAGE - 8 - a.at });
      a.at = RAM_BASE + PAGE - 8;
      const loop = a.at;
      a.op("jal", { rd: RA, imm: inSecond - a.at });
      a.op("jal", { rd: RA, imm: inFirst - a.at });
      a.op("jal", { rd: RA, imm: inSecond - a.at });
      a.op("jal", { rd: RA, imm: inFirst - a.at });
      a.op("addi", { rd: T0, rs1: T0, imm: -1 });
      a.op("bne", { rs1: T0, rs2: 0, imm: loop - a.at });
      a.op("wfi");
    });
    expect(machine.vcpu.register(A0)).toBe(50n * 2002n);
  });

  test.each([
    ["in one page", 0x40],
    ["in the second of two pages", PAGE - 4],
    ["in both of two pages", PAGE - 2],
  ])("code that is changed in a hot loop, after fence.i, %s", (_, start) => {
    const machine = expectSame((a) => {
      const loop = RAM_BASE + start;
      const patched = loop + 4;
      const other = RAM_BASE + 0x80;
      a.address(A1, patched);
      a.address(A2, other);
      a.op("lw", { rd: T2, rs1: A2 });
      a.op("srli", { rd: S2, rs1: T2, imm: 16 });
      a.op("addi", { rd: T0, imm: 40 });
      a.op("jal", { rd: 0, imm: loop - a.at });
      a.at = loop;
      a.op("addi", { rd: A2, rs1: A2, imm: 1 });
      a.op("addi", { rd: A0, rs1: A0, imm: 1 });
      a.op("addi", { rd: T0, rs1: T0, imm: -1 });
      a.op("addi", { rd: T1, rs1: T0, imm: -20 });
      a.op("bne", { rs1: T1, rs2: 0, imm: 16 });
      a.op("sh", { rs1: A1, rs2: T2 });
      a.op("sh", { rs1: A1, rs2: S2, imm: 2 });
      a.op("fence.i");
      a.op("bne", { rs1: T0, rs2: 0, imm: loop - a.at });
      a.op("wfi");
      a.at = other;
      a.op("addi", { rd: A0, rs1: A0, imm: 1000 });
    });
    expect(machine.vcpu.register(A0)).toBe(20n + 20n * 1000n);
  });

  test("a fault in the middle of a region: registers, mepc and mtval are exact", () => {
    const NOWHERE = 0x2000;
    const machine = expectSame((a) => {
      const handler = RAM_BASE + 0x80;
      a.address(T1, handler);
      a.op("csrrw", { rd: 0, rs1: T1, csr: MTVEC });
      a.op("addi", { rd: T0, imm: 30 });
      a.op("lui", { rd: A1, imm: NOWHERE });
      const loop = a.at;
      a.op("addi", { rd: A0, rs1: A0, imm: 1 });
      a.op("ld", { rd: A0, rs1: A1, imm: 8 });
      a.op("addi", { rd: T0, rs1: T0, imm: -1 });
      a.op("bne", { rs1: T0, rs2: 0, imm: loop - a.at });
      a.op("wfi");
      a.at = handler;
      a.op("csrrs", { rd: T1, rs1: 0, csr: MTVAL });
      a.op("add", { rd: A2, rs1: A2, rs2: T1 });
      a.op("csrrs", { rd: T1, rs1: 0, csr: MEPC });
      a.op("addi", { rd: T1, rs1: T1, imm: 4 });
      a.op("csrrw", { rd: 0, rs1: T1, csr: MEPC });
      a.op("mret");
    });
    expect(machine.vcpu.register(A0)).toBe(30n);
    expect(machine.vcpu.register(A2)).toBe(30n * BigInt(NOWHERE + 8));
  });

  test.each([
    ["whose page is", 0, 0],
    ["of two pages, of which the second is", PAGE - 8, 1],
    ["of two pages, with an instruction in both, of which the second is", PAGE - 6, 1],
  ])("code %s mapped anew, and another address space", (_, offset, changed) => {
    const [ROOT, OTHER_ROOT, LEVEL1, OTHER_LEVEL1, LEVEL0, OTHER_LEVEL0] = [1, 2, 3, 4, 5, 6].map(
      (i) => RAM_BASE + 0x2_0000 + i * PAGE,
    ) as [number, number, number, number, number, number];
    const [FIRST, SECOND, BEFORE] = [RAM_BASE + 0x1_0000, RAM_BASE + 0x1_1000, RAM_BASE + 0x1_2000] as const;
    const CALLED = 0x4000_0000;
    const [SATP, MSTATUS, PMPCFG0, PMPADDR0] = [0x180, 0x300, 0x3a0, 0x3b0];
    const POINTER = 1;
    const LEAF = 0xcf; // D A X W R V
    const GLOBAL = 0x20;
    const entry = (pa: number, flags: number): number => (pa / PAGE) * 1024 + flags;
    const machine = expectSame((a) => {
      const table = (at: number, index: number, value: number): void => {
        const bytes = new DataView(new ArrayBuffer(8));
        bytes.setBigUint64(0, BigInt(value), true);
        a.at = at + 8 * index;
        a.bytes(new Uint8Array(bytes.buffer));
      };
      const value = (rd: number, number: bigint): void => {
        const at = a.at;
        a.op("jal", { rd, imm: 12 });
        const bytes = new DataView(new ArrayBuffer(8));
        bytes.setBigUint64(0, number, true);
        a.bytes(new Uint8Array(bytes.buffer));
        expect(a.at).toBe(at + 12);
        a.op("ld", { rd, rs1: rd });
      };
      for (const [root, level1, level0, page] of [
        [ROOT, LEVEL1, LEVEL0, FIRST],
        [OTHER_ROOT, OTHER_LEVEL1, OTHER_LEVEL0, FIRST],
      ] as const) {
        table(root, 2, entry(RAM_BASE, LEAF | GLOBAL));
        table(root, 1, entry(level1, POINTER));
        table(level1, 0, entry(level0, POINTER));
        table(level0, 0, entry(BEFORE, LEAF));
        table(level0, changed, entry(page, LEAF));
      }
      for (const [page, step] of [
        [FIRST, 1],
        [SECOND, 100],
      ] as const) {
        const both = new Uint8Array(2 * PAGE);
        const body = new Assembler(both, 0, offset);
        body.op("addi", { rd: T0, imm: 3 });
        const loop = body.at;
        body.op("addi", { rd: T0, rs1: T0, imm: -1 });
        body.op("addi", { rd: A0, rs1: A0, imm: step });
        body.op("bne", { rs1: T0, rs2: 0, imm: loop - body.at });
        body.op("jalr", { rd: 0, rs1: RA });
        a.at = BEFORE;
        a.bytes(both.subarray(0, PAGE));
        a.at = page;
        a.bytes(both.subarray(changed * PAGE, (changed + 1) * PAGE));
      }
      a.at = RAM_BASE;
      const satp = (root: number, asid: bigint): bigint => (8n << 60n) | (asid << 44n) | BigInt(root / PAGE);
      value(S2, satp(ROOT, 1n));
      value(S3, satp(OTHER_ROOT, 2n));
      value(S4, BigInt(CALLED + offset));
      value(T0, -1n);
      a.op("csrrw", { rd: 0, rs1: T0, csr: PMPADDR0 });
      a.op("addi", { rd: T0, imm: 0x1f });
      a.op("csrrw", { rd: 0, rs1: T0, csr: PMPCFG0 });
      value(T0, 1n << 11n);
      a.op("csrrw", { rd: 0, rs1: T0, csr: MSTATUS });
      a.op("csrrw", { rd: 0, rs1: S2, csr: SATP });
      const supervisor = RAM_BASE + 0x100;
      a.address(T0, supervisor);
      a.op("csrrw", { rd: 0, rs1: T0, csr: MEPC });
      a.op("mret");
      a.at = supervisor;
      const calls = (): void => {
        a.op("addi", { rd: T1, imm: 50 });
        const loop = a.at;
        a.op("jalr", { rd: RA, rs1: S4 });
        a.op("addi", { rd: T1, rs1: T1, imm: -1 });
        a.op("bne", { rs1: T1, rs2: 0, imm: loop - a.at });
      };
      calls();
      value(T0, BigInt(entry(SECOND, LEAF)));
      a.address(T1, LEVEL0 + 8 * changed);
      a.op("sd", { rs1: T1, rs2: T0 });
      value(T2, BigInt(CALLED + changed * PAGE));
      a.op("sfence.vma", { rs1: T2 });
      calls();
      a.op("csrrw", { rd: 0, rs1: S3, csr: SATP });
      calls();
      a.op("csrrw", { rd: 0, rs1: S2, csr: SATP });
      calls();
      a.op("wfi");
    });
    expect(machine.vcpu.register(A0)).toBe(3n * (50n + 5000n + 50n + 5000n));
  });

  test("a loop that loads and stores through one register, from page to page, of which one may only be read", () => {
    const [PMPCFG0, PMPADDR0] = [0x3a0, 0x3b0];
    const first = STACK + PAGE;
    const READ_ONLY = 2;
    const STEP = 512;
    const machine = expectSame((a) => {
      const handler = RAM_BASE + 0x80;
      a.at = first;
      a.bytes(new Uint8Array(5 * PAGE).fill(1));
      a.at = RAM_BASE;
      a.address(T1, handler);
      a.op("csrrw", { rd: 0, rs1: T1, csr: MTVEC });
      // One page (NAPOT), locked, R.
      a.address(T1, first + READ_ONLY * PAGE);
      a.op("srli", { rd: T1, rs1: T1, imm: 2 });
      a.op("ori", { rd: T1, rs1: T1, imm: 0x1ff });
      a.op("csrrw", { rd: 0, rs1: T1, csr: PMPADDR0 });
      a.op("addi", { rd: T1, imm: 0x99 });
      a.op("csrrw", { rd: 0, rs1: T1, csr: PMPCFG0 });
      a.address(A1, first);
      a.op("addi", { rd: T0, imm: 30 });
      const loop = a.at;
      a.op("ld", { rd: T2, rs1: A1 });
      a.op("add", { rd: A0, rs1: A0, rs2: T2 });
      a.op("sb", { rs1: A1, rs2: T0, imm: 1 });
      // Misaligned, on the page of the access before.
      a.op("lw", { rd: T2, rs1: A1, imm: 1 });
      a.op("add", { rd: A0, rs1: A0, rs2: T2 });
      a.op("addi", { rd: A1, rs1: A1, imm: STEP });
      a.op("addi", { rd: T0, rs1: T0, imm: -1 });
      a.op("bne", { rs1: T0, rs2: 0, imm: loop - a.at });
      a.op("wfi");
      a.at = handler;
      a.op("addi", { rd: A2, rs1: A2, imm: 1 });
      a.op("csrrs", { rd: T1, rs1: 0, csr: MEPC });
      a.op("addi", { rd: T1, rs1: T1, imm: 4 });
      a.op("csrrw", { rd: 0, rs1: T1, csr: MEPC });
      a.op("mret");
    });
    expect(machine.vcpu.register(A2)).toBe(BigInt(PAGE / STEP));
  });

  test("an endless loop is left when somebody asks", async () => {
    const machine = machineWith(
      (a) => {
        a.op("addi", { rd: A0, rs1: A0, imm: 1 });
        a.op("jal", { rd: 0, imm: -4 });
      },
      { hotThreshold: 2 },
    );
    const { words, cpu } = machine.vcpu;
    const code = `const { workerData: { words, index, bit } } = require("node:worker_threads");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
      Atomics.or(new Int32Array(words), index, bit);`;
    const workerData = { words: words.buffer, index: (cpu + VCPU.request) >>> 2, bit: Request.Stop };
    // The first request has the region compiled, the second comes while it runs.
    for (let round = 0; round < 2; round++) {
      const worker = new Worker(code, { eval: true, workerData });
      expect(machine.vcpu.run()).toBe(ExitReason.Request);
      words[(cpu + VCPU.request) >>> 2] = 0;
      await worker.terminate();
    }
    expect(machine.vcpu.compiler?.statistics.regions).toBe(1);
  });
});

/** Numbers from a seed; xorshift32. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed * 2654435761 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const FUEL = 31;
/** Address of memory, and of nothing; what the trap handler works with. */
const [DATA, NOWHERE, SCRATCH] = [4, 3, 30];
const WORK = (
  "add xor and or sub mul addi andi xori ori slti sltiu slli srli srai lui addw subw sllw srlw sraw mulw addiw addiw " +
  "slliw srliw sraiw divw remuw sltu lb lh lw ld lbu lhu lwu sb sh sw sd"
).split(" ");
const BLOCK_BYTES = 64;

/**
 * A random control flow graph over `count` blocks: any block may branch, jump or jump through a register to any other,
 * or call one of the functions; x31 ends it. Loads may fault, and change nothing then.
 */
const randomGraph =
  (seed: number, count: number, first = RAM_BASE + 0x100): Program =>
  (a) => {
    const random = randomNumbers(seed);
    const functions = first + count * BLOCK_BYTES;
    const end = RAM_BASE + 0x800;
    const block = (index: number): number => first + index * BLOCK_BYTES;
    const register = (): number => 5 + random(12);
    const work = (): void => {
      const [rd, rs1, rs2] = [register(), register(), register()];
      const name = WORK[random(WORK.length)] as string;
      if (name === "lui") a.op(name, { rd, imm: random(2 ** 20) << 12 });
      else if (/^s[bhwd]$/.test(name)) a.op(name, { rs1: DATA, rs2, imm: 8 * random(8) });
      else if (/^l[bhwd]u?$/.test(name)) a.op(name, { rd, rs1: random(8) === 0 ? NOWHERE : DATA, imm: 8 * random(8) });
      else if (/i$|iw$/.test(name)) {
        const limit = !/^s(ll|r)/.test(name) ? 2048 : name.endsWith("w") ? 32 : 64;
        a.op(name, { rd, rs1, imm: random(limit) - (limit === 2048 ? 1024 * random(2) : 0) });
      } else a.op(name, { rd, rs1, rs2 });
    };
    const handler = RAM_BASE + 0x840;
    const start = a.at;
    a.at = STACK;
    a.bytes(new Uint8Array(64));
    a.at = start;
    a.address(DATA, STACK);
    a.address(T0, handler);
    a.op("csrrw", { rd: 0, rs1: T0, csr: MTVEC });
    a.op("lui", { rd: NOWHERE, imm: 0x2000 });
    for (let i = 5; i < 17; i++) a.op("addi", { rd: i, imm: random(2048) });
    a.op("addi", { rd: FUEL, imm: 400 });
    a.op("jal", { rd: 0, imm: first - a.at });
    for (let i = 0; i < count; i++) {
      a.at = block(i);
      a.op("addi", { rd: FUEL, rs1: FUEL, imm: -1 });
      a.op("beq", { rs1: FUEL, rs2: 0, imm: end - a.at });
      for (let n = random(4); n > 0; n--) work();
      if (random(4) === 0) a.op("jal", { rd: RA, imm: functions + random(3) * BLOCK_BYTES - a.at });
      const kind = random(5);
      if (kind < 3) {
        const name = ["beq", "bne", "blt", "bge", "bltu", "bgeu"][random(6)] as string;
        a.op(name, { rs1: register(), rs2: register(), imm: block(random(count)) - a.at });
      }
      if (kind === 4) {
        a.address(T0, block(random(count)));
        a.op("jalr", { rd: 0, rs1: T0 });
      } else a.op("jal", { rd: 0, imm: block(random(count)) - a.at });
    }
    for (let i = 0; i < 3; i++) {
      a.at = functions + i * BLOCK_BYTES;
      work();
      work();
      a.op("bne", { rs1: register(), rs2: register(), imm: 8 });
      work();
      a.op("jalr", { rd: 0, rs1: RA });
    }
    a.at = end;
    a.op("wfi");
    a.at = handler;
    a.op("csrrs", { rd: SCRATCH, rs1: 0, csr: MEPC });
    a.op("addi", { rd: SCRATCH, rs1: SCRATCH, imm: 4 });
    a.op("csrrw", { rd: 0, rs1: SCRATCH, csr: MEPC });
    a.op("mret");
  };

describe("random control flow graphs", () => {
  test.each(Array.from({ length: 60 }, (_, i) => i + 1))("seed %i", (seed) => {
    expectSame(randomGraph(seed, 4 + (seed % 20)));
  });

  test.each(Array.from({ length: 60 }, (_, i) => i + 1))("seed %i, in two pages", (seed) => {
    const count = 4 + (seed % 20);
    // Every other one has an instruction that lies in both.
    const inFirst = (seed % count) * BLOCK_BYTES + 2 * (seed & 1);
    expectSame(randomGraph(seed, count, RAM_BASE + PAGE - inFirst));
  });
});

describe("lockstep", () => {
  test.each([
    ["in one page", 0x100],
    ["in two pages", PAGE - 6 * BLOCK_BYTES],
    ["in two pages, with an instruction in both", PAGE - 6 * BLOCK_BYTES - 2],
  ])("two engines that agree, %s", (_, first) => {
    const machine = machineWith(randomGraph(7, 12, RAM_BASE + first), { hotThreshold: 2, lockstep: true });
    for (let run = 0; run < 3; run++) {
      machine.reset(RAM_BASE);
      machine.run();
    }
    expect(machine.vcpu.lockstep?.compared).toBeGreaterThan(50);
  });

  test("a region that is another's is found out", () => {
    const STEPS = [1, 2] as const;
    const loops: number[] = [];
    const program: Program = (a) => {
      loops.length = 0;
      for (const step of STEPS) {
        a.op("addi", { rd: T0, imm: 100 });
        loops.push(a.at);
        a.op("add", { rd: A0, rs1: A0, rs2: T0 });
        a.op("addi", { rd: T0, rs1: T0, imm: -step });
        a.op("bne", { rs1: T0, rs2: 0, imm: (loops.at(-1) as number) - a.at });
      }
      a.op("wfi");
    };
    const machine = machineWith(program, { hotThreshold: 2, lockstep: true });
    machine.run();
    const { pages, runtime, cpu } = machine.vcpu;
    const page = runtime.fetchPage(cpu, BigInt(RAM_BASE)) >>> 0;
    const [first, second] = loops.map((at) => at - RAM_BASE) as [number, number];
    expect(pages.slotAt(page, second)).not.toBe(0);
    pages.setSlot(page, first, pages.slotAt(page, second));
    machine.reset(RAM_BASE);
    expect(() => machine.run()).toThrow(LockstepError);
  });
});
