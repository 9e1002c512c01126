import { expect, test } from "vitest";
import type { Trace } from "#core/trace.ts";
import { mmioRead32, mmioWrite32 } from "#hw/bus/mmio-map.ts";
import { PLIC_REGION_BYTES, RiscvPlic, plicState, plicStateBytes } from "#hw/devices/riscv-plic.ts";
import type { MmioRegion } from "#hw/bus/types.ts";

const M0 = 0;
const S0 = 1;
const S1 = 3;

function makePlic(contexts = 4, memory = new SharedArrayBuffer(plicStateBytes(contexts)), trace: Trace = {}) {
  const outputs = Array.from({ length: contexts }, () => false);
  const plic = new RiscvPlic(
    { memory, offset: 0 },
    {
      outputs: outputs.map((_, context) => ({
        set: (level: boolean) => {
          outputs[context] = level;
        },
      })),
      trace,
    },
  );
  const region = plic.regions[0] as MmioRegion;
  const read = (offset: number) => mmioRead32(region, offset, 4);
  const write = (offset: number, value: number) => expect(mmioWrite32(region, offset, 4, value)).toBe(true);
  return {
    plic,
    memory,
    region,
    outputs,
    read,
    write,
    pending: (source: number) => (read(0x1000 + (source >> 5) * 4) >>> (source & 31)) & 1,
    setPriority: (source: number, priority: number) => write(source * 4, priority),
    enable: (context: number, ...sources: number[]) => {
      for (const source of sources) {
        const offset = 0x2000 + context * 0x80 + (source >> 5) * 4;
        write(offset, read(offset) | (1 << (source & 31)));
      }
    },
    setThreshold: (context: number, value: number) => write(0x200000 + context * 0x1000, value),
    claim: (context: number) => read(0x200004 + context * 0x1000),
    complete: (context: number, source: number) => write(0x200004 + context * 0x1000, source),
  };
}

test("registers keep what they can: 3-bit priorities and thresholds, no source 0, only existing contexts", () => {
  const { read, write, region } = makePlic(2);
  expect(region.sizeBytes).toBe(0x600000);
  write(4, 0xffff_ffff);
  write(95 * 4, 9);
  write(0, 7);
  write(96 * 4, 7);
  expect([read(4), read(95 * 4), read(0), read(96 * 4)]).toEqual([7, 1, 0, 0]);
  for (const [offset, kept] of [
    [0x2000, 0xffff_fffe],
    [0x2004, 0xffff_ffff],
    [0x2008, 0xffff_ffff],
    [0x200c, 0],
    [0x2080, 0xffff_fffe],
    [0x2100, 0],
    [0x200000, 7],
    [0x201000, 7],
    [0x202000, 0],
    [0x200008, 0],
    [0x1000, 0],
    [0x1ffffc, 0],
    [PLIC_REGION_BYTES - 4, 0],
  ] as const) {
    write(offset, 0xffff_ffff);
    expect(`0x${offset.toString(16)}: ${read(offset)}`).toBe(`0x${offset.toString(16)}: ${kept}`);
  }
});

test("only aligned 4-byte accesses reach it", () => {
  const { region } = makePlic();
  for (const size of [1, 2] as const) expect(mmioRead32(region, 4, size)).toBe(-1);
  expect(mmioRead32(region, 6, 4)).toBe(-1);
  expect(region.accessSizes).toEqual([4]);
});

test("a level goes the whole way: pending, output, claim, complete", () => {
  const p = makePlic();
  p.setPriority(10, 1);
  p.enable(S0, 10);
  p.plic.source(10).set(true);
  expect([p.pending(10), ...p.outputs]).toEqual([1, false, true, false, false]);
  expect(p.claim(S0)).toBe(10);
  expect([p.pending(10), p.outputs[S0]]).toEqual([0, false]);
  p.plic.source(10).set(false);
  p.complete(S0, 10);
  expect([p.pending(10), p.outputs[S0], p.claim(S0)]).toEqual([0, false, 0]);
});

test("the gateway forwards one request until completion, and again if the level is still high (riscv-plic 1.2)", () => {
  const p = makePlic();
  p.setPriority(1, 1);
  p.enable(S0, 1);
  const line = p.plic.source(1);
  line.set(true);
  expect(p.claim(S0)).toBe(1);
  line.set(true);
  line.set(false);
  line.set(true);
  expect([p.pending(1), p.outputs[S0]]).toEqual([0, false]);
  p.complete(S0, 1);
  expect([p.pending(1), p.outputs[S0]]).toEqual([1, true]);
  // A request that was forwarded stays, also when the level falls before it is claimed.
  line.set(false);
  expect([p.pending(1), p.claim(S0)]).toEqual([1, 1]);
  p.complete(S0, 1);
  expect(p.pending(1)).toBe(0);
});

test("a source is claimed once, by the first context of several that enable it", () => {
  const p = makePlic();
  p.setPriority(33, 1);
  p.enable(S0, 33);
  p.enable(S1, 33);
  p.plic.source(33).set(true);
  expect(p.outputs).toEqual([false, true, false, true]);
  expect([p.claim(S1), p.claim(S0), p.claim(S1)]).toEqual([33, 0, 0]);
  expect(p.outputs).toEqual([false, false, false, false]);
  p.complete(S1, 33);
  expect(p.outputs).toEqual([false, true, false, true]);
});

test("the highest priority first, the lowest number among equals (riscv-plic 4)", () => {
  const p = makePlic();
  for (const [source, priority] of [
    [5, 2],
    [31, 3],
    [32, 3],
    [64, 7],
    [95, 2],
    [7, 0],
  ] as const) {
    p.setPriority(source, priority);
    p.enable(M0, source);
    p.plic.source(source).set(true);
  }
  const order: number[] = [];
  for (let source = p.claim(M0); source !== 0; source = p.claim(M0)) order.push(source);
  expect(order).toEqual([64, 31, 32, 5, 95]);
  expect(p.pending(7)).toBe(1);
});

test("the threshold masks notification, not claims (riscv-plic 7 and 8); priority 0 is never delivered", () => {
  const p = makePlic();
  p.setPriority(3, 4);
  p.enable(S0, 3);
  p.plic.source(3).set(true);
  for (const [threshold, notified] of [
    [0, true],
    [3, true],
    [4, false],
    [7, false],
  ] as const) {
    p.setThreshold(S0, threshold);
    expect(p.outputs[S0]).toBe(notified);
  }
  expect(p.claim(S0)).toBe(3);
  p.complete(S0, 3);
  p.setThreshold(S0, 0);
  expect(p.outputs[S0]).toBe(true);
  p.setPriority(3, 0);
  expect([p.outputs[S0], p.claim(S0)]).toEqual([false, 0]);
});

test("enabling after the fact notifies, disabling takes the notification back", () => {
  const p = makePlic();
  p.setPriority(70, 1);
  p.plic.source(70).set(true);
  expect([p.pending(70), p.outputs[S1]]).toEqual([1, false]);
  p.enable(S1, 70);
  expect(p.outputs[S1]).toBe(true);
  p.write(0x2000 + S1 * 0x80 + 8, 0);
  expect([p.outputs[S1], p.claim(S1)]).toEqual([false, 0]);
});

test("completions of nothing, of unknown sources, and of unclaimed ones change nothing", () => {
  const p = makePlic();
  p.setPriority(2, 1);
  p.enable(S0, 2);
  for (const source of [0, 2, 96, 0xffff_ffff]) p.complete(S0, source);
  expect(p.pending(2)).toBe(0);
  p.plic.source(2).set(true);
  p.complete(S0, 2);
  expect(p.claim(S0)).toBe(2);
});

test("sources outside 1 to 95 do not exist", () => {
  const { plic } = makePlic();
  for (const number of [0, 96, -1, Number.NaN]) expect(() => plic.source(number)).toThrow(RangeError);
});

test("two objects over one state are one PLIC", () => {
  const first = makePlic();
  first.setPriority(10, 1);
  first.enable(S0, 10);
  const second = makePlic(4, first.memory);
  second.plic.source(10).set(true);
  expect(second.outputs[S0]).toBe(true);
  expect(first.claim(S0)).toBe(10);
  second.complete(S0, 10);
  expect(second.outputs[S0]).toBe(true);
});

test("the section has QEMU's size and order, and restores the outputs", () => {
  expect([440, 472, 536]).toEqual([2, 4, 8].map((contexts) => makePlic(contexts).plic.migration[0]?.save().length));
  expect([plicState(2).name, plicState(2).version]).toEqual(["riscv_sifive_plic", 1]);
  const p = makePlic();
  p.setPriority(1, 3);
  p.setPriority(64, 5);
  p.setThreshold(S0, 2);
  p.enable(S0, 1, 64);
  p.plic.source(1).set(true);
  p.plic.source(64).set(true);
  expect(p.claim(S0)).toBe(64);
  const body = p.plic.migration[0]?.save() as Uint8Array;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const words = Array.from({ length: body.length / 4 }, (_, i) => view.getUint32(i * 4));
  expect([words[1], words[64]]).toEqual([3, 5]);
  expect(words.slice(96, 100)).toEqual([0, 2, 0, 0]);
  // The claimed source's line is still high: it is sent as pending, since levels are not sent.
  expect(words.slice(100, 106)).toEqual([2, 0, 1, 0, 0, 1]);
  expect(words.slice(106)).toEqual([0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0]);
  expect(p.pending(64)).toBe(0);

  const target = makePlic();
  target.plic.migration[0]?.load(body, 1);
  expect(target.outputs).toEqual([false, true, false, false]);
  expect([target.claim(S0), target.claim(S0)]).toEqual([1, 0]);
  target.complete(S0, 64);
  expect(target.claim(S0)).toBe(64);
});

test("a hostile section gives registers that a guest could have made", () => {
  const p = makePlic(2);
  p.plic.migration[0]?.load(new Uint8Array(440).fill(0xff), 1);
  expect([p.read(0), p.read(4), p.read(0x200000), p.read(0x1000)]).toEqual([0, 7, 7, 0xffff_fffe]);
  expect(p.claim(M0)).toBe(0);
  p.complete(M0, 95);
  expect(p.claim(M0)).toBe(95);
});

test("reset clears registers and outputs", () => {
  const p = makePlic();
  p.setPriority(1, 1);
  p.enable(S0, 1);
  p.plic.source(1).set(true);
  p.plic.reset();
  expect([p.pending(1), p.read(4), ...p.outputs]).toEqual([0, 0, false, false, false, false]);
});

test("a trace shows edges of the inputs, claims and completions", () => {
  const seen: unknown[] = [];
  const trace: Trace = {
    riscv_plic_request: (...args) => void seen.push(["request", ...args]),
    riscv_plic_claim: (...args) => void seen.push(["claim", ...args]),
    riscv_plic_complete: (...args) => void seen.push(["complete", ...args]),
  };
  const { plic, setPriority, enable, claim, complete } = makePlic(2, undefined, trace);
  setPriority(10, 1);
  enable(S0, 10);
  plic.source(10).set(true);
  plic.source(10).set(true);
  claim(S0);
  plic.source(10).set(false);
  complete(S0, 10);
  expect(seen).toEqual([
    ["request", 10, true],
    ["claim", S0, 10],
    ["request", 10, false],
    ["complete", S0, 10],
  ]);
});
