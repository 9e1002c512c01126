/**
 * `-cpu model[,feature=on|off]`: names are checked here, what they depend on in the CPU.
 */

import type { CpuConfig } from "#machine/config.ts";
import type { Draft } from "./draft.ts";
import { splitPairs } from "./key-values.ts";
import { OptionError, within } from "./option-error.ts";
import { parseInteger, requireBool } from "./properties.ts";
import { suggestion } from "./suggest.ts";

/** `max` is every extension that there is, which is what `rv64` has too. */
const MODELS = ["max", "rv64"] as const;
const DEFAULT_MODEL = "rv64";
/** The type that `-global` names. */
const CPU_TYPE = "rv64-riscv-cpu";

/** Can be switched on and off. Spec: RISC-V unprivileged and privileged ISA; names as QEMU's, in lower case. */
// biome-ignore format: a table
const FEATURES: readonly string[] = [
  "i", "m", "a", "f", "d", "c", "s", "u", "g", "mmu", "pmp",
  "zicsr", "zifencei", "zicntr", "zihpm", "zihintpause", "zihintntl", "zawrs",
  "zba", "zbb", "zbc", "zbs", "zfa", "zfh", "zfhmin",
  "zicbom", "zicbop", "zicboz",
  "sstc", "svinval", "svnapot", "svpbmt", "svadu", "sv39", "sv48", "sv57",
];

/** QEMU has them and this CPU has not: only off is accepted. */
// biome-ignore format: a table
const ABSENT_FEATURES: readonly string[] = [
  "e", "h", "v", "zve32f", "zve64f", "zmmul", "zfinx", "zdinx", "zhinx", "zhinxmin", "zicond", "zacas", "zcb",
  "zbkb", "zbkc", "zbkx", "zk", "zkn", "zknd", "zkne", "zknh", "zkr", "zks", "zksed", "zksh", "zkt",
  "smaia", "ssaia", "smstateen", "sscofpmf", "smepmp",
  "x-j", "x-epmp", "x-smaia", "x-ssaia", "xventanacondops",
];

/** Numbers with the one value that the CPU has. */
const FIXED_SIZES: ReadonlyMap<string, bigint> = new Map([
  ["cbom_blocksize", 64n],
  ["cbop_blocksize", 64n],
  ["cboz_blocksize", 64n],
]);

/** The CPU that `-cpu` and `-global rv64-riscv-cpu.*` ask for. Throws `OptionError`. */
export function resolveCpu(draft: Draft): CpuConfig {
  const features: Record<string, boolean> = {};
  for (const { use, value } of draft.globals) {
    if (value.driver === CPU_TYPE) within(use, () => setFeature(features, value.property, value.value));
  }
  const option = draft.cpu;
  if (option === undefined) return { model: DEFAULT_MODEL, features };
  return within(option.use, () => {
    const [model, ...pairs] = splitPairs(option.value, "model");
    if (!MODELS.some((name) => name === model?.value)) {
      const name = model?.value ?? "";
      throw new OptionError("unknown-name", `unable to find CPU model '${name}'${suggestion(name, MODELS)}`);
    }
    for (const { key, value, short } of pairs) {
      if (short) {
        const word = value === "off" ? `no${key}` : key;
        throw new OptionError("syntax", `Expected key=value format, found ${word}`);
      }
      setFeature(features, key, value);
    }
    return { model: model?.value ?? DEFAULT_MODEL, features };
  });
}

export function isCpuType(driver: string): boolean {
  return driver === CPU_TYPE;
}

function setFeature(features: Record<string, boolean>, key: string, value: string): void {
  const name = key.toLowerCase();
  const fixed = FIXED_SIZES.get(name);
  if (fixed !== undefined) {
    if (parseInteger(value) === fixed) return;
    throw new OptionError("not-available", `Parameter '${key}' does not accept '${value}'; blocks have ${fixed} bytes`);
  }
  const isPresent = FEATURES.includes(name);
  if (!isPresent && !ABSENT_FEATURES.includes(name)) {
    throw new OptionError("unknown-name", `Property '${CPU_TYPE}.${key}' not found`);
  }
  const isOn = requireBool(key, value);
  if (isPresent) features[name] = isOn;
  else if (isOn) throw new OptionError("not-available", `extension '${name}' is not available in this version`);
}

/** Text of `-cpu help`. */
export function cpuHelp(): string {
  return `${MODELS.join("\n")}\n\nFeatures (-cpu ${DEFAULT_MODEL},NAME=on|off):\n${columns(FEATURES)}`;
}

function columns(names: readonly string[]): string {
  let text = "";
  for (let at = 0; at < names.length; at += 8) text += `  ${names.slice(at, at + 8).join(" ")}\n`;
  return text;
}
