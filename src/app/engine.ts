/**
 * What the vCPUs of a machine run with: made once, for all their threads.
 */
import { setEngineFlags } from "#app/engine-flags.ts";
import { readStoredRuntime } from "#app/stored-runtimes.ts";
import type { Engine } from "#app/thread-host.ts";
import type { Log } from "#core/log.ts";
import { probeEngineFeatures } from "#cpu/engine/features.ts";
import type { MachineConfig } from "#machine/config.ts";
import { runtimeSetup } from "#machine/runtime-setup.ts";

/** Rejects with `CpuFeatureError`. `log` is what the vCPUs are to log. */
export async function prepareEngine(config: MachineConfig, log: Log): Promise<Engine> {
  setEngineFlags();
  const features = probeEngineFeatures();
  const setup = runtimeSetup(config, features, log);
  const stored = readStoredRuntime(setup);
  if (stored) return { features, runtime: stored };
  // The generator and all that it draws in is loaded for this alone.
  const { makeRuntime } = await import("#cpu/engine/runtime.ts");
  const { riscvIsa } = await import("#cpu/isa/riscv/riscv.ts");
  return { features, runtime: makeRuntime(riscvIsa(setup.extensions), setup.options) };
}
