/**
 * Reads the rate that a program has measured by itself. The guest's driver has put an underscore for each space and line
 * end of the output.
 */

/**
 * - `openssl-bytes`, `openssl-operations`: `openssl speed -mr`, bytes a second, and signatures a second
 * - `7z`: the total line of `7z b`, million instructions a second by its own rating
 * - `stress-ng`: the line of `--metrics-brief`, operations a second of real time
 */
export type Reading = keyof typeof PATTERNS;

/** The first group is the rate. */
const PATTERNS = {
  "openssl-bytes": /\+F:\d+:[^:_]+:([\d.]+)/,
  "openssl-operations": /\+F\d:\d+:\d+:([\d.]+)/,
  "7z": /Tot:(?:_+\d+){2}_+(\d+)/,
  "stress-ng": /metrc:_+\[\d+\]_+\S+?_+\d+_+[\d.]+_+[\d.]+_+[\d.]+_+([\d.]+)/,
} as const;

/** Units a second; undefined when the output does not say so, or the rate is not above 0. */
export function readRate(reading: Reading, output: string): number | undefined {
  const rate = Number(PATTERNS[reading].exec(output)?.[1]);
  return Number.isFinite(rate) && rate > 0 ? rate : undefined;
}
