/** Statistics of the region translator, which each vCPU's thread keeps in its block. */
import { vcpuView } from "#control/monitor/inspect/registers.ts";
import { STATISTICS, VCPU } from "#cpu/vcpu/layout.ts";
import type { Machine } from "#machine/machine.ts";

const LABELS: Readonly<Record<(typeof STATISTICS)[number], readonly [label: string, unit: string]>> = {
  modules: ["modules", ""],
  regions: ["regions", ""],
  instructions: ["guest instructions in them", ""],
  wasmBytes: ["WebAssembly code", " bytes"],
  translateMs: ["time in the translator", " ms"],
  compileMs: ["time in the engine", " ms"],
  drops: ["times that everything was dropped", ""],
};
const LABEL_COLUMNS = 36;

export function describeTranslator(machine: Machine): string {
  const vcpus = Array.from({ length: machine.layout.vcpuCount }, (_, vcpu) => {
    const view = vcpuView(machine, vcpu);
    return STATISTICS.map((_name, index) => view.getFloat64(VCPU.statistics + 8 * index, true));
  });
  const lines = STATISTICS.map((name, index) => {
    const values = vcpus.map((statistics) => statistics[index] ?? 0);
    const [label, unit] = LABELS[name];
    const shown = (value: number): string => String(Math.round(value));
    const each = values.length > 1 ? ` (${values.map(shown).join(", ")})` : "";
    return `${label.padEnd(LABEL_COLUMNS)}${shown(values.reduce((sum, value) => sum + value, 0))}${unit}${each}\n`;
  });
  const engine = machine.config.accel.kind === "interp" ? "none: everything is interpreted" : "regions";
  return `Translated code: ${engine}\n${lines.join("")}`;
}
