/**
 * `-accel` and `-machine accel=`: which engine runs guest code.
 *
 * Names are tried in the order given and the first that exists is taken, as `accel=kvm:tcg` expects it.
 */

import type { AccelConfig } from "#machine/config.ts";
import type { Draft } from "./draft.ts";
import type { Pair } from "./key-values.ts";
import type { MachineChoice } from "./machine-option.ts";
import { type Located, OptionError, within } from "./option-error.ts";
import { checkProperty, type PropertyRow } from "./properties.ts";
import { suggestion } from "./suggest.ts";

const ENGINES: readonly { readonly name: string; readonly kind: AccelConfig["kind"]; readonly help: string }[] = [
  { name: "wasm", kind: "wasm", help: "interpret, and translate hot code to WebAssembly (default)" },
  { name: "tcg", kind: "wasm", help: "another name of wasm" },
  { name: "interp", kind: "interp", help: "interpret only" },
  { name: "lockstep", kind: "lockstep", help: "run hot code with both and stop at the first difference; -smp 1" },
];

const PROPERTIES: readonly PropertyRow[] = [
  { name: "thread", type: ["multi", "single"], help: "accepted; every vCPU always has its own thread" },
  { name: "tb-size", type: "uint32", help: "accepted; the code cache sizes itself" },
];

/** Text of `-accel help`. */
export function accelHelp(): string {
  return `Accelerators supported:\n${ENGINES.map(({ name, help }) => `${name.padEnd(20)} ${help}\n`).join("")}`;
}

/** The engine to use. Says on `draft.warnings` which names were passed over. Throws `OptionError`. */
export function resolveAccel(draft: Draft, machine: MachineChoice): AccelConfig {
  const list = machine.properties.get("accel");
  if (list === undefined) return resolveOptions(draft);
  const blame = { option: "-machine", text: `accel=${String(list)}` };
  if (draft.accels.length > 0) {
    throw new OptionError("conflict", `The -accel and "-machine accel=" options are incompatible`);
  }
  const names = String(list)
    .split(":")
    .filter((name) => name !== "");
  return within(blame, () => {
    if (names.length === 0) throw new OptionError("missing-parameter", "no accelerator found");
    return firstEngine(draft, names);
  });
}

function resolveOptions(draft: Draft): AccelConfig {
  const [first] = draft.accels;
  if (first === undefined) return { kind: "wasm" };
  const names = draft.accels.map((option) => within(option.use, () => checkOption(option)));
  return within(first.use, () => firstEngine(draft, names));
}

/** Checks the properties and returns the name. Those of an engine that is not here cannot be known. */
function checkOption({ value: pairs }: Located<readonly Pair[]>): string {
  const name = pairs.find(({ key }) => key === "accel")?.value ?? "";
  if (!ENGINES.some((engine) => engine.name === name)) return name;
  for (const { key, value } of pairs) {
    if (key === "accel") continue;
    const row = PROPERTIES.find((candidate) => candidate.name === key);
    if (!row) throw new OptionError("unknown-name", `Property '${name}-accel.${key}' not found`);
    if (key === "thread" && value !== "multi" && value !== "single") {
      throw new OptionError("bad-value", `Invalid 'thread' setting ${value}`);
    }
    checkProperty(row, value, false);
  }
  return name;
}

function firstEngine(draft: Draft, names: readonly string[]): AccelConfig {
  const skipped: string[] = [];
  for (const name of names) {
    const engine = ENGINES.find((candidate) => candidate.name === name);
    if (engine) {
      draft.warnings.push(...skipped.map((other) => `invalid accelerator ${other}`));
      if (skipped.length > 0) draft.warnings.push(`falling back to ${name}`);
      return { kind: engine.kind };
    }
    skipped.push(name);
  }
  const name = names[0] ?? "";
  const known = ENGINES.map((engine) => engine.name);
  throw new OptionError("unknown-name", `invalid accelerator ${name}${suggestion(name, known)}`);
}
