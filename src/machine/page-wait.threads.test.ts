/** A machine with real vCPU threads whose memory has not come: it can be stopped, looked at, started, reset and ended. */
import { Worker } from "node:worker_threads";
import { build } from "esbuild";
import { afterEach, beforeAll, expect, test } from "vitest";
import { parseCommandLine } from "#app/cli/command-line.ts";
import { Assembler } from "#cpu/testing/assembler.ts";
import { CONTROL, VCPU } from "#cpu/vcpu/layout.ts";
import type { MachineConfig } from "#machine/config.ts";
import { Machine, type MachineHost } from "#machine/machine.ts";
import { type PageFault, PageFaults } from "#machine/page-faults.ts";
import { VirtBlock } from "#machine/virt/virt-layout.ts";
import { nodeClock, nodeTimers } from "#platform/node/clock.ts";
import { nodeRandom } from "#platform/node/random.ts";

const BASE = 0x8000_0000;
const RAM_BYTES = 16 << 20;
const FW_CFG_DMA = 0x1010_0010;
/** Guest addresses: what the program reads, where it counts, and a fw_cfg request with its target. */
const DATA = BASE + 0x10_0000;
const COUNTER = BASE + 0x20_0000;
const REQUEST = BASE + 0x30_0000;
const TARGET = BASE + 0x30_2ffe;

const VCPU_THREAD = `
  import { parentPort, workerData } from "node:worker_threads";
  import { NO_LOG } from "#core/log.ts";
  import { probeEngineFeatures } from "#cpu/engine/features.ts";
  import { makeRuntime } from "#cpu/engine/runtime.ts";
  import { riscvIsa } from "#cpu/isa/riscv/riscv.ts";
  import { runtimeSetup } from "#machine/runtime-setup.ts";
  import { runTimer } from "#machine/timer-thread.ts";
  import { runVcpu } from "#machine/vcpu-thread.ts";
  import { nodeClock } from "#platform/node/clock.ts";
  const host = { clock: nodeClock() };
  const ready = () => parentPort.postMessage("ready");
  if (workerData.vcpu < 0) {
    ready();
    runTimer(workerData, host);
  } else {
    const features = probeEngineFeatures();
    const { extensions, options } = runtimeSetup(workerData.config, features, NO_LOG);
    runVcpu(workerData, { ...host, features, runtime: makeRuntime(riscvIsa(extensions), options) }, ready);
  }`;

let source = "";
beforeAll(async () => {
  const stdin = { contents: VCPU_THREAD, resolveDir: import.meta.dirname };
  const { outputFiles } = await build({ stdin, bundle: true, format: "cjs", platform: "node", write: false });
  source = outputFiles[0]?.text ?? "";
});

const machines: Machine[] = [];
afterEach(async () => {
  for (const machine of machines.splice(0)) await machine.quit();
});

const [T0, T1, T2, A0] = [5, 6, 7, 10] as const;

/** Each hart: asks fw_cfg if `usesFwCfg`, reads DATA, adds one to its counter for ever. */
function program(usesFwCfg: boolean): Uint8Array {
  const bytes = new Uint8Array(0x1000);
  const a = new Assembler(bytes, BASE, BASE);
  if (usesFwCfg) {
    // The address goes into the register in big-endian order, high half first.
    a.value(T0, FW_CFG_DMA);
    a.op("sw", { rs1: T0, rs2: 0, imm: 0 });
    a.value(T1, new DataView(Uint32Array.of(REQUEST).buffer).getInt32(0, false));
    a.op("sw", { rs1: T0, rs2: T1, imm: 4 });
  }
  a.address(T0, DATA);
  a.op("ld", { rd: A0, rs1: T0, imm: 0 });
  a.op("csrrs", { rd: T2, rs1: 0, csr: 0xf14 });
  a.op("slli", { rd: T2, rs1: T2, imm: 3 });
  a.address(T1, COUNTER);
  a.op("add", { rd: T1, rs1: T1, rs2: T2 });
  const again = a.at;
  a.op("ld", { rd: T0, rs1: T1, imm: 0 });
  a.op("addi", { rd: T0, rs1: T0, imm: 1 });
  a.op("sd", { rs1: T1, rs2: T0, imm: 0 });
  a.op("jal", { rd: 0, imm: again - a.at });
  return bytes;
}

type Board = {
  readonly machine: Machine;
  readonly faults: PageFaults;
  readonly words: Int32Array;
  pageAt(address: number): number;
  counter(hart: number): number;
  /** Resolves when as many wait as `count`. */
  waiting(count: number): Promise<readonly PageFault[]>;
};

async function makeBoard(vcpus: number, usesFwCfg = false): Promise<Board> {
  const command = parseCommandLine(
    ["-M", "virt", "-display", "none", "-serial", "none", "-bios", "test", "-m", "16", "-smp"].concat(String(vcpus)),
  );
  const clock = nodeClock();
  const host: MachineHost = {
    clock,
    timers: nodeTimers(clock),
    random: nodeRandom(),
    disks: new Map(),
    chardevs: new Map(),
    async startThread(_kind, data) {
      const worker = new Worker(source, { eval: true, workerData: data });
      await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
      return { terminate: async () => void (await worker.terminate()) };
    },
  };
  const { machine: config } = command as { machine: MachineConfig };
  const machine = await Machine.create(config, { firmware: program(usesFwCfg) }, host);
  machines.push(machine);
  const { buffer } = machine.memory;
  const faults = new PageFaults(buffer, machine.layout);
  const ram = machine.layout.blocks[VirtBlock.Ram]?.host ?? 0;
  const view = new DataView(buffer);
  const pageAt = (address: number): number => faults.pageOf(ram + address - BASE);
  faults.expect(pageAt(BASE + 0x1000), RAM_BYTES / 4096 - 1);
  return {
    machine,
    faults,
    words: new Int32Array(buffer),
    pageAt,
    counter: (hart) => view.getInt32(ram + COUNTER - BASE + 8 * hart, true),
    async waiting(count) {
      while (faults.waiting().length < count) await nap(1);
      return faults.waiting();
    },
  };
}

const nap = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("vCPUs that wait for a page can be stopped and started, and run on when it comes", async () => {
  const { machine, faults, words, pageAt, counter, waiting } = await makeBoard(2);
  await machine.start();
  expect((await waiting(2)).map(({ vcpu, page }) => [vcpu, page])).toEqual([
    [0, pageAt(DATA)],
    [1, pageAt(DATA)],
  ]);
  for (let round = 0; round < 50; round++) {
    await machine.stop();
    expect(Atomics.load(words, CONTROL.stoppedVcpus)).toBe(2);
    expect(machine.readRegisters(0).x[A0]).toBe(0n);
    await machine.start();
    expect(Atomics.load(words, CONTROL.stoppedVcpus)).toBe(0);
  }
  expect(await machine.whileStopped(() => 7)).toBe(7);
  // The page comes while the machine is stopped: nobody runs on.
  await machine.stop();
  expect(faults.placed(pageAt(DATA))).toBe(true);
  await nap(20);
  expect([Atomics.load(words, CONTROL.stoppedVcpus), faults.waiting()]).toEqual([2, []]);
  await machine.start();
  expect((await waiting(2)).every(({ page }) => page === pageAt(COUNTER))).toBe(true);
  faults.placed(pageAt(COUNTER));
  while (counter(0) === 0 || counter(1) === 0) await nap(1);
  await machine.stop();
  const blocks = [0, 1].map((vcpu) => machine.layout.vcpus + vcpu * machine.layout.vcpuStride);
  const view = new DataView(machine.memory.buffer);
  expect(blocks.map((block) => view.getInt32(block + VCPU.blockedCount, true))).toEqual([2, 2]);
  // The stops lie within the wait.
  for (const block of blocks) expect(view.getFloat64(block + VCPU.blockedNs, true)).toBeGreaterThan(20e6);
}, 20_000);

test("stops and starts while pages come: nobody is lost", async () => {
  const { machine, faults, pageAt, counter, waiting } = await makeBoard(2);
  for (let round = 0; round < 30; round++) {
    const started = machine.start();
    if (round % 3 === 0) await started;
    if (round === 10) faults.placed(pageAt(DATA));
    if (round === 20) setTimeout(() => faults.placed(pageAt(COUNTER)), 1);
    await machine.stop();
  }
  await machine.start();
  while (counter(0) === 0 || counter(1) === 0) await nap(1);
  expect(await waiting(0)).toEqual([]);
}, 20_000);

test("a reset waits for what it overwrites, and says so when that does not come; the end waits for nothing", async () => {
  const { machine, faults, waiting, pageAt } = await makeBoard(1);
  await machine.start();
  await waiting(1);
  await expect(machine.reset()).rejects.toThrow(/has not come/);
  const reset = machine.reset();
  // The device tree's pages, which devices wait for now.
  for (let devices = 1; devices > 0; await nap(5)) {
    const wanted = faults.waiting().filter(({ vcpu }) => vcpu === -1);
    devices = wanted.length;
    for (const { page } of wanted) faults.placed(page);
  }
  await reset;
  expect((await waiting(1))[0]).toMatchObject({ vcpu: 0, page: pageAt(DATA) });
  await machine.quit();
  expect(faults.isMissing(pageAt(DATA))).toBe(true);
}, 20_000);

test("a device's register that needs a missing page keeps its vCPU waiting, which can be stopped, and does its work once", async () => {
  const { machine, faults, pageAt, waiting } = await makeBoard(1, true);
  const { buffer } = machine.memory;
  const at = (address: number): number => (machine.layout.blocks[VirtBlock.Ram]?.host ?? 0) + address - BASE;
  await machine.start();
  expect((await waiting(1))[0]).toMatchObject({ vcpu: 0, page: pageAt(REQUEST) });
  await machine.stop();
  // The request: select item 0 and read 4 bytes of it over a page's end.
  const request = new DataView(buffer, at(REQUEST), 16);
  request.setUint32(0, (0 << 16) | 8 | 2);
  request.setUint32(4, 4);
  request.setBigUint64(8, BigInt(TARGET));
  faults.placed(pageAt(REQUEST));
  await nap(10);
  expect(request.getUint32(0)).toBe(10);
  await machine.start();
  for (const address of [TARGET, TARGET + 4]) {
    expect((await waiting(1))[0]).toMatchObject({ vcpu: 0, page: pageAt(address) });
    expect(request.getUint32(0)).toBe(10);
    faults.placed(pageAt(address));
    while (faults.waiting().some(({ page }) => page === pageAt(address))) await nap(1);
  }
  expect((await waiting(1))[0]?.page).toBe(pageAt(DATA));
  expect(request.getUint32(0)).toBe(0);
  expect(Buffer.from(new Uint8Array(buffer, at(TARGET), 4)).toString()).toBe("QEMU");
}, 20_000);

test("who looks at memory that has not come waits for it while the machine can be stopped and started", async () => {
  const { machine, faults, pageAt, waiting } = await makeBoard(1);
  await machine.start();
  const seen = machine.whenPresent(() => machine.readMemory(TARGET, 4));
  const stopped = machine.whileStopped(() => machine.readMemory(TARGET + 4096, 1)?.length);
  const devices = (await waiting(3)).filter(({ vcpu }) => vcpu === -1);
  expect(devices.map(({ page }) => page - pageAt(TARGET)).sort((a, b) => a - b)).toEqual([0, 1]);
  await machine.stop();
  for (const page of [0, 1]) faults.placed(pageAt(TARGET) + page);
  expect(await seen).toEqual(new Uint8Array(4));
  expect(await stopped).toBe(1);
  expect(() => machine.writeMemory(BASE + 0x50_0000, Uint8Array.of(1))).toThrow(/has not come/);
}, 20_000);
