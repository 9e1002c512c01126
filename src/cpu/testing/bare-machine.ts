/**
 * A bare machine for tests: one hart in this thread, one RAM block at 0x8000_0000, no devices, machine mode.
 * A program ends with `wfi`.
 */
import { type EngineFeatures, probeEngineFeatures } from "#cpu/engine/features.ts";
import { type Extensions, misaValue } from "#cpu/isa/riscv/extensions.ts";
import { MSTATUS } from "#cpu/isa/riscv/constants.ts";
import { riscvIsa } from "#cpu/isa/riscv/riscv.ts";
import { ExitReason, Feature, layoutMemory, REGIONS, VCPU } from "#cpu/vcpu/layout.ts";
import { Vcpu, type VcpuPorts } from "#cpu/vcpu/vcpu.ts";

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

export type BareMachineOptions = {
  readonly ramBytes: number;
  readonly extensions: Extensions;
  readonly ports?: Partial<VcpuPorts>;
  /** As of {@link VcpuOptions}; 0 by default. */
  readonly hotThreshold?: number;
  /** What the engine is found to have by default. */
  readonly features?: EngineFeatures;
};

export class BareMachine {
  readonly vcpu: Vcpu;
  readonly #extensions: Extensions;
  readonly #ram: Uint8Array;

  constructor(options: BareMachineOptions) {
    const layout = layoutMemory(1, [{ name: "ram", sizeBytes: options.ramBytes }]);
    const pages = layout.totalBytes / WASM_PAGE_BYTES;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const host = layout.blocks[0]?.host as number;
    const view = new DataView(memory.buffer);
    view.setInt32(REGIONS.count, 1, true);
    view.setBigUint64(REGIONS.entries + REGIONS.first, BigInt(RAM_BASE), true);
    view.setBigUint64(REGIONS.entries + REGIONS.size, BigInt(options.ramBytes), true);
    view.setInt32(REGIONS.entries + REGIONS.host, host, true);
    view.setInt32(REGIONS.entries + REGIONS.flags, REGIONS.readable | REGIONS.writable, true);
    this.#extensions = options.extensions;
    this.#ram = new Uint8Array(memory.buffer, host, options.ramBytes);
    this.vcpu = new Vcpu(
      memory,
      layout,
      0,
      riscvIsa(options.extensions),
      { ...NO_DEVICES, ...options.ports },
      {
        hotThreshold: options.hotThreshold ?? 0,
        features: options.features ?? probeEngineFeatures(),
        nowMs: Date.now,
      },
    );
    this.reset(RAM_BASE);
  }

  /** The RAM's bytes from `address` on. */
  bytes(address: number, lengthBytes: number): Uint8Array {
    return this.#ram.subarray(address - RAM_BASE, address - RAM_BASE + lengthBytes);
  }
  load(address: number, data: Uint8Array): void {
    this.#ram.set(data, address - RAM_BASE);
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
