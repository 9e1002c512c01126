/**
 * What can be set of a migration, by the names of QEMU 7.2 and 11.1. A row is the name, the default, and what it may be;
 * a fixed one is what QEMU has by default, and why nothing else is possible here.
 */
import { MigrationError } from "#control/migration/migration-error.ts";

type Range = { readonly initial: number; readonly least: number; readonly most: number };
const range = (initial: number, least: number, most: number): Range => ({ initial, least, most });

/** Sizes in bytes a second, times in milliseconds, throttles in percent. */
const ROWS = {
  "throttle-trigger-threshold": range(50, 1, 100),
  "cpu-throttle-initial": range(20, 1, 99),
  "cpu-throttle-increment": range(10, 1, 99),
  "max-cpu-throttle": range(99, 1, 99),
  "max-bandwidth": range(128 << 20, 0, Number.MAX_SAFE_INTEGER),
  "downtime-limit": range(300, 0, 2_000_000),
  "max-postcopy-bandwidth": range(0, 0, Number.MAX_SAFE_INTEGER),
  /** What the last round and the devices are taken to go at; 0: as fast as what was measured. */
  "avail-switchover-bandwidth": range(0, 0, Number.MAX_SAFE_INTEGER),
} as const satisfies Record<string, Range>;

export type ParameterName = keyof typeof ROWS;
export type Parameters = { readonly [name in ParameterName]: number } & { readonly "cpu-throttle-tailslow": boolean };

type Fixed = { readonly value: number | boolean | string | readonly string[]; readonly why: string };
const fixed =
  (why: string) =>
  (value: Fixed["value"]): Fixed => ({ value, why });
const [announced, compressed, multifd, dirtyLimit, encrypted, blocks] = [
  fixed("there is no network device to announce"),
  fixed("there is no compression"),
  fixed("there is no multifd"),
  fixed("there is no dirty-limit"),
  fixed("there is no TLS"),
  fixed("disks are not migrated"),
];

export const FIXED_PARAMETERS: Readonly<Record<string, Fixed>> = {
  "announce-initial": announced(50),
  "announce-max": announced(550),
  "announce-rounds": announced(5),
  "announce-step": announced(100),
  "block-incremental": blocks(false),
  "compress-level": compressed(1),
  "compress-threads": compressed(8),
  "compress-wait-thread": compressed(true),
  "cpr-exec-command": fixed("the process is not replaced")([]),
  "decompress-threads": compressed(2),
  "direct-io": fixed("there is no mapped-ram")(false),
  mode: fixed("a machine is only moved")("normal"),
  "multifd-channels": multifd(2),
  "multifd-compression": multifd("none"),
  "multifd-qatzip-level": multifd(1),
  "multifd-zlib-level": multifd(1),
  "multifd-zstd-level": multifd(1),
  "tls-authz": encrypted(""),
  "tls-creds": encrypted(""),
  "tls-hostname": encrypted(""),
  "vcpu-dirty-limit": dirtyLimit(1),
  "x-checkpoint-delay": fixed("there is no COLO")(20_000),
  "x-rdma-chunk-size": fixed("there is no RDMA")(1 << 20),
  "x-vcpu-dirty-limit-period": dirtyLimit(1000),
  "xbzrle-cache-size": fixed("there is no xbzrle")(64 << 20),
  "zero-page-detection": multifd("multifd"),
};

export const DEFAULT_PARAMETERS: Parameters = {
  ...(Object.fromEntries(Object.entries(ROWS).map(([name, { initial }]) => [name, initial])) as Record<
    ParameterName,
    number
  >),
  "cpu-throttle-tailslow": false,
};

/** As `query-migrate-parameters` says them. */
export function describeParameters(parameters: Parameters): Readonly<Record<string, Fixed["value"]>> {
  return {
    ...parameters,
    ...Object.fromEntries(Object.entries(FIXED_PARAMETERS).map(([name, { value }]) => [name, value])),
  };
}

/** `parameters` with the changes. Throws `MigrationError`; nothing is changed then. */
export function changeParameters(parameters: Parameters, changes: Readonly<Record<string, unknown>>): Parameters {
  const next: Record<string, number | boolean> = { ...parameters };
  for (const [name, given] of Object.entries(changes)) {
    const only = FIXED_PARAMETERS[name];
    if (only) checkFixed(name, given, only);
    else if (name === "cpu-throttle-tailslow") next[name] = given === true;
    else next[name] = checkRange(name, given);
  }
  const changed = next as Parameters;
  if (changed["max-cpu-throttle"] < changed["cpu-throttle-initial"]) {
    throw new MigrationError(
      `Parameter 'max-cpu-throttle' expects a number from cpu-throttle-initial, which is ${changed["cpu-throttle-initial"]}, to 99`,
    );
  }
  return changed;
}

function checkRange(name: string, given: unknown): number {
  // Of 64 bits: what is beyond 2^53 is no limit.
  const value = typeof given === "bigint" ? Math.min(Number(given), Number.MAX_SAFE_INTEGER) : given;
  const row = (ROWS as Readonly<Record<string, Range>>)[name];
  if (!row) throw new MigrationError(`invalid parameter value: ${name}`);
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < row.least || value > row.most) {
    throw new MigrationError(`Parameter '${name}' expects a number from ${row.least} to ${row.most}`);
  }
  return value;
}

/** It may be set to what it is: managers put everything back to what they have found. */
function checkFixed(name: string, given: unknown, { value, why }: Fixed): void {
  // The empty text may be said as null.
  if (JSON.stringify(given ?? "") === JSON.stringify(value)) return;
  const shown = typeof value === "string" ? `'${value}'` : JSON.stringify(value);
  throw new MigrationError(`migration parameter '${name}' can only be ${shown} here: ${why}`);
}
