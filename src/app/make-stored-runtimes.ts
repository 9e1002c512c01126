/** For the build: generates the runtimes of `stored-runtimes.ts`, for a machine with the default CPU and accelerator. */
import { parseCommandLine } from "#app/cli/command-line.ts";
import { runtimeKey, storedName, type StoredDescription } from "#app/stored-runtimes.ts";
import { NO_LOG } from "#core/log.ts";
import { generateRuntime } from "#cpu/engine/runtime.ts";
import { riscvIsa } from "#cpu/isa/riscv/riscv.ts";
import { runtimeSetup } from "#machine/runtime-setup.ts";

export type StoredRuntime = {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly description: StoredDescription;
};

export function makeStoredRuntimes(): readonly StoredRuntime[] {
  const command = parseCommandLine(["-M", "virt", "-bios", "none", "-display", "none"]);
  if (command.kind !== "run") throw new Error("the default machine is not one");
  const { machine } = command;
  return [true, false].map((fusedMultiplyAdd) => {
    const setup = runtimeSetup(machine, { fusedMultiplyAdd }, NO_LOG);
    const { bytes, handlers } = generateRuntime(riscvIsa(setup.extensions), setup.options);
    return { name: storedName(setup.options.features), bytes, description: { key: runtimeKey(setup), handlers } };
  });
}
