/**
 * `-m`: the guest's RAM.
 */

import type { Draft } from "./draft.ts";
import type { MachineChoice } from "./machine-option.ts";
import { OptionError, within } from "./option-error.ts";
import { parseInteger } from "./properties.ts";
import { describeSize, GIB, MIB, parseSize, sizeError } from "./sizes.ts";

const DEFAULT_MEMORY_BYTES = 128 * MIB;
/** One 32-bit WebAssembly memory holds RAM, page maps, flash and code; the rest is left for what is not RAM. */
const MAX_MEMORY_BYTES = 3 * GIB;
/** The least that firmware and the device tree behind it fit in. */
const MIN_FIRMWARE_MEMORY_BYTES = 4 * MIB;
/** QEMU rounds RAM up to whole large pages of the smallest host. */
const MEMORY_ALIGNMENT_BYTES = 8 * 1024;

/** The size of RAM in bytes, from `-m`, or from the memory backend when there is no `-m`. Throws `OptionError`. */
export function resolveMemory(draft: Draft, machine: MachineChoice, bios: string): number {
  let size: number | undefined;
  let maximum: number | undefined;
  let slots = 0;
  for (const { use, value } of draft.memory) {
    within(use, () => {
      for (const { key, value: text } of value) {
        if (key === "size") size = requireSize(key, text, "M");
        else if (key === "maxmem") maximum = requireSize(key, text, "B");
        else if (key === "slots") slots = requireSlots(text);
        else throw new OptionError("unknown-name", `Invalid parameter '${key}'`);
      }
    });
  }
  const backendBytes = within({ option: "-machine" }, () => backendSize(draft, machine));
  const blame = { option: draft.memory.at(-1)?.use.option ?? "-m" };
  return within(blame, () => {
    const wanted = size !== undefined && size > 0 ? alignUp(size) : undefined;
    if (backendBytes !== undefined && wanted !== undefined && backendBytes !== wanted) {
      throw new OptionError("conflict", "Machine memory size does not match the size of the memory backend");
    }
    const bytes = wanted ?? backendBytes ?? DEFAULT_MEMORY_BYTES;
    if (maximum !== undefined && maximum < bytes) {
      throw new OptionError(
        "bad-value",
        `invalid value of maxmem: maximum memory size (${hex(maximum)}) must be at least the initial memory size (${hex(bytes)})`,
      );
    }
    if (maximum === undefined && slots > 0)
      throw new OptionError("missing-parameter", "slots specified but no max-size");
    checkLimits(bytes, machine, bios);
    return bytes;
  });
}

function checkLimits(bytes: number, machine: MachineChoice, bios: string): void {
  if (bytes > MAX_MEMORY_BYTES) {
    throw new OptionError(
      "bad-value",
      `cannot set up guest memory of ${describeSize(bytes)}: the most is ${describeSize(MAX_MEMORY_BYTES)}`,
    );
  }
  if (machine.name !== "none" && bios !== "none" && bytes < MIN_FIRMWARE_MEMORY_BYTES) {
    throw new OptionError(
      "bad-value",
      `${describeSize(bytes)} of memory cannot hold the firmware: use at least ${describeSize(MIN_FIRMWARE_MEMORY_BYTES)}, or -bios none`,
    );
  }
}

function backendSize(draft: Draft, machine: MachineChoice): number | undefined {
  const id = machine.properties.get("memory-backend");
  if (id === undefined) return undefined;
  const object = draft.objects.find(({ value }) => value.id === id && value.type === "memory-backend-ram");
  const bytes = object?.value.properties["size"];
  if (typeof bytes !== "number") throw new OptionError("unknown-reference", `Memory backend '${id}' not found`);
  return bytes;
}

function requireSize(key: string, text: string, defaultSuffix: "M" | "B"): number {
  const bytes = parseSize(text, defaultSuffix);
  if (typeof bytes === "string") throw new OptionError("bad-value", sizeError(key, text, bytes));
  return bytes;
}

function requireSlots(text: string): number {
  const slots = parseInteger(text);
  if (slots === undefined || slots < 0n) throw new OptionError("bad-value", "Parameter 'slots' expects a number");
  return Number(slots);
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / MEMORY_ALIGNMENT_BYTES) * MEMORY_ALIGNMENT_BYTES;
}

function hex(bytes: number): string {
  return `0x${bytes.toString(16)}`;
}
