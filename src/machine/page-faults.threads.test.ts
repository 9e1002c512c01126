/** Threads that fault on pages while this one places them in any order: nobody is left behind, no fault is unheard. */
import { Worker } from "node:worker_threads";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { waitAsync } from "#core/wait-async.ts";
import { CONTROL, layoutMemory, type MemoryLayout } from "#cpu/vcpu/layout.ts";
import { type PageFault, PageFaults } from "#machine/page-faults.ts";

const VCPUS = 4;
const PAGES = 4096;
const ROUNDS = 5;
const LAYOUT = layoutMemory(VCPUS, [{ name: "ram", sizeBytes: PAGES * 4096 }]);

/** Touches pages at random and in order, and says which it waited for. A page must be there afterwards. */
const TOUCHER = `
  import { parentPort, workerData } from "node:worker_threads";
  import { PageFaults } from "#machine/page-faults.ts";
  const { memory, layout, vcpu, pages } = workerData;
  const faults = new PageFaults(memory, layout);
  let [waits, absent] = [0, 0];
  const touch = (page) => {
    if (faults.isMissing(page) && faults.wait(vcpu, page, Number(process.hrtime.bigint()))) waits++;
    if (faults.isMissing(page)) absent++;
  };
  let seed = vcpu + 1;
  for (let i = 0; i < pages; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    touch(seed % pages);
    touch((i * 7) % pages);
  }
  for (let page = 0; page < pages; page++) touch(page);
  parentPort.postMessage({ waits, absent });`;

async function bundle(contents: string): Promise<string> {
  const stdin = { contents, resolveDir: import.meta.dirname };
  const { outputFiles } = await build({ stdin, bundle: true, format: "cjs", platform: "node", write: false });
  return outputFiles[0]?.text ?? "";
}

function start(source: string, memory: SharedArrayBuffer, layout: MemoryLayout, vcpu: number): Promise<Touched> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(source, { eval: true, workerData: { memory, layout, vcpu, pages: PAGES } });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}
type Touched = { waits: number; absent: number };

test("faults, wants and placements at the same time", async () => {
  const source = await bundle(TOUCHER);
  for (let round = 0; round < ROUNDS; round++) {
    const memory = new SharedArrayBuffer(LAYOUT.totalBytes);
    const words = new Int32Array(memory);
    const faults = new PageFaults(memory, LAYOUT);
    faults.expect(0, PAGES);
    const threads = Array.from({ length: VCPUS }, (_, vcpu) => start(source, memory, LAYOUT, vcpu));
    let [served, idle] = [0, 0];
    const begun = Array.from({ length: VCPUS }, () => 0);
    const begin = ({ vcpu }: PageFault): boolean => {
      if (vcpu >= 0) begun[vcpu] = (begun[vcpu] ?? 0) + 1;
      return true;
    };
    let random = round + 1;
    // A device's wants come in between, for pages that vCPUs want too.
    const wants = Array.from({ length: 64 }, (_, i) => faults.want((i * 61) % PAGES, i));
    while (faults.missingCount > 0) {
      const seen = Atomics.load(words, CONTROL.pageFaults);
      for (let fault = faults.take(begin); fault; fault = faults.take(begin)) {
        // Placed although it was asked for already, placed twice, and some that nobody asked for.
        if (faults.placed(fault.page, begin)) served++;
        expect(faults.placed(fault.page, begin)).toBe(false);
        random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
        if (random % 3 === 0) faults.placed((random >>> 8) % PAGES, begin);
      }
      const waiting = waitAsync(words, CONTROL.pageFaults, seen, 20);
      // Nobody faults for a second: threads sleep on pages that they did not ask for.
      idle = waiting.async && (await waiting.value) === "timed-out" ? idle + 1 : 0;
      if (idle > 50) throw new Error(`${faults.missingCount} missing, unheard: ${JSON.stringify(faults.waiting())}`);
    }
    const touched = await Promise.all(threads);
    await Promise.all(wants);
    expect(touched.map(({ absent }) => absent)).toEqual(Array.from({ length: VCPUS }, () => 0));
    expect(faults.waiting()).toEqual([]);
    // Every wait that a vCPU saw was accounted, and no other.
    expect(touched.map(({ waits }) => waits)).toEqual(begun);
    expect(served).toBeGreaterThan(0);
    expect(touched.reduce((sum, { waits }) => sum + waits, 0)).toBeGreaterThan(0);
  }
});
