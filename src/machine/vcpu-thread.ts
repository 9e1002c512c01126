/**
 * What a vCPU's thread does: runs guest code, serves requests, parks.
 */
import type { Clock } from "#core/host.ts";
import { type Log, type LogSink, makeLog } from "#core/log.ts";
import type { SharedLock } from "#core/shared-lock.ts";
import type { EngineFeatures } from "#cpu/engine/features.ts";
import type { RegionExchange } from "#cpu/engine/region-library.ts";
import type { CompiledRuntime } from "#cpu/engine/runtime-options.ts";
import { CONTROL, ExitReason, Feature, type MemoryLayout, Request, VCPU } from "#cpu/vcpu/layout.ts";
import { Vcpu, type VcpuPorts } from "#cpu/vcpu/vcpu.ts";
import { Irq, MENVCFG } from "#cpu/isa/riscv/constants.ts";
import { misaValue } from "#cpu/isa/riscv/extensions.ts";
import { describeHart, hartObserver } from "#cpu/isa/riscv/hart-log.ts";
import { riscvIsa } from "#cpu/isa/riscv/riscv.ts";
import type { MachineConfig } from "#machine/config.ts";
import { MmioCaller } from "#machine/mmio-mailbox.ts";
import { PageWait, type PageWaitHost, rehearsePageWaits } from "#machine/page-wait.ts";
import { VcpuPark } from "#machine/vcpu-park.ts";
import { runtimeSetup } from "#machine/runtime-setup.ts";
import { Deadlines, MachineClock } from "#machine/shared-words.ts";
import { requestVcpu, vcpuBlock, vcpuLine } from "#machine/interrupt-lines.ts";
import { TICK_MS } from "#machine/timer-thread.ts";
import { isMachineDevice, VIRT_RESET_VECTOR } from "#machine/virt/machine-devices.ts";
import { makeSharedDevices, type SharedDevices } from "#machine/virt/shared-devices.ts";
import { virtLayout } from "#machine/virt/virt-layout.ts";

/** What a thread is given; plain data and the shared memory. */
export type ThreadData = {
  readonly memory: WebAssembly.Memory;
  readonly config: MachineConfig;
  /** Index of the vCPU; -1 for the timer. */
  readonly vcpu: number;
};

/** Modules that are offered before a vCPU that sleeps is woken for them. */
const OFFERS_A_WAKEUP = 64;

/** In each of them the engine's compiler has time. */
const REHEARSAL_PAUSE_MS = 10;

/** What a thread has of its host. */
export type ThreadHost = {
  readonly clock: Clock;
  /** Where the log goes; absent when there is none. */
  readonly log?: LogSink | undefined;
};
/** What a vCPU's thread has beyond that: what its host's engine can do, and the runtime made for the machine. */
export type VcpuThreadHost = ThreadHost &
  PageWaitHost & {
    readonly features: EngineFeatures;
    readonly runtime: CompiledRuntime;
    /** A descriptor that takes whatever is written and keeps nothing; absent where nothing is rehearsed. */
    readonly nowhere?: number | undefined;
    /** To and from the threads of the machine's other vCPUs; absent where there are none. */
    readonly exchange?: RegionExchange | undefined;
  };

/** Runs a vCPU until the machine quits; `ready` is called once it could start. Thread: its own. */
export function runVcpu(data: ThreadData, host: VcpuThreadHost, ready: () => void): void {
  const { memory, config } = data;
  const { clock, features, runtime, exchange } = host;
  const log = makeLog(config.log, host.log);
  const layout = virtLayout(config);
  const words = new Int32Array(memory.buffer);
  const block = vcpuBlock(layout, data.vcpu);
  const machineClock = new MachineClock(clock, memory.buffer);
  const deadlines = new Deadlines(memory.buffer, layout.vcpuCount);
  const devices = makeSharedDevices(memory.buffer, layout, config.machineOptions, machineClock, deadlines, log.trace);
  const { extensions, options } = runtimeSetup(config, features, log);
  const isa = riscvIsa(extensions);
  const hartLog = { log, isa, memory: memory.buffer, block, hart: data.vcpu };
  const park = new VcpuPark(words, block, data.vcpu, log.trace);
  const pageWait = new PageWait({ memory: memory.buffer, layout, vcpu: data.vcpu, park, trace: log.trace }, host);
  const ports: VcpuPorts = {
    ...devicePorts(new MmioCaller(memory.buffer, block, (page) => pageWait.page(page)), devices, () => {
      // A write to flash may have taken its memory out of the address space.
      const index = (block + VCPU.request) >>> 2;
      if (Atomics.and(words, index, ~Request.FlushTlb) & Request.FlushTlb) vcpu.memoryChanged();
    }),
    timeTicks: () => machineClock.ticks(),
    machineNs: () => Math.floor(machineClock.nowNs()),
    pageMissing: (at) => pageWait.at(at),
    stimecmpChanged: supervisorTimer(memory.buffer, block, data.vcpu, machineClock, deadlines, devices.lock),
  };
  const vcpu: Vcpu = new Vcpu(memory, layout, data.vcpu, isa, observedPorts(ports, data.vcpu, log), {
    hotThreshold: options.hotThreshold,
    lockstep: options.lockstep,
    features,
    runtime,
    exchange: exchange && announced(exchange, words, layout, data.vcpu),
    nowMs: () => clock.nowNs() / 1e6,
    observer: hartObserver(hartLog),
  });
  const logReset = log.writer("cpu_reset");
  const reset = (): void => {
    vcpu.reset({
      pc: VIRT_RESET_VECTOR,
      misa: misaValue(extensions),
      // Without Svade the hardware updates A and D bits from the start.
      menvcfg: extensions.svadu ? MENVCFG.ADUE : 0n,
      features: extensions.svnapot ? Feature.Svnapot : 0,
    });
    logReset?.(`CPU Reset (CPU ${data.vcpu})\n${describeHart(hartLog)}`);
    log.trace.guest_cpu_reset?.(data.vcpu);
  };
  reset();
  ready();
  if (config.incoming === "stream") park.meanwhile = () => rehearse(host, layout.vcpuCount, words);
  loop(vcpu, words, block, reset, () => ports.stimecmpChanged(), park);
}

/** Until the machine runs; not where the host has no room for it. */
function rehearse(host: VcpuThreadHost, vcpus: number, words: Int32Array): void {
  if (host.nowhere === undefined) return;
  try {
    rehearsePageWaits(host, vcpus, host.nowhere, () => {
      Atomics.wait(words, CONTROL.running, 0, REHEARSAL_PAUSE_MS);
      return Atomics.load(words, CONTROL.running) === 0;
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}

/** Tells the other vCPUs of what is offered; those that sleep are woken now and then, so that it does not pile up. */
function announced(exchange: RegionExchange, words: Int32Array, layout: MemoryLayout, vcpu: number): RegionExchange {
  const others = Array.from({ length: layout.vcpuCount }, (_, i) => i).filter((i) => i !== vcpu);
  let offered = 0;
  return {
    offer(regions) {
      exchange.offer(regions);
      offered++;
      for (const other of others) {
        const block = vcpuBlock(layout, other);
        if (offered % OFFERS_A_WAKEUP === 0) requestVcpu(words, block, Request.Regions);
        else Atomics.or(words, (block + VCPU.request) >>> 2, Request.Regions);
      }
    },
    take: () => exchange.take(),
  };
}

/** The ports with what a log wants to hear of them. */
function observedPorts(ports: VcpuPorts, hart: number, log: Log): VcpuPorts {
  const write = log.writer("guest_errors");
  const { memory_region_ops_read: traceRead, memory_region_ops_write: traceWrite } = log.trace;
  if (!write && !traceRead && !traceWrite) return ports;
  const unanswered = (what: string, size: number, address: number): void =>
    write?.(`hart ${hart}: ${what} of ${size} bytes at 0x${address.toString(16)}: no device answers\n`);
  const written = (address: number, size: number, value: number | bigint, isAnswered: boolean): boolean => {
    if (isAnswered) traceWrite?.(hart, address, size, value);
    else unanswered("write", size, address);
    return isAnswered;
  };
  return {
    ...ports,
    guestError: (message) => write?.(`hart ${hart}: ${message}\n`),
    mmioRead(address, size) {
      const value = ports.mmioRead(address, size);
      if (value < 0) unanswered("read", size, address);
      else traceRead?.(hart, address, size, value);
      return value;
    },
    mmioRead64(address) {
      const value = ports.mmioRead64(address);
      if (value === undefined) unanswered("read", 8, address);
      else traceRead?.(hart, address, 8, value);
      return value;
    },
    mmioWrite: (address, size, value) => written(address, size, value, ports.mmioWrite(address, size, value)),
    mmioWrite64: (address, value) => written(address, 8, value, ports.mmioWrite64(address, value)),
  };
}

function loop(
  vcpu: Vcpu,
  words: Int32Array,
  block: number,
  reset: () => void,
  stimecmpChanged: () => void,
  park: VcpuPark,
): void {
  const request = (block + VCPU.request) >>> 2;
  Atomics.add(words, CONTROL.runningVcpus, 1);
  for (;;) {
    if (Atomics.load(words, CONTROL.running) === 0) {
      park.enter("stop");
      park.untilRunning();
      park.leave();
    }
    const asked = Atomics.exchange(words, request, 0);
    if (asked & Request.Quit) return;
    if (asked & Request.Stop && Atomics.load(words, CONTROL.running) === 0) {
      // Stopped since the look above: the other requests are kept until the machine runs again.
      Atomics.or(words, request, asked & ~Request.Stop);
      continue;
    }
    if (asked & Request.Reset) reset();
    if (asked & Request.Loaded) {
      vcpu.loaded();
      // The timer of the source is armed here.
      stimecmpChanged();
    }
    if (asked & Request.FlushTlb) vcpu.memoryChanged();
    if (asked & Request.Regions) vcpu.takeSharedRegions();
    if (asked & Request.Tick) throttle(words);
    if (asked & Request.DirtySync) {
      const serial = Atomics.load(words, CONTROL.dirtySerial);
      vcpu.dirtyMapCleared();
      Atomics.store(words, (block + VCPU.dirtySerial) >>> 2, serial);
      Atomics.add(words, CONTROL.dirtyAnswers, 1);
      Atomics.notify(words, CONTROL.dirtyAnswers);
    }
    vcpu.takeInterrupt();
    if (vcpu.run() === ExitReason.Wfi && !vcpu.hasPendingInterrupt()) {
      park.enter("wfi");
      Atomics.wait(words, request, 0);
      park.leave();
    }
  }
}

/** Sleeps for that part of the time between two ticks which a migration asks for; a stop ends the sleep. */
function throttle(words: Int32Array): void {
  const percent = Atomics.load(words, CONTROL.throttle);
  if (percent > 0) Atomics.wait(words, CONTROL.throttle, percent, (TICK_MS * percent) / (100 - percent));
}

function devicePorts(
  remote: MmioCaller,
  { map, lock }: SharedDevices,
  written: () => void,
): Pick<VcpuPorts, "mmioRead" | "mmioWrite" | "mmioRead64" | "mmioWrite64"> {
  const remoteWrite = (address: number, width: number, value: bigint): boolean => {
    const done = remote.write(address, width, value);
    written();
    return done;
  };
  return {
    mmioRead(address, width) {
      if (isMachineDevice(address)) return Number(remote.read(address, width) ?? -1n);
      return lock.with(() => map.read32(address, width as 1 | 2 | 4));
    },
    mmioWrite(address, width, value) {
      if (isMachineDevice(address)) return remoteWrite(address, width, BigInt(value));
      return lock.with(() => map.write32(address, width as 1 | 2 | 4, value));
    },
    mmioRead64(address) {
      return isMachineDevice(address) ? remote.read(address, 8) : lock.with(() => map.read64(address));
    },
    mmioWrite64(address, value) {
      return isMachineDevice(address) ? remoteWrite(address, 8, value) : lock.with(() => map.write64(address, value));
    },
  };
}

/** Sstc: STIP shows whether time has reached stimecmp while menvcfg.STCE is on. */
function supervisorTimer(
  memory: ArrayBufferLike,
  block: number,
  hart: number,
  clock: MachineClock,
  deadlines: Deadlines,
  lock: SharedLock,
): () => void {
  const view = new DataView(memory, block);
  const line = vcpuLine(new Int32Array(memory), block, Irq.SupervisorTimer);
  const update = (): void => {
    if (view.getBigInt64(VCPU.menvcfg, true) >= 0n) {
      deadlines.setStimecmp(hart, Number.POSITIVE_INFINITY);
      line.set(false);
      return;
    }
    const compare = Number(view.getBigUint64(VCPU.stimecmp, true));
    const expired = clock.ticks() >= compare;
    line.set(expired);
    deadlines.setStimecmp(hart, expired ? Number.POSITIVE_INFINITY : compare);
  };
  return () => lock.with(update);
}
