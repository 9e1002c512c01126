/** Round values for an axis, and times as text. */

/** At most `most` + 1 round values from 0 to `end`. */
export function ticks(end: number, most: number): number[] {
  const least = end / most;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= least) ?? end;
  const values: number[] = [];
  for (let count = 0; count * step <= end; count++) values.push(count * step);
  return values;
}

/** "0", "250 us", "1.5 ms", "12 s". */
export function timeText(ns: number): string {
  if (ns === 0) return "0";
  const [size, unit] = ns >= 1e9 ? [1e9, "s"] : ns >= 1e6 ? [1e6, "ms"] : ns >= 1e3 ? [1e3, "us"] : [1, "ns"];
  return `${Number((ns / size).toPrecision(3))} ${unit}`;
}
