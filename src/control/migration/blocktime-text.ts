/** The blocktime in the text of the human monitor's `info migrate`. */
import type { BlocktimeMembers } from "./blocktime-figures.ts";

const LIST_COLUMNS = 10;
const TIME_UNITS = ["us", "ms", "sec"] as const;

/** Whole lines. `all` (`-a`) adds the distribution of the latencies. */
export function blocktimeText(members: BlocktimeMembers, options: { readonly all?: boolean } = {}): string {
  const lines = [
    `Postcopy Blocktime (ms): ${members["postcopy-blocktime"]}`,
    "Postcopy vCPU Blocktime (ms):",
    list(members["postcopy-vcpu-blocktime"]),
    `Postcopy Latency (ns): ${members["postcopy-latency"]}`,
    `Postcopy non-vCPU Latency (ns): ${members["postcopy-non-vcpu-latency"]}`,
    "Postcopy vCPU Latencies (ns):",
    list(members["postcopy-vcpu-latency"]),
  ];
  if (options.all) lines.push("Postcopy Latency Distribution:", ...members["postcopy-latency-dist"].map(bucketLine));
  return lines.map((line) => `${line}\n`).join("");
}

/** ` [a, b, ...]`, ten a line. */
function list(values: readonly number[]): string {
  const rows: string[] = [];
  for (let at = 0; at < values.length; at += LIST_COLUMNS) rows.push(values.slice(at, at + LIST_COLUMNS).join(", "));
  return ` [${rows.join(",\n  ")}]`;
}

function bucketLine(count: number, bucket: number): string {
  const [from, to] = [bucketTime(bucket), bucketTime(bucket + 1)];
  return `  [ ${from.padStart(8)} - ${to.padStart(8)} ]: ${String(count).padStart(10)}`;
}

/** 2^`exponent` us as a whole number of the largest unit that fits, thousands by thousands: "512 us", "1 ms", "65 ms". */
export function bucketTime(exponent: number): string {
  let [value, unit] = [2 ** exponent, 0];
  while (value >= 1000 && unit < TIME_UNITS.length - 1) {
    value = Math.floor(value / 1000);
    unit++;
  }
  return `${value} ${TIME_UNITS[unit]}`;
}
