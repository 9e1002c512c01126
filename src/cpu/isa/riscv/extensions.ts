/**
 * The extensions this hart can have: rows of name, default in the `rv64` model, ISA string order.
 * Spec: RISC-V Unprivileged, chapter 36 "ISA Extension Naming Conventions"; QEMU's `rv64` model for the defaults.
 */

/** Name, on by default, single letter or multi-letter (those with `isa: false` do not stand in the ISA string). */
const ROWS = [
  ["i", true],
  ["m", true],
  ["a", true],
  ["f", true],
  ["d", true],
  ["c", true],
  ["zicbom", true],
  ["zicbop", true],
  ["zicboz", true],
  ["zicntr", true],
  ["zicsr", true],
  ["zifencei", true],
  ["zihintntl", true],
  ["zihintpause", true],
  ["zihpm", true],
  ["zawrs", true],
  ["zfa", true],
  ["zfh", false],
  ["zba", true],
  ["zbb", true],
  ["zbc", true],
  ["zbs", true],
  ["sstc", true],
  ["svadu", true],
  ["svinval", true],
  ["svnapot", true],
  ["svpbmt", true],
] as const satisfies readonly (readonly [string, boolean])[];

export type ExtensionName = (typeof ROWS)[number][0];
export type Extensions = { readonly [name in ExtensionName]: boolean };
export const EXTENSION_NAMES: readonly ExtensionName[] = ROWS.map(([name]) => name);

/** Thrown for a feature that does not exist or a combination that is impossible. */
export class CpuFeatureError extends Error {
  readonly code = "bad-cpu-feature";
}

const NEEDS: readonly (readonly [ExtensionName, ExtensionName])[] = [
  ["d", "f"],
  ["zfa", "f"],
  ["zfh", "f"],
  ["f", "zicsr"],
];

/** Applies `name: on` pairs over the model's defaults. Throws {@link CpuFeatureError}. */
export function resolveExtensions(features: Readonly<Record<string, boolean>>): Extensions {
  const extensions = Object.fromEntries(ROWS) as Record<ExtensionName, boolean>;
  for (const [name, on] of Object.entries(features)) {
    if (!(name in extensions)) {
      throw new CpuFeatureError(`CPU property '${name}' not found; known are ${EXTENSION_NAMES.join(", ")}`);
    }
    extensions[name as ExtensionName] = on;
  }
  if (!extensions.i || !extensions.m || !extensions.a || !extensions.zicsr || !extensions.zifencei) {
    throw new CpuFeatureError("the extensions i, m, a, zicsr and zifencei cannot be switched off");
  }
  for (const [name, needed] of NEEDS) {
    // What only follows from a default goes quietly; what was asked for is refused.
    if (!extensions[name] || extensions[needed]) continue;
    if (features[name]) throw new CpuFeatureError(`CPU extension '${name}' needs '${needed}', which is off`);
    extensions[name] = false;
  }
  return extensions;
}

/** The ISA string of the device tree, for example `rv64imafdc_zicsr_zba`. */
export function isaString(extensions: Extensions): string {
  const names = isaExtensions(extensions);
  const letters = names.filter((name) => name.length === 1).join("");
  return [`rv64${letters}`, ...names.filter((name) => name.length > 1)].join("_");
}

/** The names of the extensions that are on, in ISA string order. */
export function isaExtensions(extensions: Extensions): readonly ExtensionName[] {
  return EXTENSION_NAMES.filter((name) => extensions[name]);
}

/** misa: MXL 2 (64 bits), a bit for each letter, S and U (3.1.1). */
export function misaValue(extensions: Extensions): bigint {
  const letters = isaExtensions(extensions).filter((name) => name.length === 1);
  return ["s", "u", ...letters].reduce((misa, letter) => misa | (1n << BigInt(letter.charCodeAt(0) - 97)), 2n << 62n);
}
