/** What can be set of a migration, by QEMU's names. A row is the name, the default, and what it may be. */
import { MigrationError } from "#control/migration/migration-error.ts";

type Range = { readonly initial: number; readonly least: number; readonly most: number };
const range = (initial: number, least: number, most: number): Range => ({ initial, least, most });

/** Sizes in bytes a second, times in milliseconds, throttles in percent; in QEMU's order. */
const ROWS = {
  "throttle-trigger-threshold": range(50, 1, 100),
  "cpu-throttle-initial": range(20, 1, 99),
  "cpu-throttle-increment": range(10, 1, 99),
  "max-cpu-throttle": range(99, 1, 99),
  "max-bandwidth": range(128 << 20, 0, Number.MAX_SAFE_INTEGER),
  "downtime-limit": range(300, 0, 2_000_000),
  "max-postcopy-bandwidth": range(0, 0, Number.MAX_SAFE_INTEGER),
} as const satisfies Record<string, Range>;

export type ParameterName = keyof typeof ROWS;
export type Parameters = { readonly [name in ParameterName]: number };

/** Texts that can only be empty, since there is no TLS; managers of machines set them to that. */
export const TLS_PARAMETERS: readonly string[] = ["tls-creds", "tls-hostname", "tls-authz"];

export const DEFAULT_PARAMETERS = Object.fromEntries(
  Object.entries(ROWS).map(([name, { initial }]) => [name, initial]),
) as Parameters;

/** As `query-migrate-parameters` says them. */
export function describeParameters(parameters: Parameters): Readonly<Record<string, number | string>> {
  return { ...parameters, ...Object.fromEntries(TLS_PARAMETERS.map((name) => [name, ""])) };
}

/** `parameters` with the changes. Throws `MigrationError`; nothing is changed then. */
export function changeParameters(parameters: Parameters, changes: Readonly<Record<string, unknown>>): Parameters {
  const next: Record<string, number> = { ...parameters };
  for (const [name, given] of Object.entries(changes)) {
    if (TLS_PARAMETERS.includes(name)) {
      if (given !== "" && given !== null)
        throw new MigrationError(`migration parameter '${name}' is not available: there is no TLS`);
      continue;
    }
    // Of 64 bits: what is beyond 2^53 is no limit.
    const value = typeof given === "bigint" ? Math.min(Number(given), Number.MAX_SAFE_INTEGER) : given;
    const row = (ROWS as Readonly<Record<string, Range>>)[name];
    if (!row) throw new MigrationError(`migration parameter '${name}' is not available`);
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < row.least || value > row.most) {
      throw new MigrationError(`Parameter '${name}' expects a number from ${row.least} to ${row.most}`);
    }
    next[name] = value;
  }
  return next as Parameters;
}
