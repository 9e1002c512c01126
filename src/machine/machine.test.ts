/**
 * Start, stop, reset and quit against vCPU threads that take their time: each sleeps between seeing that the machine
 * runs and leaving its park, as a thread does that the host does not schedule.
 */
import { Worker } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import { parseCommandLine } from "#app/cli/command-line.ts";
import { CONTROL } from "#cpu/vcpu/layout.ts";
import type { MachineConfig } from "#machine/config.ts";
import { Machine, type MachineHost } from "#machine/machine.ts";
import { nodeClock, nodeTimers } from "#platform/node/clock.ts";
import { nodeRandom } from "#platform/node/random.ts";

/** States of a slow thread, in a word of its own. */
const PARKED = 1;
const AWAKE = 2;
const RUNS = 3;

/** The protocol of vcpu-thread.ts, slowly and without guest code. */
const SLOW_VCPU = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { memory, state, index, control, slowMs } = workerData;
  const words = new Int32Array(memory.buffer);
  const own = new Int32Array(state);
  const nap = new Int32Array(new SharedArrayBuffer(4));
  parentPort.postMessage("ready");
  for (;;) {
    if (Atomics.load(words, control.running) === 0) {
      Atomics.store(own, index, ${PARKED});
      Atomics.add(words, control.stoppedVcpus, 1);
      Atomics.notify(words, control.stoppedVcpus);
      while (Atomics.load(words, control.running) === 0) Atomics.wait(words, control.running, 0);
      Atomics.store(own, index, ${AWAKE});
      Atomics.wait(nap, 0, 0, slowMs * (1 + index));
      Atomics.store(own, index, ${RUNS});
      Atomics.sub(words, control.stoppedVcpus, 1);
      Atomics.notify(words, control.stoppedVcpus);
    }
    Atomics.wait(nap, 0, 0, 1);
  }
`;

const machines: Machine[] = [];
afterEach(async () => {
  for (const machine of machines.splice(0)) await machine.quit();
});

async function slowMachine(
  vcpus: number,
  slowMs = 5,
): Promise<{ machine: Machine; states: Int32Array; events: string[] }> {
  const command = parseCommandLine(
    ["-M", "virt", "-bios", "none", "-display", "none", "-serial", "none", "-m", "16", "-smp"].concat(String(vcpus)),
  );
  const config = (command as { machine: MachineConfig }).machine;
  const states = new Int32Array(new SharedArrayBuffer(4 * vcpus));
  const clock = nodeClock();
  const host: MachineHost = {
    clock,
    timers: nodeTimers(clock),
    random: nodeRandom(),
    disks: new Map(),
    chardevs: new Map(),
    async startThread(kind, { memory, vcpu }) {
      if (kind === "timer") return { terminate: async () => {} };
      const workerData = { memory, state: states.buffer, index: vcpu, control: CONTROL, slowMs };
      const worker = new Worker(SLOW_VCPU, { eval: true, workerData });
      await new Promise((resolve) => worker.once("message", resolve));
      return { terminate: async () => void (await worker.terminate()) };
    },
  };
  const machine = await Machine.create(config, {}, host);
  const events: string[] = [];
  machine.on(({ kind }) => events.push(kind));
  machines.push(machine);
  return { machine, states, events };
}

const all = (states: Int32Array, state: number): boolean => states.every((word) => word === state);

test("a stop that follows a start at once returns when every vCPU has parked again", async () => {
  const { machine, states, events } = await slowMachine(2);
  for (let round = 0; round < 10; round++) {
    void machine.start();
    while (!states.includes(AWAKE) && !states.includes(RUNS)) await new Promise((resolve) => setTimeout(resolve));
    await machine.stop();
    expect(all(states, PARKED)).toBe(true);
    expect(machine.isRunning).toBe(false);
  }
  expect(events).toEqual(Array.from({ length: 10 }, () => ["resume", "stop"]).flat());
}, 10_000);

test("operations that are asked for together take effect in order", async () => {
  const { machine, states, events } = await slowMachine(2);
  await Promise.all([machine.start(), machine.reset(), machine.stop(), machine.start(), machine.stop()]);
  expect(events).toEqual(["resume", "reset", "stop", "resume", "stop"]);
  expect(all(states, PARKED)).toBe(true);
  await machine.start();
  expect(all(states, RUNS)).toBe(true);
}, 10_000);

test("quit ends operations that wait for a vCPU; later ones do nothing", async () => {
  const { machine, states, events } = await slowMachine(1, 300);
  const operations = [machine.start(), machine.stop(), machine.reset()];
  while (!states.includes(AWAKE)) await new Promise((resolve) => setImmediate(resolve));
  const first = machine.quit();
  expect(machine.quit()).toBe(first);
  await Promise.all([...operations, first]);
  expect(events).toEqual([]);
  await Promise.all([machine.start(), machine.stop(), machine.reset()]);
  expect(events).toEqual([]);
}, 10_000);
