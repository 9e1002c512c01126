/** Threads that fault while this one places pages as fast as it can: none of their records is lost or left open. */
import path from "node:path";
import { Worker } from "node:worker_threads";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { Blocktime } from "./blocktime.ts";
import { type Shared, touchPages } from "./testing/page-toucher.ts";

const VCPUS = 3;
const PAGES = 60_000;

/** One clock for all threads of the process. */
const nowNs = (): number => Number(process.hrtime.bigint());

async function workerSource(): Promise<string> {
  const toucher = path.join(import.meta.dirname, "testing/page-toucher.ts");
  const contents = `
    import { parentPort, workerData } from "node:worker_threads";
    import { ${touchPages.name} } from ${JSON.stringify(toucher)};
    const { shared, vcpu } = workerData;
    Atomics.add(shared.ready, 0, 1);
    const nowNs = () => Number(process.hrtime.bigint());
    parentPort.postMessage(touchPages(shared, vcpu, nowNs));`;
  const stdin = { contents, resolveDir: import.meta.dirname };
  const { outputFiles } = await build({ stdin, bundle: true, format: "cjs", platform: "node", write: false });
  return outputFiles[0]?.text ?? "";
}

function startWorker(source: string, shared: Shared, vcpu: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(source, { eval: true, workerData: { shared, vcpu } });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

test("faults and placements at the same time", async () => {
  const size = { vcpus: VCPUS };
  const memory = new SharedArrayBuffer(Blocktime.lengthBytes(size));
  const received = new Int32Array(new SharedArrayBuffer(4 * PAGES));
  const ready = new Int32Array(new SharedArrayBuffer(4));
  const blocktime = new Blocktime(memory, 0, size, { isReceived: (page) => Atomics.load(received, page) === 1 });
  blocktime.reset();
  const source = await workerSource();
  const shared = { memory, received, ready, ...size };
  const started = nowNs();
  const workers = Array.from({ length: VCPUS }, (_, vcpu) => startWorker(source, shared, vcpu));
  while (Atomics.load(ready, 0) < VCPUS) await new Promise((resolve) => setTimeout(resolve, 1));
  for (let page = 0; page < PAGES; page++) {
    Atomics.store(received, page, 1);
    blocktime.end(page, nowNs());
    Atomics.notify(received, page);
  }
  const faults = await Promise.all(workers);
  const lengthNs = nowNs() - started;

  expect(Array.from(received.keys()).filter((page) => blocktime.isAwaited(page))).toEqual([]);
  const figures = blocktime.read();
  expect(figures.vcpuFaults).toEqual(faults);
  expect(figures.latencyBuckets.reduce((sum, count) => sum + count, 0)).toBe(
    figures.vcpuFaults.reduce((sum, count) => sum + count, 0),
  );
  expect(figures.vcpuFaults.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
  for (const blockedNs of figures.vcpuBlocktimeNs) {
    expect(blockedNs).toBeLessThanOrEqual(lengthNs);
    expect(figures.totalBlocktimeNs).toBeLessThanOrEqual(blockedNs);
  }
});
