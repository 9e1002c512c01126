/** Threads that sleep past the engine, where koffi is. */
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { openFutex } from "#platform/node/futex.ts";

const futex = await openFutex();

/** Changes word 0 after a while; the one to wake it sleeps on is the caller's. */
const CHANGER = `
  const { workerData: words } = require("node:worker_threads");
  setTimeout(() => Atomics.store(words, 0, 1), 20);
`;

test.skipIf(!futex)("a sleeper looks up now and then, and does not sleep on another value", async () => {
  const words = new Int32Array(new SharedArrayBuffer(4));
  futex?.wait(words, 7);
  const worker = new Worker(CHANGER, { eval: true, workerData: words });
  let looks = 0;
  // Bounded: a worker starts within seconds.
  while (Atomics.load(words, 0) === 0 && looks < 200) {
    futex?.wait(words, 0);
    looks++;
  }
  expect(Atomics.load(words, 0)).toBe(1);
  expect(looks).toBeGreaterThan(0);
  await worker.terminate();
});

test.skipIf(!futex)("who sleeps is woken by another thread at once", async () => {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const sleeper = new Worker(
    `const { workerData: { words, koffi, number } } = require("node:worker_threads");
     const syscall = require(koffi).load(null).func("long syscall(long, void *, int, int, void *, void *, int)");
     Atomics.store(words, 1, 1);
     // For as long as it takes: a sleeper without a limit ends by being woken alone.
     while (Atomics.load(words, 0) === 0) syscall(number, words.subarray(0, 1), 128, 0, null, null, 0);`,
    {
      eval: true,
      workerData: { words, koffi: require.resolve("koffi"), number: process.arch === "x64" ? 202 : 98 },
    },
  );
  const ended = new Promise((resolve) => sleeper.once("exit", resolve));
  while (Atomics.load(words, 1) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 50));
  Atomics.store(words, 0, 1);
  futex?.wake(words.subarray(0, 1));
  expect(await ended).toBe(0);
});
