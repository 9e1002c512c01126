/** Pages that have not come yet: guest code waits for them, whatever way it touches them. */
import { Worker } from "node:worker_threads";
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

/** Waits as `PageFaults.wait` does, in a thread. */
const WAITER = `
  const { parentPort, workerData: { memory, word, map, page, faults } } = require("node:worker_threads");
  const words = new Int32Array(memory);
  const missing = new Uint8Array(memory, map);
  Atomics.store(words, word, page + 1);
  Atomics.add(words, faults, 1);
  Atomics.notify(words, faults);
  while (Atomics.load(missing, page) !== 0) Atomics.wait(words, word, page + 1);
  parentPort.postMessage("there");
`;

test("a thread that waits is seen, woken by its page, and by no other", async () => {
  const layout = layoutMemory(2, [{ name: "ram", sizeBytes: RAM_BYTES }]);
  const memory = new SharedArrayBuffer(layout.totalBytes);
  const faults = new PageFaults(memory, layout);
  faults.expect(0, 10);
  // Page 3 comes before vCPU 0 waits: it does not wait at all.
  faults.placed(3);
  faults.wait(0, 3, 17);
  expect(faults.waiting()).toEqual([]);
  const word = (layout.vcpus + layout.vcpuStride + VCPU.faultPage) >>> 2;
  const workerData = { memory, word, map: layout.missingMap, page: 7, faults: CONTROL.pageFaults };
  const worker = new Worker(WAITER, { eval: true, workerData });
  const there = new Promise((resolve) => worker.once("message", resolve));
  while (faults.waiting().length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(faults.waiting()).toMatchObject([{ vcpu: 1, page: 7 }]);
  expect(faults.placed(6)).toEqual([]);
  expect(faults.placed(7)).toMatchObject([{ vcpu: 1, page: 7 }]);
  expect(await there).toBe("there");
  await worker.terminate();
});
