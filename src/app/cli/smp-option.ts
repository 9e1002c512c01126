/**
 * `-smp`: how many vCPUs, and how they are ordered into sockets, cores and threads.
 *
 * Spec: observed behaviour of QEMU 7.2 for machines that prefer cores over sockets.
 */

import type { SmpConfig } from "#machine/config.ts";
import type { Draft } from "./draft.ts";
import type { ValueMap } from "./key-values.ts";
import type { MachineChoice } from "./machine-option.ts";
import { OptionError, type OptionUse, within } from "./option-error.ts";
import { parseInteger } from "./properties.ts";

const KEYS = ["cpus", "sockets", "dies", "clusters", "cores", "threads", "maxcpus"] as const;
type Key = (typeof KEYS)[number];

/** Text of `-smp help`. */
export function smpHelp(): string {
  return `smp-opts options:\n${[...KEYS]
    .sort()
    .map((key) => `  ${key}=<num>\n`)
    .join("")}`;
}

/** The topology that `-smp` and `-machine smp.*` ask for. Throws `OptionError`. */
export function resolveSmp(draft: Draft, machine: MachineChoice): SmpConfig {
  const given: Partial<Record<Key, number>> = {};
  if (machine.smp) readKeys(given, machine.smp);
  for (const { use, value } of draft.smp) within(use, () => readKeys(given, value));
  const last = draft.smp.at(-1)?.use;
  const blame: OptionUse = last ? { option: last.option } : { option: "-smp" };
  return within(blame, () => {
    for (const key of ["dies", "clusters"] as const) {
      if ((given[key] ?? 1) > 1) {
        throw new OptionError("bad-value", `${key} not supported by this machine's CPU topology`);
      }
    }
    return complete(given, machine);
  });
}

function readKeys(given: Partial<Record<Key, number>>, map: ValueMap): void {
  for (const [name, value] of map) {
    const key = KEYS.find((candidate) => candidate === name);
    if (key === undefined) throw new OptionError("unknown-name", `Parameter 'smp.${name}' is unexpected`);
    const count = typeof value === "string" ? parseInteger(value) : undefined;
    if (count === undefined) throw new OptionError("bad-value", `Parameter 'smp.${key}' expects integer`);
    if (count === 0n) {
      throw new OptionError("bad-value", "Invalid CPU topology: CPU topology parameters must be greater than zero");
    }
    // Negative numbers and those beyond any machine fail the check against the machine's maximum.
    given[key] = Number(count);
  }
}

function complete(given: Partial<Record<Key, number>>, machine: MachineChoice): SmpConfig {
  let { cpus = 0, sockets = 0, cores = 0, threads = 0, maxcpus = 0 } = given;
  for (const count of [cpus, maxcpus]) {
    if (count < 0 || count > machine.maxCpus) throw tooMany(count, machine);
  }
  if (cpus === 0 && maxcpus === 0) {
    sockets ||= 1;
    cores ||= 1;
    threads ||= 1;
  } else {
    maxcpus ||= cpus;
    if (cores === 0) {
      sockets ||= 1;
      threads ||= 1;
      cores = Math.trunc(maxcpus / (sockets * threads));
    } else if (sockets === 0) {
      threads ||= 1;
      sockets = Math.trunc(maxcpus / (cores * threads));
    }
    threads ||= Math.trunc(maxcpus / (sockets * cores));
  }
  const total = sockets * cores * threads;
  maxcpus ||= total;
  cpus ||= maxcpus;
  const product = `sockets (${sockets}) * cores (${cores}) * threads (${threads})`;
  if (total !== maxcpus) {
    throw new OptionError(
      "bad-value",
      `Invalid CPU topology: product of the hierarchy must match maxcpus: ${product} != maxcpus (${maxcpus})`,
    );
  }
  if (maxcpus < cpus) {
    throw new OptionError(
      "bad-value",
      `Invalid CPU topology: maxcpus must be equal to or greater than smp: ${product} == maxcpus (${maxcpus}) < smp_cpus (${cpus})`,
    );
  }
  if (!(maxcpus >= 1 && maxcpus <= machine.maxCpus)) throw tooMany(maxcpus, machine);
  return { cpus, sockets, cores, threads };
}

function tooMany(count: number, machine: MachineChoice): OptionError {
  return new OptionError(
    "bad-value",
    `Invalid SMP CPUs ${count}. The max CPUs supported by machine '${machine.name}' is ${machine.maxCpus}`,
  );
}
