/**
 * A machine: its memory, its devices, its threads, and what can be done to it from outside.
 *
 *   create -> stopped -> start <-> stop, reset -> quit
 *
 * The guest's own reset and poweroff come in through the test finisher and are carried out here.
 * Thread: machine; the methods that return a promise are carried out one after the other.
 */
import type { CharBackend, Disk } from "#core/host.ts";
import { CONTROL, type MemoryLayout, Request, VCPU } from "#cpu/vcpu/layout.ts";
import type { MachineConfig } from "#machine/config.ts";
import { cpuExtensions, isaDescription } from "#machine/cpu-features.ts";
import { Emitter } from "#machine/emitter.ts";
import { MachineClock } from "#machine/machine-clock.ts";
import type { MachineHost, Thread } from "#machine/machine-host.ts";
import { answerMmioCalls } from "#machine/mmio-call.ts";
import { SharedConsole } from "#machine/shared-console.ts";
import type { TimerThreadData } from "#machine/timer-thread.ts";
import { Doorbell, MachineState, RunState, VcpuControl } from "#machine/vcpu-control.ts";
import type { VcpuThreadData } from "#machine/vcpu-thread.ts";
import type { BootPlan } from "#machine/virt/boot-plan.ts";
import { VIRT_MEMORY_MAP, VIRT_TIMEBASE_HZ } from "#machine/virt/memory-map.ts";
import { resetRom } from "#machine/virt/reset-rom.ts";
import { makeVirtBoard, type VirtBoard } from "#machine/virt/virt-board.ts";
import { planVirtBoot, readBootFiles } from "#machine/virt/virt-boot.ts";
import { VIRT_BLOCK, virtBlock, virtMemoryLayout, virtMemoryView, writeVirtRegions } from "#machine/virt/virt-memory.ts";
import { makeSharedDevices, type SharedDevices, virtArena } from "#machine/virt/virt-shared-devices.ts";

export type MachineEvents = {
  /** The guest switched the machine off; `exitCode` is its word on how it went, 0 for well. */
  shutdown: { readonly exitCode: number };
  /** The machine was reset; `byGuest` says by whom. */
  reset: { readonly byGuest: boolean };
  stop: undefined;
  resume: undefined;
  /** A bug of ours: a thread died. The machine is of no use any more. */
  failed: { readonly error: Error };
};

/** A hart's registers while the machine is stopped. */
export type Registers = {
  readonly pc: bigint;
  /** x0 to x31. */
  readonly x: readonly bigint[];
  /** f0 to f31, as bits. */
  readonly f: readonly bigint[];
};

/** A machine that cannot be built for a reason that is none of its parts'. */
export class MachineError extends Error {
  readonly code: "not-available" | "no-memory" | "not-stopped";
  constructor(code: MachineError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const WASM_PAGE_BYTES = 65_536;

type WaitResult = { readonly async: true; readonly value: Promise<unknown> } | { readonly async: false };
/** ES2024; Node has it since version 16. */
const { waitAsync } = Atomics as unknown as {
  waitAsync(words: Int32Array, index: number, value: number): WaitResult;
};

type Parts = {
  readonly config: MachineConfig;
  readonly host: MachineHost;
  readonly memory: WebAssembly.Memory;
  readonly layout: MemoryLayout;
  readonly control: VcpuControl;
  readonly clock: MachineClock;
  readonly shared: SharedDevices;
  readonly console: SharedConsole;
  readonly board: VirtBoard;
  readonly plan: BootPlan;
  readonly disks: readonly Disk[];
  readonly chardevs: readonly CharBackend[];
};

export class Machine {
  readonly config: MachineConfig;
  readonly #parts: Parts;
  readonly #events = new Emitter<MachineEvents>();
  readonly #threads: Thread[] = [];
  /** Called whenever a vCPU's run state changed. */
  readonly #stateWaiters = new Set<() => void>();
  #queue: Promise<unknown> = Promise.resolve();
  #isRunning = false;
  #hasQuit = false;

  /**
   * Builds a machine that is stopped in its power-on state. What the host opened for it is closed again if that fails.
   * Rejects with the error of the part that cannot be built: `LayoutError`, `CpuFeatureError`, `ImageError`,
   * `BootError`, `DeviceTreeError`, `DeviceConfigError`, `FlashError`, `MachineError`, or the host's.
   */
  static async create(config: MachineConfig, host: MachineHost): Promise<Machine> {
    if (config.accel.kind === "lockstep") {
      throw new MachineError("not-available", "accel lockstep is not available yet; use wasm or interp");
    }
    const closers: (() => unknown)[] = [];
    try {
      const parts = await build(config, host, closers);
      const machine: Machine = new Machine({
        ...parts,
        board: await makeVirtBoard({
          ...parts,
          finisher: {
            shutdown: (code) => machine.#guestShutdown(code),
            reset: () => machine.#guestReset(),
          },
        }),
      });
      machine.#startThreads();
      await machine.#powerOn();
      return machine;
    } catch (error) {
      for (const close of closers) await close();
      throw error;
    }
  }

  private constructor(parts: Parts) {
    this.config = parts.config;
    this.#parts = parts;
  }

  /** The device tree's blob as the guest finds it. */
  get deviceTree(): Uint8Array {
    return this.#parts.plan.fdtBlob;
  }
  get isRunning(): boolean {
    return this.#isRunning;
  }
  /** Nanoseconds that the machine has run. */
  get timeNs(): number {
    return this.#parts.clock.nowNs();
  }

  /** Returns a function that takes the listener away. */
  on<K extends keyof MachineEvents>(event: K, listener: (value: MachineEvents[K]) => void): () => void {
    return this.#events.on(event, listener);
  }

  /** The vCPUs run, and time goes on. */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isRunning || this.#hasQuit) return;
      this.#resume();
      this.#events.emit("resume", undefined);
    });
  }

  /** Resolves when no vCPU runs guest code any more and time stands still. */
  stop(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#isRunning) return;
      await this.#pause();
      this.#events.emit("stop", undefined);
    });
  }

  /** Back to the power-on state; a machine that runs goes on running. */
  reset(): Promise<void> {
    return this.#inTurn(() => this.#reset(false));
  }

  /** Ends the machine and closes what it had opened; disks are flushed before. */
  quit(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#hasQuit) return;
      if (this.#isRunning) await this.#pause();
      this.#hasQuit = true;
      const { control, shared, board, console, disks, chardevs } = this.#parts;
      control.setMachineState(MachineState.Quit);
      control.requestAll(Request.Quit);
      shared.deadlines.wake();
      await board.drain();
      await board.flush();
      console.close();
      for (const disk of disks) {
        if (!disk.readOnly) await disk.flush();
        await disk.close();
      }
      for (const chardev of chardevs) chardev.close();
      await Promise.all(this.#threads.map((thread) => thread.terminate()));
      // Lets the loop of the doorbell see that it is over.
      control.ring(Doorbell.RunState);
    });
  }

  /** Writes cached disk data back to the files. */
  async flushDisks(): Promise<void> {
    await Promise.all(this.#parts.disks.filter((disk) => !disk.readOnly).map((disk) => disk.flush()));
  }

  /** A copy of guest memory, or undefined where there is no RAM, ROM or flash. Addresses are guest physical. */
  readMemory(address: number, lengthBytes: number): Uint8Array | undefined {
    return virtMemoryView(this.#parts.memory, this.#parts.layout, address, lengthBytes)?.slice();
  }

  /** Writes RAM, ROM or flash; false where there is none. */
  writeMemory(address: number, bytes: Uint8Array): boolean {
    const view = virtMemoryView(this.#parts.memory, this.#parts.layout, address, bytes.length);
    view?.set(bytes);
    return view !== undefined;
  }

  /** Throws {@link MachineError} while the machine runs. */
  readRegisters(vcpu: number): Registers {
    if (this.#isRunning) throw new MachineError("not-stopped", "registers can be read while the machine is stopped");
    const { control, memory } = this.#parts;
    const view = new DataView(memory.buffer, control.wordOf(vcpu, 0) * 4);
    const file = (field: number) => Array.from({ length: 32 }, (_, i) => view.getBigUint64(field + 8 * i, true));
    return { pc: view.getBigUint64(VCPU.pc, true), x: file(VCPU.x), f: file(VCPU.f) };
  }

  /** One at a time, in the order of the calls. */
  #inTurn(body: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(body);
    this.#queue = done.catch(() => {});
    return done;
  }

  #startThreads(): void {
    const { config, host, memory, board } = this.#parts;
    const failed = (error: Error): void => this.#events.emit("failed", { error });
    for (let vcpu = 0; vcpu < config.smp.cpus; vcpu++) {
      const data: VcpuThreadData = { memory, config, vcpu, remoteRegions: board.remoteRegions };
      this.#threads.push(host.threads.start("vcpu", data, failed));
    }
    const data: TimerThreadData = { memory, config };
    this.#threads.push(host.threads.start("timer", data, failed));
    this.#answerDoorbell();
  }

  /** Looks at the doorbell whenever somebody rings, until the machine quits. */
  #answerDoorbell(): void {
    const { control, board, console } = this.#parts;
    const look = (): void => {
      while (!this.#hasQuit) {
        const bits = Atomics.exchange(control.words, CONTROL.machineRequest, 0);
        if (bits & Doorbell.MmioCall) answerMmioCalls(control, board.map);
        if (bits & Doorbell.ConsoleOutput) console.outputCame();
        if (bits & Doorbell.ConsoleRoom) console.roomMade();
        if (bits & Doorbell.RunState) for (const waiter of [...this.#stateWaiters]) waiter();
        if (bits !== 0) continue;
        const wait = waitAsync(control.words, CONTROL.machineRequest, 0);
        if (!wait.async) continue;
        void wait.value.then(look);
        return;
      }
    };
    look();
  }

  /** Resolves when every vCPU's run state is accepted. */
  #untilAll(accept: (state: number) => boolean): Promise<void> {
    const { control } = this.#parts;
    return new Promise((resolve) => {
      const check = (): void => {
        if (!control.everyRunState(accept)) return;
        this.#stateWaiters.delete(check);
        resolve();
      };
      this.#stateWaiters.add(check);
      check();
    });
  }

  /** The first power-on: the threads reset their vCPUs by themselves. */
  async #powerOn(): Promise<void> {
    const died = new Promise<never>((_, reject) => this.on("failed", ({ error }) => reject(error)));
    await Promise.race([this.#untilAll((state) => state === RunState.Fresh), died]);
    this.#load();
  }

  #resume(): void {
    const { control, clock, shared } = this.#parts;
    this.#isRunning = true;
    clock.thaw();
    control.setMachineState(MachineState.Running);
    shared.deadlines.wake();
    control.requestAll(Request.Interrupt);
  }

  async #pause(): Promise<void> {
    const { control, clock } = this.#parts;
    control.setMachineState(MachineState.Stopped);
    control.requestAll(Request.Stop);
    await this.#untilAll((state) => state === RunState.Stopped || state === RunState.Fresh);
    clock.freeze();
    this.#isRunning = false;
    this.#parts.console.flush();
  }

  async #reset(byGuest: boolean): Promise<void> {
    if (this.#hasQuit) return;
    const { control, board } = this.#parts;
    const wasRunning = this.#isRunning;
    if (wasRunning) await this.#pause();
    await board.drain();
    for (let vcpu = 0; vcpu < control.vcpuCount; vcpu++) control.clearFresh(vcpu);
    control.requestAll(Request.Reset);
    await this.#untilAll((state) => state === RunState.Fresh);
    this.#load();
    this.#events.emit("reset", { byGuest });
    if (wasRunning) this.#resume();
  }

  /** Devices to their power-on state, and the boot's writes. After the vCPUs' reset, which clears their lines. */
  #load(): void {
    const { board, plan, memory, layout } = this.#parts;
    board.reset();
    const ram = virtBlock(layout, VIRT_BLOCK.ram);
    const bytes = new Uint8Array(memory.buffer);
    for (const { address, data, zeroBytes } of plan.writes) {
      const at = ram.host + Number(address - BigInt(VIRT_MEMORY_MAP.dram.base));
      bytes.set(data, at);
      bytes.fill(0, at + data.length, at + data.length + zeroBytes);
    }
    bytes.set(resetRom(plan), virtBlock(layout, VIRT_BLOCK.mrom).host);
  }

  #guestReset(): void {
    if (this.config.onReboot === "shutdown") this.#guestShutdown(0);
    else void this.#inTurn(() => this.#reset(true));
  }

  #guestShutdown(exitCode: number): void {
    void this.#inTurn(async () => {
      if (this.#isRunning) await this.#pause();
      this.#events.emit("shutdown", { exitCode });
    });
  }
}

/** Everything but the board. What was opened is closed by `closers`, whatever comes. */
async function build(config: MachineConfig, host: MachineHost, closers: (() => unknown)[]) {
  const extensions = cpuExtensions(config.cpu);
  const layout = virtMemoryLayout(config);
  const files = await readBootFiles(config, host);
  const plan = planVirtBoot(config, files, isaDescription(extensions), host.random);

  const memory = sharedMemory(layout);
  writeVirtRegions(memory, layout);
  const control = new VcpuControl(memory, layout);
  const arena = virtArena(layout);
  const clock = new MachineClock(memory, arena, host.clock, VIRT_TIMEBASE_HZ);
  clock.setNs(0);
  const shared = makeSharedDevices({ memory, layout, config, control, clock });
  shared.deadlines.clear();

  const disks = new Map<string, Disk>();
  for (const drive of config.drives) {
    const disk = await host.openDisk(drive);
    closers.push(() => disk.close());
    disks.set(drive.id, disk);
  }
  const chardevs = new Map<string, CharBackend>();
  for (const chardev of config.chardevs) {
    const backend = await host.openChardev(chardev);
    closers.push(() => backend.close());
    chardevs.set(chardev.id, backend);
  }
  const { clock: hostClock, timers, random } = host;
  const console = new SharedConsole({ memory, arena, lock: shared.lock, uart: shared.uart, clock: hostClock, timers });
  const serial = chardevs.get(config.serials[0] ?? "");
  if (serial) console.attach(serial);
  const flash = (index: number) => {
    const drive = config.drives.find((candidate) => candidate.interface === "pflash" && candidate.index === index);
    return drive && disks.get(drive.id);
  };
  const { kernelFile, initrd } = files;
  return {
    config,
    host,
    memory,
    layout,
    control,
    clock,
    shared,
    console,
    plan,
    disks: [...disks.values()],
    chardevs: [...chardevs.values()],
    backends: {
      clock: hostClock,
      timers,
      random,
      disk: (id: string) => required(disks.get(id), `drive '${id}'`),
      chardev: (id: string) => required(chardevs.get(id), `chardev '${id}'`),
    },
    flashDisks: [flash(0), flash(1)] as const,
    ...(plan.directBootByFwCfg && kernelFile
      ? { directBoot: { kernel: kernelFile, initrd, kernelCommandLine: config.boot.append } }
      : {}),
  };
}

function sharedMemory(layout: MemoryLayout): WebAssembly.Memory {
  const pages = layout.totalBytes / WASM_PAGE_BYTES;
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (error) {
    throw new MachineError(
      "no-memory",
      `the host does not give ${Math.ceil(layout.totalBytes / 2 ** 20)} MiB of memory; use less RAM (-m) or fewer vCPUs (-smp)`,
      { cause: error },
    );
  }
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new MachineError("not-available", `there is no ${what}`);
  return value;
}
