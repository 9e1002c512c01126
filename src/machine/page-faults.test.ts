/** Pages that have not come yet: guest code waits for them, whatever way it touches them. */
import { expect, test } from "vitest";
import { resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { BareMachine, BareMemory, RAM_BASE } from "#cpu/testing/bare-machine.ts";
import { CONTROL, layoutMemory, VCPU } from "#cpu/vcpu/layout.ts";
import { PageFaults } from "#machine/page-faults.ts";

const RAM_BYTES = 1 << 20;
const WFI = 0x1050_0073;
/** ld a0, 0(a1); sd a0, 0(a2); wfi */
const PROGRAM = [0x0005_b503, 0x00a6_3023, WFI];

test("code, a load and a store wait once each for their page", () => {
  const memory = new BareMemory(RAM_BYTES);
  const { layout, shared } = memory;
  const faults = new PageFaults(shared.buffer, layout);
  const asked: number[] = [];
  const machine = new BareMachine({
    ramBytes: RAM_BYTES,
    extensions: resolveExtensions({}),
    memory,
    ports: {
      pageMissing(host) {
        const page = faults.pageOf(host);
        asked.push(page);
        // The page comes.
        if (page === 0) machine.load(RAM_BASE, new Uint8Array(Uint32Array.from(PROGRAM).buffer));
        if (page === 2) machine.load(RAM_BASE + 2 * 4096, Uint8Array.of(42));
        faults.placed(page);
      },
    },
  });
  faults.expect(0, 8);
  const { view, cpu } = machine.vcpu;
  view.setBigUint64(cpu + VCPU.x + 8 * 11, BigInt(RAM_BASE + 2 * 4096), true);
  view.setBigUint64(cpu + VCPU.x + 8 * 12, BigInt(RAM_BASE + 5 * 4096 + 8), true);
  machine.run();
  expect(asked).toEqual([0, 2, 5]);
  expect(machine.bytes(RAM_BASE + 5 * 4096 + 8, 1)[0]).toBe(42);
  expect([1, 2, 3, 5].map((page) => faults.isMissing(page))).toEqual([true, false, true, false]);
});

const faultsOf = (vcpus = 2): { faults: PageFaults; words: Int32Array } => {
  const layout = layoutMemory(vcpus, [{ name: "ram", sizeBytes: RAM_BYTES }]);
  const memory = new SharedArrayBuffer(layout.totalBytes);
  return { faults: new PageFaults(memory, layout), words: new Int32Array(memory) };
};
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

test("pages are counted once, whatever is said twice", () => {
  const { faults } = faultsOf();
  faults.expect(0, 10);
  faults.expect(5, 10);
  expect(faults.missingCount).toBe(15);
  expect(faults.placed(3)).toBe(false);
  expect(faults.placed(3)).toBe(false);
  expect([faults.missingCount, faults.isMissing(3), faults.isMissing(4)]).toEqual([14, false, true]);
});

test("a page that is here is not waited for", async () => {
  const { faults } = faultsOf();
  expect(faults.wait(0, 3, 17)).toBe(false);
  await faults.want(3, 17);
  expect([faults.waiting(), faults.take()]).toEqual([[], undefined]);
});

test("a device's fault is published, taken once, and ends with its page", async () => {
  const { faults, words } = faultsOf();
  faults.expect(0, 10);
  let there = 0;
  const wants = [faults.want(7, 100), faults.want(7, 200)].map((want) => want.then(() => there++));
  expect(Atomics.load(words, CONTROL.pageFaults)).toBe(1);
  expect(faults.waiting()).toEqual([{ vcpu: -1, page: 7, sinceNs: 100 }]);
  expect([faults.take(), faults.take()]).toEqual([{ vcpu: -1, page: 7, sinceNs: 100 }, undefined]);
  expect(faults.waiting()).toHaveLength(1);
  expect(faults.placed(6)).toBe(false);
  await turn();
  expect(there).toBe(0);
  expect(faults.placed(7)).toBe(true);
  await Promise.all(wants);
  expect([there, faults.waiting()]).toEqual([2, []]);
});

test("more wants than places come in turns, and none that are over are taken", async () => {
  const { faults } = faultsOf();
  faults.expect(0, 100);
  const wants = Array.from({ length: 40 }, (_, page) => faults.want(page, page));
  expect(faults.waiting().map(({ page }) => page)).toEqual(Array.from({ length: 16 }, (_, page) => page));
  for (let page = 0; page < 10; page++) expect(faults.placed(page)).toBe(true);
  expect(faults.take()).toEqual({ vcpu: -1, page: 10, sinceNs: 10 });
  await Promise.all(wants.slice(0, 10));
  expect(faults.waiting()).toHaveLength(16);
  const taken = new Set<number>([10]);
  for (let fault = faults.take(); fault; fault = faults.take()) taken.add(fault.page);
  expect([...taken].sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => 10 + i));
  for (let page = 10; page < 40; page++) faults.placed(page);
  await Promise.all(wants);
});

test("faults that come and go unread do not fill the ring", async () => {
  const { faults } = faultsOf();
  faults.expect(0, 256);
  for (let page = 0; page < 250; page++) {
    const want = faults.want(page, page);
    faults.placed(page);
    await want;
  }
  expect(faults.take()).toBeUndefined();
  for (const page of [250, 251]) void faults.want(page, page);
  expect([faults.take()?.page, faults.take()?.page, faults.take()]).toEqual([250, 251, undefined]);
});

test("who places a page lets every wait be accounted, once, before it ends; others' pages are to be brought all the same", () => {
  const { faults } = faultsOf();
  faults.expect(0, 10);
  void faults.want(3, 100);
  void faults.want(4, 200);
  const begun: number[] = [];
  const begin = ({ page }: { readonly page: number }): boolean => {
    begun.push(page);
    expect([faults.isHere(page), faults.isMissing(page)]).toEqual([false, page !== 4]);
    return true;
  };
  expect(faults.placed(4, begin)).toBe(true);
  expect([begun, faults.isHere(4)]).toEqual([[3, 4], true]);
  expect([faults.take(begin)?.page, faults.take(begin), begun]).toEqual([3, undefined, [3, 4]]);
});

test("who waits asks itself where it can, and leaves it to the taker where it cannot", () => {
  const layout = layoutMemory(2, [{ name: "ram", sizeBytes: RAM_BYTES }]);
  const memory = new SharedArrayBuffer(layout.totalBytes);
  const asked: (readonly [number, number])[] = [];
  const ask = (descriptor: number, page: number): boolean => asked.push([descriptor, page]) < 3;
  const faults = new PageFaults(memory, layout, { ask });
  faults.expect(0, 10);
  void faults.want(1, 100);
  faults.setRequests(17);
  for (const page of [2, 3, 4]) void faults.want(page, 100);
  faults.setRequests(0);
  void faults.want(5, 100);
  expect(asked).toEqual([
    [17, 2],
    [17, 3],
    [17, 4],
  ]);
  // All of them are known, whoever asks.
  expect(faults.waiting().map(({ page }) => page)).toEqual([1, 2, 3, 4, 5]);
});

test("a thread that sleeps by the host's futex is woken by it", () => {
  const layout = layoutMemory(2, [{ name: "ram", sizeBytes: RAM_BYTES }]);
  const memory = new SharedArrayBuffer(layout.totalBytes);
  const said: string[] = [];
  const later: { placed?: () => void } = {};
  const futex = {
    wait(word: Int32Array, value: number): void {
      said.push(`${word.length} word, ${Atomics.load(word, 0) === value ? "as it was" : "changed"}`);
      // It may wake for nothing.
      if (said.length === 2) later.placed?.();
    },
    wake: (word: Int32Array): void => void said.push(`woken with ${Atomics.load(word, 0)}`),
  };
  const faults = new PageFaults(memory, layout, { futex });
  const other = new PageFaults(memory, layout, { futex });
  later.placed = () => void other.placed(3);
  faults.expect(0, 10);
  expect(faults.wait(1, 3, 100)).toBe(true);
  expect(said).toEqual(["1 word, as it was", "1 word, as it was", "woken with 0"]);
});
