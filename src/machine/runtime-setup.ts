/**
 * What a machine's configuration asks of the runtime, and what a runtime depends on.
 * Thread: any; all come to the same for one configuration.
 */
import type { Log } from "#core/log.ts";
import type { EngineFeatures } from "#cpu/engine/features.ts";
import { neededEvents, type RuntimeOptions } from "#cpu/engine/runtime-options.ts";
import { observedEvents } from "#cpu/isa/riscv/observed-events.ts";
import type { Extensions } from "#cpu/isa/riscv/extensions.ts";
import type { MachineConfig } from "#machine/config.ts";
import { cpuExtensions } from "#machine/virt/virt-layout.ts";

/**
 * By engine, entries of a place in the code after which it is translated: about where that pays (docs/performance.md),
 * or soon, to compare much.
 */
const HOT_THRESHOLD = { wasm: 16_000, interp: 0, lockstep: 50 } as const;

/** What a machine's vCPUs need of the runtime. */
export type RuntimeSetup = { readonly extensions: Extensions; readonly options: RuntimeOptions };

/** `features` are those of the host's engine. Throws `CpuFeatureError`. */
export function runtimeSetup({ accel, cpu }: MachineConfig, features: EngineFeatures, log: Log): RuntimeSetup {
  const lockstep = accel.kind === "lockstep";
  const observed = neededEvents(observedEvents(log), lockstep);
  return {
    extensions: cpuExtensions(cpu),
    options: { hotThreshold: HOT_THRESHOLD[accel.kind], features, lockstep, observed },
  };
}
