/**
 * A machine: the board, its threads, and what starts, stops and resets them.
 *
 *   config -> memory -> devices -> threads -> start;  guest -> doorbell -> devices -> backends
 *
 * Thread: machine. The host comes in through `MachineHost`.
 */
import type { CharBackend, Clock, Disk, Futex, Random, Timers } from "#core/host.ts";
import { type Log, type LogSink, makeLog } from "#core/log.ts";
import { OperationQueue } from "#core/operation-queue.ts";
import { waitAsync } from "#core/wait-async.ts";
import { CONTROL, type MemoryLayout, Request, VCPU } from "#cpu/vcpu/layout.ts";
import { DirtyMap } from "#memory/dirty-map.ts";
import { PageMissing } from "#hw/bus/page-missing.ts";
import type { Dma } from "#hw/bus/types.ts";
import type { BlockFailure } from "#io/block/block-failure.ts";
import type { VirtioBalloon } from "#hw/devices/virtio-balloon.ts";
import type { VirtioBlk } from "#hw/devices/virtio-blk.ts";
import type { MachineConfig } from "#machine/config.ts";
import { answerMmio } from "#machine/mmio-mailbox.ts";
import { Deadlines, MachineClock, MachineRequest } from "#machine/shared-words.ts";
import { requestVcpu, vcpuBlock } from "#machine/interrupt-lines.ts";
import { MemoryMissingError } from "#machine/memory-missing-error.ts";
import { type AskBy, PageFaults } from "#machine/page-faults.ts";
import { guestDma, requirePages } from "#machine/guest-dma.ts";
import { type BootFiles, makeBootPlan } from "#machine/machine-boot.ts";
import { allocateMemory } from "#machine/machine-memory.ts";
import { MigrationPort } from "#machine/migration-port.ts";
import { rtcClock } from "#machine/rtc-clock.ts";
import type { ThreadData } from "#machine/vcpu-thread.ts";
import type { BootPlan } from "#machine/virt/boot-plan.ts";
import { makeMachineDevices, type MachineDevices } from "#machine/virt/machine-devices.ts";
import { VIRT_MEMORY_MAP } from "#machine/virt/memory-map.ts";
import { migrationSections } from "#machine/virt/migration-sections.ts";
import { resetRom } from "#machine/virt/reset-rom.ts";
import { makeSharedDevices, type SharedDevices } from "#machine/virt/shared-devices.ts";
import { setRegionReadable, VirtBlock, virtLayout, writeRegions } from "#machine/virt/virt-layout.ts";

/** What a machine asks of its host. */
export type MachineHost = {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Backends by the ids of the configuration; drives of `interface` pflash are "pflash0" and "pflash1". */
  readonly disks: ReadonlyMap<string, Disk>;
  readonly chardevs: ReadonlyMap<string, CharBackend>;
  /** The machine's memory, zeroed, if it was made ahead. */
  readonly memory?: WebAssembly.Memory | undefined;
  /** Where the machine thread's part of the log goes; threads are given theirs by the host. */
  readonly log?: LogSink | undefined;
  /** For `PageFaults`; absent where who waits for a page does not ask for it. */
  askBy?(layout: MemoryLayout): AskBy;
  readonly futex?: Futex | undefined;
  /** Starts a vCPU's or the timer's thread; resolves when it could run. */
  startThread(kind: "vcpu" | "timer", data: ThreadData): Promise<ThreadHandle>;
};
export type ThreadHandle = { terminate(): Promise<void> };

export type MachineEvent =
  /** Without `byGuest` somebody outside has asked for it. With `onShutdown` "pause" a "stop" follows. */
  | { readonly kind: "shutdown"; readonly exitCode: number; readonly byGuest: boolean; readonly isReset: boolean }
  | { readonly kind: "reset"; readonly byGuest: boolean }
  | { readonly kind: "resume" }
  /** With `ioError` a disk has failed, of which "io-error" has told. */
  | { readonly kind: "stop"; readonly ioError?: true }
  | ({ readonly kind: "io-error"; readonly drive: string } & BlockFailure)
  /** A state from elsewhere is in place; "resume" may follow. */
  | { readonly kind: "loaded" }
  /** The guest has given memory back, or taken it again. */
  | { readonly kind: "balloon"; readonly guestBytes: number };

/** What happens when the guest resets itself or powers off; may be changed while the machine runs. */
export type MachineActions = { onReboot: MachineConfig["onReboot"]; onShutdown: MachineConfig["onShutdown"] };

/** How long somebody who looks at memory waits for a page. */
const PAGE_PATIENCE_NS = 5e9;

export class Machine {
  readonly config: MachineConfig;
  readonly layout: MemoryLayout;
  readonly memory: WebAssembly.Memory;
  readonly actions: MachineActions;
  /** What a migration needs of it. */
  readonly migration: MigrationPort;
  readonly #host: MachineHost;
  readonly #log: Log;
  readonly #words: Int32Array;
  readonly #clock: MachineClock;
  readonly #faults: PageFaults;
  readonly #dma: Dma;
  readonly #shared: SharedDevices;
  readonly #devices: MachineDevices;
  readonly #plan: BootPlan;
  readonly #blocks: readonly number[];
  readonly #threads: ThreadHandle[] = [];
  readonly #listeners = new Set<(event: MachineEvent) => void>();
  /** Start, stop and reset, in the order in which they were asked for. */
  readonly #operations = new OperationQueue();
  #console: CharBackend | undefined;
  #quitting: Promise<void> | undefined;
  /** It was stopped before all pages were there. */
  #mayWaitForPages = false;

  /** Builds the machine, stopped. Throws `LayoutError`, `BootError`, `ImageError`, `DeviceError`. */
  static async create(config: MachineConfig, files: BootFiles, host: MachineHost): Promise<Machine> {
    const machine = new Machine(config, files, host);
    await machine.#startThreads();
    await machine.#untilStopped(machine.#blocks.length);
    machine.migration.isLoading = config.incoming !== undefined;
    machine.#power();
    // Not before: the reset would lose what has been typed already.
    machine.#attachConsole(config.serials[0]);
    void machine.#serve();
    return machine;
  }

  private constructor(config: MachineConfig, files: BootFiles, host: MachineHost) {
    this.config = config;
    this.actions = { onReboot: config.onReboot, onShutdown: config.onShutdown };
    this.#host = host;
    this.#log = makeLog(config.log, host.log);
    this.layout = virtLayout(config);
    this.#plan = makeBootPlan(config, files, host.random);
    this.memory = host.memory ?? allocateMemory(this.layout);
    const { buffer } = this.memory;
    this.#words = new Int32Array(buffer);
    this.#faults = new PageFaults(buffer, this.layout, {
      ask: host.askBy?.(this.layout),
      futex: host.futex,
    });
    this.#dma = guestDma(buffer, this.layout, this.#faults, host.clock);
    this.#blocks = Array.from({ length: this.layout.vcpuCount }, (_, i) => vcpuBlock(this.layout, i));
    this.#markFilledBlocks();
    this.#clock = new MachineClock(host.clock, buffer);
    this.#clock.reset();
    const deadlines = new Deadlines(buffer, this.layout.vcpuCount);
    deadlines.reset();
    writeRegions(buffer, this.layout);
    this.#shared = makeSharedDevices(
      buffer,
      this.layout,
      config.machineOptions,
      this.#clock,
      deadlines,
      this.#log.trace,
    );
    this.#devices = makeMachineDevices(buffer, this.layout, config, {
      clock: host.clock,
      timers: host.timers,
      random: host.random,
      dma: this.#dma,
      irq: (source) => ({
        set: (level) => this.#shared.lock.with(() => this.#shared.plic.source(source).set(level)),
      }),
      shutdown: (exitCode) => void this.#guestShutdown(exitCode),
      reset: () => void this.#guestReset(),
      requireMemory: (host, lengthBytes) => this.requireMemory(host, lengthBytes),
      setFlashReadable: (block, on) => {
        setRegionReadable(buffer, block, on);
        for (const vcpu of this.#blocks) requestVcpu(this.#words, vcpu, Request.FlushTlb);
      },
      disks: host.disks,
      chardevs: host.chardevs,
      log: this.#log,
      diskFailed: (drive, failure) => this.#diskFailed(drive, failure),
      balloonChanged: (guestBytes) => this.#emit({ kind: "balloon", guestBytes }),
      rtc: rtcClock(config.rtc, host.clock, () => this.#clock.nowNs(), new Date().getTimezoneOffset()),
    });
    const { plic, uart, mtimer } = this.#shared;
    this.migration = new MigrationPort(
      {
        memory: this.memory,
        layout: this.layout,
        clock: this.#clock,
        lock: this.#shared.lock,
        filledBlocks: this.#filledBlocks,
      },
      migrationSections(
        { memory: buffer, layout: this.layout, cpu: config.cpu, clock: this.#clock, lock: this.#shared.lock },
        [mtimer, plic, uart],
        this.#devices.devices,
      ),
      async () => {
        for (const device of this.#devices.devices) await device.drain?.();
        this.#drainConsole();
      },
      () => {
        this.#emit({ kind: "loaded" });
        this.#console?.poke();
      },
    );
  }

  /** Calls `listener` for every event; returns a function that stops that. */
  on(listener: (event: MachineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The first balloon device, if there is one. */
  get balloon(): VirtioBalloon | undefined {
    return this.#devices.balloon;
  }

  /** The disk device that has a drive. */
  disk(drive: string): VirtioBlk | undefined {
    return this.#devices.disks.get(drive);
  }

  get isRunning(): boolean {
    return Atomics.load(this.#words, CONTROL.running) === 1;
  }

  /** Resolves when every vCPU runs. After `quit` nothing happens, as with `stop` and `reset`. */
  start(): Promise<void> {
    return this.#operations.run(() => this.#start());
  }

  /** Resolves when no vCPU runs guest code. */
  stop(): Promise<void> {
    return this.#operations.run(async () => void (await this.#pause()));
  }

  /**
   * Calls `look` while no vCPU runs guest code, and goes on running if it ran. Nobody is told. Pages that it lacks are
   * waited for as in `whenPresent`, while the machine goes on.
   */
  whileStopped<T>(look: () => T): Promise<T> {
    return this.whenPresent(() =>
      this.#operations.run(async () => {
        const ran = await this.#halt();
        try {
          return look();
        } finally {
          if (ran) await this.#go();
        }
      }),
    );
  }

  /**
   * Calls `look`. When it throws `PageMissing`, as guest memory does during a postcopy, waits for those pages and calls it
   * again. Rejects with `MemoryMissingError` when they do not come in five seconds, or `patienceNs`.
   */
  async whenPresent<T>(look: () => T | Promise<T>, patienceNs = PAGE_PATIENCE_NS): Promise<T> {
    for (;;) {
      try {
        return await look();
      } catch (error) {
        if (!(error instanceof PageMissing)) throw error;
        await this.#untilPresent(error.pages, patienceNs);
      }
    }
  }

  /** Throws `PageMissing` when a page of that range of `memory` has not come from the source of a postcopy. */
  requireMemory(host: number, lengthBytes: number): void {
    requirePages(this.#faults, host, lengthBytes);
  }

  /** As `stop`; then all memory is there, and every vCPU is between two instructions. Rejects when pages cannot come. */
  rest(): Promise<void> {
    return this.#operations.run(async () => void (await this.#rest()));
  }

  /** Calls `save` while no vCPU runs guest code and no device has a request under way; goes on running if it ran. */
  saveState<T>(save: () => Promise<T>): Promise<T> {
    return this.#operations.run(async () => {
      const ran = await this.#rest();
      try {
        await this.migration.drain();
        return await save();
      } finally {
        if (ran) await this.#start();
      }
    });
  }

  /**
   * Replaces the machine's state by what `load` puts into its sections and RAM, and goes on running if it ran. When
   * `load` fails the machine stands still in its power-on state.
   */
  loadState(load: () => Promise<void>): Promise<void> {
    return this.#operations.run(async () => {
      const ran = await this.#rest();
      await this.migration.drain();
      this.migration.isLoading = true;
      this.#power();
      try {
        await load();
      } catch (error) {
        this.migration.isLoading = false;
        this.#power();
        this.#requestReset();
        throw error;
      }
      this.migration.finishLoad();
      if (ran) await this.#start();
    });
  }

  /** As the reset button: a power-on reset, or what `onReboot` says instead. */
  async pressReset(): Promise<void> {
    if (this.actions.onReboot === "shutdown") await this.#shutdown({ exitCode: 0, byGuest: false, isReset: true });
    else await this.reset();
  }

  /**
   * Power-on reset; goes on running if it ran. What it writes must not be overwritten by pages that come later, so it waits
   * for those of the boot images first, as in `whenPresent`; the guest's own reset waits for as long as it takes.
   */
  async reset(byGuest = false): Promise<void> {
    const present = this.#bootMemoryPresent(byGuest);
    // Else in order with what is asked for next.
    if (present) await present;
    await this.#operations.run(async () => {
      if (this.#quitting) return;
      const ran = await this.#halt();
      if (this.#quitting) return;
      this.#power();
      // The receiver is empty again.
      this.#console?.poke();
      this.#requestReset();
      this.#emit({ kind: "reset", byGuest });
      if (ran) await this.#go();
    });
  }

  /** Ends the threads; the machine cannot be started again. Backends are the caller's to close. */
  quit(): Promise<void> {
    this.#quitting ??= this.#operations.run(() => this.#end());
    // An operation that waits for the vCPUs, and the server of the doorbell, look at `#quitting`.
    Atomics.notify(this.#words, CONTROL.stoppedVcpus);
    Atomics.notify(this.#words, CONTROL.machineRequest);
    return this.#quitting;
  }

  /** Copies guest physical memory; undefined when the range is not in RAM. Throws `PageMissing`, see `whenPresent`. */
  readMemory(address: number, lengthBytes: number): Uint8Array | undefined {
    return this.#dma.view(address, lengthBytes, "fromGuest")?.slice();
  }
  /** False when the range is not in RAM. Throws `PageMissing`, with nothing written. */
  writeMemory(address: number, bytes: Uint8Array): boolean {
    const view = this.#dma.view(address, bytes.length, "toGuest");
    view?.set(bytes);
    return view !== undefined;
  }
  /** x0 to x31 and pc of a vCPU; meaningful while the machine is stopped. */
  readRegisters(vcpu: number): { readonly x: readonly bigint[]; readonly pc: bigint } {
    const block = this.#blocks[vcpu];
    if (block === undefined) throw new RangeError(`vCPU ${vcpu} does not exist`);
    const view = new DataView(this.memory.buffer, block);
    const x = Array.from({ length: 32 }, (_, i) => view.getBigUint64(VCPU.x + 8 * i, true));
    return { x, pc: view.getBigUint64(VCPU.pc, true) };
  }

  #bootMemoryPresent(forEver: boolean): Promise<void> | undefined {
    if (this.#faults.missingCount === 0) return undefined;
    const look = (): void => {
      for (const { host, lengthBytes } of this.#bootMemory()) this.requireMemory(host, lengthBytes);
    };
    return this.whenPresent(look, forEver ? Number.POSITIVE_INFINITY : PAGE_PATIENCE_NS);
  }

  async #untilPresent(pages: readonly number[], patienceNs: number): Promise<void> {
    if (patienceNs === Number.POSITIVE_INFINITY) return this.#dma.present(pages);
    const { clock, timers } = this.#host;
    let cancel = (): void => {};
    const late = new Promise<never>((_, reject) => {
      cancel = timers.at(clock.nowNs() + patienceNs, () => reject(new MemoryMissingError()));
    });
    await Promise.race([this.#dma.present(pages), late]).finally(() => cancel());
  }

  async #start(): Promise<void> {
    if (this.isRunning || this.#quitting) return;
    await this.#go();
    if (this.#quitting) return;
    this.#emit({ kind: "resume" });
    // What waits in a device goes on, and may fail again.
    this.#tellDevices(true);
  }

  #tellDevices(isRunning: boolean): void {
    for (const device of this.#devices.devices) device.machineRuns?.(isRunning);
  }

  #diskFailed(drive: string, failure: BlockFailure): void {
    this.#emit({ kind: "io-error", drive, ...failure });
    if (failure.action === "stop") void this.#operations.run(() => this.#pause({ ioError: true }));
  }

  async #go(): Promise<void> {
    if (this.#quitting) return;
    this.#clock.start();
    this.#log.trace.vm_state_notify?.(true);
    Atomics.store(this.#words, CONTROL.running, 1);
    Atomics.notify(this.#words, CONTROL.running);
    // A stop that came before the last vCPU had left its park would count it among those that have parked again.
    await this.#untilStopped(0);
  }

  /** As `#halt`, and says so. */
  async #pause(why: { readonly ioError?: true } = {}): Promise<boolean> {
    const ran = await this.#halt();
    if (!ran) return false;
    this.#tellDevices(false);
    this.#emit({ kind: "stop", ...why });
    return true;
  }

  /** As `#pause`; then all memory is there, and every vCPU is between two instructions. */
  async #rest(): Promise<boolean> {
    const ran = await this.#pause();
    await this.#untilWhole();
    return ran;
  }

  /** Rejects when pages cannot come. The machine is stopped. */
  async #untilWhole(): Promise<void> {
    await this.migration.allPagesHere;
    if (!this.#mayWaitForPages) return;
    // A vCPU that was stopped while it waited for a page finishes its instruction.
    await this.#go();
    await this.#halt();
  }

  /** Resolves with true when the machine ran and has stopped. */
  async #halt(): Promise<boolean> {
    if (!this.isRunning || this.#quitting) return false;
    this.#mayWaitForPages = this.#faults.missingCount > 0;
    Atomics.store(this.#words, CONTROL.running, 0);
    for (const block of this.#blocks) requestVcpu(this.#words, block, Request.Stop);
    Atomics.notify(this.#words, CONTROL.throttle);
    this.#faults.rouse();
    await this.#untilStopped(this.#blocks.length);
    if (this.#quitting) return false;
    this.#clock.stop();
    this.#log.trace.vm_state_notify?.(false);
    return true;
  }

  async #end(): Promise<void> {
    this.#drainConsole();
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
    for (const disk of this.#host.disks.values()) await disk.flush().catch(() => {});
  }

  async #startThreads(): Promise<void> {
    const data = (vcpu: number): ThreadData => ({ memory: this.memory, config: this.config, vcpu });
    const vcpus = this.#blocks.map((_, index) => this.#host.startThread("vcpu", data(index)));
    this.#threads.push(...(await Promise.all([...vcpus, this.#host.startThread("timer", data(-1))])));
  }

  #requestReset(): void {
    for (const block of this.#blocks) Atomics.or(this.#words, (block + VCPU.request) >>> 2, Request.Reset);
  }

  /** Those with something in them from the start: flash that a drive is behind. */
  get #filledBlocks(): readonly string[] {
    return this.config.drives
      .filter((drive) => drive.interface === "pflash")
      .map(({ index = 0 }) => `virt.flash${index}`);
  }
  /** The others are zero where nobody has written. */
  #markFilledBlocks(): void {
    const dirty = new DirtyMap(this.memory.buffer, this.layout);
    for (const { name, host, sizeBytes } of this.layout.blocks) {
      if (this.#filledBlocks.includes(name)) dirty.mark(host, sizeBytes);
    }
  }

  /** Devices to their power-on state, memory as the boot plan says unless it comes from elsewhere. */
  #power(): void {
    const { buffer } = this.memory;
    const bytes = new Uint8Array(buffer);
    const { lock, plic, uart, mtimer } = this.#shared;
    const dirty = new DirtyMap(buffer, this.layout);
    for (const block of this.#blocks) Atomics.store(this.#words, (block + VCPU.irqLines) >>> 2, 0);
    lock.with(() => {
      plic.reset();
      uart.reset();
      mtimer.reset();
    });
    for (const device of this.#devices.devices) device.reset();
    if (this.migration.isLoading) return;
    for (const { host, data, lengthBytes } of this.#bootMemory()) {
      bytes.set(data, host);
      bytes.fill(0, host + data.length, host + lengthBytes);
      dirty.mark(host, lengthBytes);
    }
  }

  /** What a reset writes into memory; zeros follow the data up to the length. */
  #bootMemory(): readonly { readonly host: number; readonly data: Uint8Array; readonly lengthBytes: number }[] {
    const ram = this.layout.blocks[VirtBlock.Ram];
    const rom = this.layout.blocks[VirtBlock.Mrom];
    if (!ram || !rom) return [];
    const code = resetRom(this.#plan);
    const writes = this.#plan.writes.map(({ address, data, zeroBytes }) => ({
      host: ram.host + Number(address - BigInt(VIRT_MEMORY_MAP.dram.base)),
      data,
      lengthBytes: data.length + zeroBytes,
    }));
    return [...writes, { host: rom.host, data: code, lengthBytes: code.length }];
  }

  #attachConsole(id: string | undefined): void {
    const backend = id === undefined ? undefined : this.#host.chardevs.get(id);
    if (!backend) return;
    const { uart, lock } = this.#shared;
    this.#console = backend;
    backend.attach({
      // What is typed before the machine has come is kept for it.
      canReceive: () => (this.migration.isLoading ? 0 : lock.with(() => uart.canReceive())),
      receive: (input) =>
        lock.with(() => {
          for (const byte of input) uart.receive(byte);
        }),
      event: (event) => {
        if (event === "break") lock.with(() => uart.receiveBreak());
      },
    });
  }

  #drainConsole(): void {
    const { transmitted, uart, lock } = this.#shared;
    while (transmitted.used > 0) {
      this.#console?.write(transmitted.drain());
      lock.with(() => uart.transmitRoomMade());
    }
  }

  /** Answers the doorbell until the machine quits. */
  async #serve(): Promise<void> {
    const words = this.#words;
    while (!this.#quitting) {
      const asked = Atomics.exchange(words, CONTROL.machineRequest, 0);
      if (asked === 0) {
        const waiting = waitAsync(words, CONTROL.machineRequest, 0);
        if (waiting.async) await waiting.value;
        continue;
      }
      if (asked & MachineRequest.Mmio) {
        this.#blocks.forEach((block, hart) =>
          answerMmio(this.memory.buffer, words, hart, block, this.#devices.map, this.#log.trace),
        );
      }
      if (asked & MachineRequest.Transmit) this.#drainConsole();
      if (asked & MachineRequest.ReceiveRoom) this.#console?.poke();
    }
  }

  /** Resolves when as many vCPUs as `count` are parked because the machine is stopped, or the machine quits. */
  async #untilStopped(count: number): Promise<void> {
    while (!this.#quitting) {
      const stopped = Atomics.load(this.#words, CONTROL.stoppedVcpus);
      if (stopped === count) return;
      const waiting = waitAsync(this.#words, CONTROL.stoppedVcpus, stopped);
      if (waiting.async) await waiting.value;
    }
  }

  async #guestShutdown(exitCode: number, isReset = false): Promise<void> {
    this.#log.trace.system_shutdown_request?.(exitCode);
    await this.#shutdown({ exitCode, byGuest: true, isReset });
  }

  #shutdown(how: Omit<MachineEvent & { kind: "shutdown" }, "kind">): Promise<void> {
    return this.#operations.run(async () => {
      const ran = await this.#halt();
      if (this.#quitting) return;
      if (ran) this.#tellDevices(false);
      this.#drainConsole();
      this.#emit({ kind: "shutdown", ...how });
      if (ran) this.#emit({ kind: "stop" });
    });
  }

  async #guestReset(): Promise<void> {
    this.#log.trace.system_reset_request?.();
    if (this.actions.onReboot === "shutdown") await this.#guestShutdown(0, true);
    else await this.reset(true);
  }

  #emit(event: MachineEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
