/**
 * A bare machine for tests: one hart in this thread, one RAM block at 0x8000_0000, no devices, machine mode.
 * A program ends with `wfi`. Several threads make a machine of several harts, each with a `BareMachine` of its own
 * over one `BareMemory`.
 */
import { type EngineFeatures, probeEngineFeatures } from "#cpu/engine/features.ts";
import type { RegionExchange } from "#cpu/engine/region-library.ts";
import { type Extensions, misaValue } from "#cpu/isa/riscv/extensions.ts";
import { MSTATUS } from "#cpu/isa/riscv/constants.ts";
import { type RiscvIsa, riscvIsa } from "#cpu/isa/riscv/riscv.ts";
import { ExitReason, Feature, layoutMemory, type MemoryLayout, REGIONS, VCPU } from "#cpu/vcpu/layout.ts";
import { Vcpu, type VcpuObserver, type VcpuPorts } from "#cpu/vcpu/vcpu.ts";

export const RAM_BASE = 0x8000_0000;
const WASM_PAGE_BYTES = 65_536;

/** No device answers; time stands still. */
const NO_DEVICES: VcpuPorts = {
  mmioRead: () => -1,
  mmioWrite: () => false,
  mmioRead64: () => undefined,
  mmioWrite64: () => false,
  timeTicks: () => 0,
  machineNs: () => 0,
  stimecmpChanged: () => {},
};

/** The memory of a bare machine. `shared` is that of another thread, made with the same sizes. */
export class BareMemory {
  readonly layout: MemoryLayout;
  readonly shared: WebAssembly.Memory;
  readonly #ram: Uint8Array;

  constructor(ramBytes: number, harts = 1, shared?: WebAssembly.Memory) {
    this.layout = layoutMemory(harts, [{ name: "ram", sizeBytes: ramBytes }]);
    const pages = this.layout.totalBytes / WASM_PAGE_BYTES;
    this.shared = shared ?? new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const host = this.layout.blocks[0]?.host as number;
    this.#ram = new Uint8Array(this.shared.buffer, host, ramBytes);
    if (shared) return;
    const view = new DataView(this.shared.buffer);
    view.setInt32(REGIONS.count, 1, true);
    view.setBigUint64(REGIONS.entries + REGIONS.first, BigInt(RAM_BASE), true);
    view.setBigUint64(REGIONS.entries + REGIONS.size, BigInt(ramBytes), true);
    view.setInt32(REGIONS.entries + REGIONS.host, host, true);
    view.setInt32(REGIONS.entries + REGIONS.flags, REGIONS.readable | REGIONS.writable, true);
  }

  /** The RAM's bytes from `address` on. */
  bytes(address: number, lengthBytes: number): Uint8Array {
    return this.#ram.subarray(address - RAM_BASE, address - RAM_BASE + lengthBytes);
  }
  load(address: number, data: Uint8Array): void {
    this.#ram.set(data, address - RAM_BASE);
  }
}

export type BareMachineOptions = {
  readonly ramBytes: number;
  readonly extensions: Extensions;
  readonly ports?: Partial<VcpuPorts>;
  /** Makes what listens to the hart. */
  readonly observer?: (place: {
    readonly isa: RiscvIsa;
    readonly memory: ArrayBufferLike;
    readonly block: number;
  }) => VcpuObserver | undefined;
  /** As of {@link VcpuOptions}; 0 by default. */
  readonly hotThreshold?: number;
  readonly batchRegions?: number;
  readonly lockstep?: boolean;
  readonly exchange?: RegionExchange;
  /** What the engine is found to have by default. */
  readonly features?: EngineFeatures;
  /** The memory, and which of its harts this is; by default one of its own with one hart. */
  readonly memory?: BareMemory;
  readonly hart?: number;
};

export class BareMachine {
  readonly vcpu: Vcpu;
  readonly #extensions: Extensions;
  readonly #memory: BareMemory;

  constructor(options: BareMachineOptions) {
    const { extensions } = options;
    this.#memory = options.memory ?? new BareMemory(options.ramBytes);
    this.#extensions = extensions;
    const { shared, layout } = this.#memory;
    const ports = { ...NO_DEVICES, ...options.ports };
    const hotThreshold = options.hotThreshold ?? 0;
    const hart = options.hart ?? 0;
    const isa = riscvIsa(extensions);
    const block = layout.vcpus + hart * layout.vcpuStride;
    const observer = options.observer?.({ isa, memory: shared.buffer, block });
    this.vcpu = new Vcpu(shared, layout, hart, isa, ports, {
      hotThreshold,
      features: options.features ?? probeEngineFeatures(),
      nowMs: Date.now,
      observer,
      batchRegions: options.batchRegions,
      lockstep: options.lockstep,
      exchange: options.exchange,
    });
    this.reset(RAM_BASE);
  }

  /** The RAM's bytes from `address` on. */
  bytes(address: number, lengthBytes: number): Uint8Array {
    return this.#memory.bytes(address, lengthBytes);
  }
  load(address: number, data: Uint8Array): void {
    this.#memory.load(address, data);
  }

  /** Power-on state with the floating-point unit on, about to run at `pc`. */
  reset(pc: number): void {
    const { view, cpu } = this.vcpu;
    const features = Object.values(Feature).reduce((all, bit) => all | bit, 0);
    this.vcpu.reset({ pc: BigInt(pc), misa: misaValue(this.#extensions), menvcfg: 0n, features });
    view.setBigUint64(cpu + VCPU.mstatus, view.getBigUint64(cpu + VCPU.mstatus, true) | MSTATUS.FS, true);
    this.vcpu.runtime.updateMode(cpu);
  }

  /** Runs to the next `wfi`. Throws when something else stops the hart, such as a request from another thread. */
  run(): void {
    const reason = this.vcpu.run();
    if (reason !== ExitReason.Wfi) throw new Error(`stopped with reason ${reason} at pc ${this.vcpu.pc.toString(16)}`);
  }
}
